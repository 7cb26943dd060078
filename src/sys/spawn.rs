//! posix_spawn(3): a program started without copying this process's memory, which a fork(2) of a large one is slow at.
//!
//! Invariant: the child gets no descriptor above 2, no environment and no blocked signal that is not named here.
//! Leaves to others: who is started (`session`).

use std::ffi::CStr;
use std::io;
use std::mem::MaybeUninit;
use std::ptr;

/// Turns an error number into an error.
fn check(errno: libc::c_int) -> io::Result<()> {
    if errno == 0 { Ok(()) } else { Err(io::Error::from_raw_os_error(errno)) }
}

struct Actions(libc::posix_spawn_file_actions_t);

impl Actions {
    fn new() -> io::Result<Self> {
        let mut actions = MaybeUninit::uninit();
        // SAFETY: the call initialises what the pointer names, or fails.
        check(unsafe { libc::posix_spawn_file_actions_init(actions.as_mut_ptr()) })?;
        // SAFETY: it was initialised by the call that has just succeeded.
        Ok(Actions(unsafe { actions.assume_init() }))
    }

    /// The three standard streams on `/dev/null`, and the working directory.
    fn detach(&mut self, dir: &CStr) -> io::Result<()> {
        // SAFETY: the actions are initialised; the name is copied by the call.
        check(unsafe {
            libc::posix_spawn_file_actions_addopen(&mut self.0, 0, c"/dev/null".as_ptr(), libc::O_RDWR, 0)
        })?;
        for stream in [1, 2] {
            // SAFETY: the actions are initialised; no other pointer is passed.
            check(unsafe { libc::posix_spawn_file_actions_adddup2(&mut self.0, 0, stream) })?;
        }
        // SAFETY: the actions are initialised; the name is copied by the call.
        check(unsafe { libc::posix_spawn_file_actions_addchdir_np(&mut self.0, dir.as_ptr()) })
    }
}

impl Drop for Actions {
    fn drop(&mut self) {
        // SAFETY: they were initialised by `new` and are not used again.
        unsafe { libc::posix_spawn_file_actions_destroy(&mut self.0) };
    }
}

struct Attributes(libc::posix_spawnattr_t);

impl Attributes {
    fn new() -> io::Result<Self> {
        let mut attributes = MaybeUninit::uninit();
        // SAFETY: the call initialises what the pointer names, or fails.
        check(unsafe { libc::posix_spawnattr_init(attributes.as_mut_ptr()) })?;
        // SAFETY: it was initialised by the call that has just succeeded.
        Ok(Attributes(unsafe { attributes.assume_init() }))
    }

    /// A session of its own; no signal blocked, SIGPIPE as it is by default (the Rust runtime ignores it).
    fn start_afresh(&mut self) -> io::Result<()> {
        let mut set = MaybeUninit::uninit();
        // SAFETY: sigemptyset(3) initialises the set that it is given.
        let mut set = unsafe {
            libc::sigemptyset(set.as_mut_ptr());
            set.assume_init()
        };
        // SAFETY: attributes and set are initialised, and the set is copied by the call.
        check(unsafe { libc::posix_spawnattr_setsigmask(&mut self.0, &set) })?;
        // SAFETY: the set is initialised; the number is a signal's.
        unsafe { libc::sigaddset(&mut set, libc::SIGPIPE) };
        // SAFETY: attributes and set are initialised, and the set is copied by the call.
        check(unsafe { libc::posix_spawnattr_setsigdefault(&mut self.0, &set) })?;
        let flags = libc::POSIX_SPAWN_SETSIGMASK as libc::c_short | libc::POSIX_SPAWN_SETSIGDEF as libc::c_short;
        // SAFETY: the attributes are initialised; no other pointer is passed.
        check(unsafe { libc::posix_spawnattr_setflags(&mut self.0, flags | libc::POSIX_SPAWN_SETSID) })
    }
}

impl Drop for Attributes {
    fn drop(&mut self) {
        // SAFETY: they were initialised by `new` and are not used again.
        unsafe { libc::posix_spawnattr_destroy(&mut self.0) };
    }
}

/// Starts a program as the leader of a session of its own, without a terminal: standard streams on `/dev/null`, in the
/// directory `dir`, with no environment. Descriptors that are not closed at execve(2) are its own, too. Its pid.
pub fn detached(program: &CStr, argv: &[&CStr], dir: &CStr) -> io::Result<i32> {
    let (mut actions, mut attributes) = (Actions::new()?, Attributes::new()?);
    actions.detach(dir)?;
    attributes.start_afresh()?;
    let argv: Vec<*mut libc::c_char> =
        argv.iter().map(|word| word.as_ptr().cast_mut()).chain([ptr::null_mut()]).collect();
    let env: [*mut libc::c_char; 1] = [ptr::null_mut()];
    let mut pid = 0;
    // SAFETY: all pointers are to values that outlive the call, both lists end with a null pointer, and neither lists nor
    // strings are written to. The child shares our memory until it executes, and runs nothing but the C library's own code.
    check(unsafe {
        libc::posix_spawn(&mut pid, program.as_ptr(), &actions.0, &attributes.0, argv.as_ptr(), env.as_ptr())
    })?;
    Ok(pid)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_session_of_its_own_in_its_directory_with_nothing_inherited() {
        // The parent's environment has a PATH, which the shell would show.
        let script =
            c"[ \"$(pwd)\" = /usr ] && [ \"$(cut -d' ' -f6 /proc/$$/stat)\" = $$ ] && [ /dev/fd/1 -ef /dev/null ]";
        let pid = detached(c"/bin/sh", &[c"sh", c"-c", script], c"/usr").unwrap();
        let mut status = 0;
        // SAFETY: `status` outlives the call, which writes one int to it.
        assert_eq!(unsafe { libc::waitpid(pid, &mut status, 0) }, pid);
        assert!(libc::WIFEXITED(status) && libc::WEXITSTATUS(status) == 0, "status {status:#x}");
        assert_eq!(detached(c"/nonexistent", &[c"x"], c"/").unwrap_err().raw_os_error(), Some(libc::ENOENT));
    }
}
