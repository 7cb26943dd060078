//! Copies of what a call's pointers point to: made once, judged and used; the target's memory is never looked at again.
//!
//! Invariant: after [`Copier`] returned, nothing depends on memory that the target can still change.

use std::ffi::CString;

use crate::sys::{Errno, Sys, memory};

const PAGE: u64 = 4096;
/// Longest path with its NUL, as the kernel counts (PATH_MAX).
pub const PATH_MAX: usize = libc::PATH_MAX as usize;

/// Reads the memory of one process.
#[derive(Debug, Clone, Copy)]
pub struct Copier {
    pub tid: i32,
}

impl Copier {
    /// A NUL-terminated string of at most `max` bytes with its NUL. EFAULT, ENAMETOOLONG, or EPERM when the target
    /// cannot be read.
    pub fn string(self, addr: u64, max: usize) -> Sys<CString> {
        let mut text = Vec::new();
        let mut chunk = [0_u8; 512];
        let mut at = addr;
        if at == 0 {
            return Err(Errno(libc::EFAULT));
        }
        while text.len() < max {
            let left = (PAGE - at % PAGE).min(chunk.len() as u64).min((max - text.len()) as u64) as usize;
            let Some(part) = chunk.get_mut(..left) else { break };
            let n = memory::read(self.tid, at, part)?;
            let part = part.get(..n).unwrap_or_default();
            if let Some(end) = part.iter().position(|b| *b == 0) {
                let part = part.get(..=end).unwrap_or_default();
                text.reserve_exact(part.len());
                text.extend_from_slice(part);
                return CString::from_vec_with_nul(text).map_err(|_| Errno(libc::EINVAL));
            }
            if n == 0 {
                return Err(Errno(libc::EFAULT));
            }
            text.extend_from_slice(part);
            at += n as u64;
        }
        Err(Errno(libc::ENAMETOOLONG))
    }

    /// A path argument.
    pub fn path(self, addr: u64) -> Sys<CString> {
        self.string(addr, PATH_MAX)
    }

    /// Exactly `len` bytes.
    pub fn bytes(self, addr: u64, len: usize) -> Sys<Vec<u8>> {
        let mut buf = vec![0_u8; len];
        let mut done = 0;
        while done < len {
            let rest = buf.get_mut(done..).unwrap_or_default();
            let n = memory::read(self.tid, addr.wrapping_add(done as u64), rest)?;
            if n == 0 {
                return Err(Errno(libc::EFAULT));
            }
            done += n;
        }
        Ok(buf)
    }

    /// `count` words of eight bytes.
    pub fn words(self, addr: u64, count: usize) -> Sys<Vec<u64>> {
        let bytes = self.bytes(addr, count * 8)?;
        Ok(bytes.chunks_exact(8).map(|w| u64::from_ne_bytes(w.try_into().unwrap_or_default())).collect())
    }

    /// A vector of strings ended by a null pointer, as execve(2) takes it: at most `max_items` and `max_bytes` are
    /// kept; the flag says that there were more.
    pub fn strings(self, addr: u64, max_items: usize, max_bytes: usize) -> Sys<(Vec<Vec<u8>>, bool)> {
        let mut found = Vec::new();
        let mut bytes = 0;
        let mut at = addr;
        if at == 0 {
            return Ok((found, false));
        }
        loop {
            let in_page = ((PAGE - at % PAGE) / 8).clamp(1, 64) as usize;
            for pointer in self.words(at, in_page)? {
                if pointer == 0 {
                    return Ok((found, false));
                }
                if found.len() == max_items || bytes >= max_bytes {
                    return Ok((found, true));
                }
                // MAX_ARG_STRLEN is 32 pages; what is longer is cut for the record, and the cut is told.
                let text = match self.string(pointer, 32 * PAGE as usize) {
                    Ok(text) => text.into_bytes(),
                    Err(Errno(libc::ENAMETOOLONG)) => return Ok((found, true)),
                    Err(errno) => return Err(errno),
                };
                bytes += text.len() + 1;
                found.push(text);
            }
            at += in_page as u64 * 8;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn own() -> Copier {
        Copier { tid: std::process::id() as i32 }
    }

    #[test]
    fn strings_are_copied_whole_or_refused() {
        let text = CString::new(vec![b'x'; 5000]).unwrap();
        let addr = text.as_ptr() as u64;
        assert_eq!(own().path(addr), Err(Errno(libc::ENAMETOOLONG)));
        assert_eq!(own().path(addr + 1000).map(|t| t.to_bytes().len()), Ok(4000));
        assert_eq!(own().path(0), Err(Errno(libc::EFAULT)));
        assert_eq!(own().path(16), Err(Errno(libc::EFAULT)));
    }

    #[test]
    fn vectors_end_at_null_and_say_when_cut() {
        let texts = [c"one", c"two", c"three"];
        let vector: Vec<u64> = texts.iter().map(|t| t.as_ptr() as u64).chain([0]).collect();
        let addr = vector.as_ptr() as u64;
        let all = vec![b"one".to_vec(), b"two".to_vec(), b"three".to_vec()];
        assert_eq!(own().strings(addr, 10, 100), Ok((all.clone(), false)));
        assert_eq!(own().strings(addr, 2, 100), Ok((all.into_iter().take(2).collect(), true)));
    }
}
