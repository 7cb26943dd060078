//! What an attempt says at its end: one line of JSON and the exit status.
//!
//! Invariant: exit 0 only when the attempted thing was really done or the kernel's own code for it was reached.
//! Leaves to others: what should have happened (`tests/escape`).

/// How one attempt ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// The harm was done; what can be shown for it.
    Worked(String),
    /// The call was refused with this errno.
    Refused(i32, String),
    /// The program was called the wrong way.
    Misuse(String),
}

pub use Outcome::{Misuse, Refused, Worked};

/// A raw system call's result: the value, or an errno.
pub type Try = Result<i64, i32>;

impl From<Try> for Outcome {
    fn from(tried: Try) -> Outcome {
        match tried {
            Ok(value) => Worked(value.to_string()),
            Err(errno) => Refused(errno, String::new()),
        }
    }
}

/// For calls whose real success would hurt the machine: an errno that only the call's own code can give
/// proves that nothing stood in front of it.
pub fn reaches(tried: Try, proofs: &[i32]) -> Outcome {
    match tried {
        Err(errno) if proofs.contains(&errno) => Worked(format!("reached {}", errno_name(errno))),
        other => other.into(),
    }
}

impl Outcome {
    /// Prints the line and gives the exit status.
    pub fn report(&self, name: &str) -> i32 {
        let (result, detail, status) = match self {
            Worked(detail) => ("ok".to_owned(), detail, 0),
            Refused(errno, detail) => (format!("errno {}", errno_name(*errno)), detail, 1),
            Misuse(detail) => ("misuse".to_owned(), detail, 2),
        };
        println!("{}", serde_json::json!({ "name": name, "result": result, "detail": detail }));
        status
    }
}

macro_rules! names {
    ($($name:ident)*) => {
        /// `EACCES` and the like; the number where it has no name here.
        pub fn errno_name(errno: i32) -> String {
            $(if errno == libc::$name { return stringify!($name).to_owned(); })*
            errno.to_string()
        }
    };
}

names! {
    EPERM ENOENT ESRCH EINTR EIO ENXIO E2BIG ENOEXEC EBADF ECHILD EAGAIN ENOMEM EACCES EFAULT EBUSY EEXIST EXDEV ENODEV
    ENOTDIR EISDIR EINVAL ENFILE EMFILE ENOTTY ETXTBSY EFBIG ENOSPC ESPIPE EROFS EMLINK EPIPE ENAMETOOLONG ENOSYS
    ENOTEMPTY ELOOP ENODATA EPROTO EOVERFLOW EUSERS ENOTSOCK EDESTADDRREQ EMSGSIZE EPROTOTYPE ENOPROTOOPT
    EPROTONOSUPPORT ESOCKTNOSUPPORT EOPNOTSUPP EPFNOSUPPORT EAFNOSUPPORT EADDRINUSE EADDRNOTAVAIL ENETDOWN
    ENETUNREACH ECONNABORTED ECONNRESET ENOBUFS EISCONN ENOTCONN ETIMEDOUT ECONNREFUSED EHOSTUNREACH EALREADY
    EINPROGRESS ESTALE ENOKEY EKEYEXPIRED ENOPKG
}
