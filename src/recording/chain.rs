//! The chain over a recording: each link covers the one before and every byte since.
//!
//! Invariant: two files with the same link are the same up to it.
//!
//! ```text
//! link(0)   = H(bytes of the file up to its place)
//! link(n+1) = H(link(n) ‖ bytes between the places of the two)      H = BLAKE3 in key derivation mode, context as below
//! ```

/// What makes these hashes different from all others.
const CONTEXT: &str = "govsh recording, format 2, chain";

/// Bytes in a link.
pub(super) const LINK: usize = 32;

/// Takes bytes in the order of the file.
pub(super) struct Chain {
    hasher: blake3::Hasher,
}

impl Chain {
    pub(super) fn new() -> Self {
        Self { hasher: blake3::Hasher::new_derive_key(CONTEXT) }
    }

    pub(super) fn absorb(&mut self, bytes: &[u8]) {
        self.hasher.update(bytes);
    }

    /// The link over everything so far; what follows is linked to it.
    pub(super) fn link(&mut self) -> [u8; LINK] {
        let link = *self.hasher.finalize().as_bytes();
        self.hasher.reset();
        self.hasher.update(&link);
        link
    }
}
