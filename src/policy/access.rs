//! What a file request wants, right by right, and the words for it.
//!
//! Invariant: every set of rights has one text, and that text reads back as the same set.
//! Leaves to others: which call wants what (`supervisor::act`), what a rule grants (`compiled`).

use std::sync::LazyLock;

bitflags::bitflags! {
    /// What a file request wants of a path.
    #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
    pub struct Access: u8 {
        const READ = 1;
        /// What is in it: writing, truncating, and putting something else in its place.
        const WRITE = 2;
        const EXEC = 4;
        /// A new name: open with O_CREAT, mkdir, mknod, symlink, bind, and the new end of a link or rename.
        const CREATE = 8;
        /// A name that goes: unlink, rmdir, and what a rename replaces.
        const DELETE = 16;
        /// The old end of a rename.
        const RENAME = 32;
        /// Mode, owner, times, extended attributes.
        const CHANGE = 64;
        /// What the key `write` grants and `readonly` refuses.
        const CHANGES = Self::WRITE.bits() | Self::CREATE.bits() | Self::DELETE.bits() | Self::RENAME.bits() | Self::CHANGE.bits();
    }
}

impl Access {
    /// Each right with its word, in the order in which they are written.
    pub const RIGHTS: [(Access, &'static str); 7] = [
        (Access::READ, "read"),
        (Access::WRITE, "write"),
        (Access::EXEC, "exec"),
        (Access::CREATE, "create"),
        (Access::DELETE, "delete"),
        (Access::RENAME, "rename"),
        (Access::CHANGE, "change"),
    ];

    /// The words, a space between two: `read write`; empty for none.
    #[must_use]
    pub fn words(self) -> &'static str {
        static WORDS: LazyLock<Vec<String>> = LazyLock::new(|| {
            let text = |bits| {
                let rights =
                    Access::RIGHTS.iter().filter(|(right, _)| Access::from_bits_truncate(bits).contains(*right));
                rights.map(|(_, word)| *word).collect::<Vec<_>>().join(" ")
            };
            (0..=Access::all().bits()).map(text).collect()
        });
        WORDS.get(usize::from(self.bits())).map_or("", String::as_str)
    }

    /// Reads what [`Access::words`] wrote; also one right alone. None for anything else.
    #[must_use]
    pub fn from_words(text: &str) -> Option<Access> {
        let right = |word: &str| Access::RIGHTS.iter().find(|(_, known)| *known == word).map(|(right, _)| *right);
        text.split_ascii_whitespace().map(right).try_fold(Access::empty(), |all, right| Some(all | right?))
    }

    /// For a narrow column: `r`, `w` for whatever changes, `x`.
    #[must_use]
    pub fn letters(self) -> &'static str {
        match (self.contains(Access::READ), self.changes(), self.contains(Access::EXEC)) {
            (false, false, false) => "",
            (true, false, false) => "r",
            (false, true, false) => "w",
            (true, true, false) => "rw",
            (false, false, true) => "x",
            (true, false, true) => "rx",
            (false, true, true) => "wx",
            (true, true, true) => "rwx",
        }
    }

    /// What a recorded call with two paths wanted of each of them: of the first, and of the second.
    #[must_use]
    pub fn of_ends(self, op: &str) -> (Access, Access) {
        match op {
            "rename" => (self & (Access::READ | Access::RENAME), self - (Access::READ | Access::RENAME)),
            "link" => (self - Access::CREATE, self & (Access::WRITE | Access::CREATE)),
            _ => (self, self),
        }
    }

    /// Whether it changes anything.
    #[must_use]
    pub fn changes(self) -> bool {
        self.intersects(Access::CHANGES)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_set_has_words_that_read_back() {
        for bits in 0..=Access::all().bits() {
            let access = Access::from_bits_truncate(bits);
            assert_eq!(Access::from_words(access.words()), Some(access));
        }
        assert_eq!((Access::READ | Access::CREATE).words(), "read create");
        assert_eq!((Access::from_words("rw"), Access::from_words("read, write")), (None, None));
        assert_eq!((Access::CREATE.letters(), Access::all().letters()), ("w", "rwx"));
    }
}
