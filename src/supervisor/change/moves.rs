//! rename(2) and link(2): what moves, or gets another name, with all that lies in it.
//!
//! Invariant: both ends are resolved before judging, under the session's lock on changes; nothing protected moves along, is
//! replaced, or is freed of what refused it, and no submodule is led elsewhere.
//! Leaves to others: looking through a directory (`scan`), submodules (`repository::astray`).

use std::os::fd::AsFd;

use super::super::act::{Act, At, LINKED, Last, PLACED, ends_of_rename};
use super::super::resolve::Found;
use super::super::scan;
use super::super::worker::{Answer, Call, Ruling, Worker};
use super::{PathArg, carved};
use crate::policy::Access;
use crate::policy::Verdict;
use crate::sys::{Errno, Sys, file};

impl Worker {
    pub fn rename(&mut self, call: &Call, from: PathArg, to: PathArg, flags: u32) -> Answer {
        let shared = self.shared.clone();
        let _changes = shared.change_names();
        let places = self.place(call, from).and_then(|from| Ok((from, self.place(call, to)?)));
        let (from, to) = match places {
            Ok(places) => places,
            Err(errno) => return self.unreadable(call, "rename", errno),
        };
        if from.last != Last::Name || to.last != Last::Name {
            return Errno(libc::EBUSY).into();
        }
        let (source, target) = (from.full(), to.full());
        let is_there = |at: &At| file::stat_at(at.dir.as_fd(), &at.name).is_ok();
        let flags = self.replaces_nothing(&to, &target, flags);
        let (old, new) = ends_of_rename(flags);
        let policy = self.rules.policy.clone();
        let asks = |path, access| policy.decide_file(path, access).verdict == Verdict::Ask;
        // Nobody is asked about what cannot be done.
        if flags == libc::RENAME_NOREPLACE
            && (asks(&source, old) || asks(&target, new))
            && is_there(&from)
            && is_there(&to)
        {
            return Errno(libc::EEXIST).into();
        }
        let ends = [(&*source, old), (&*target, new)];
        if let Some(answer) = self.configure(call, (&from, &to), &ends, flags) {
            return answer;
        }
        let exchanges = flags & libc::RENAME_EXCHANGE != 0;
        let ruling = match self.rename_ruling((&from, &source), (&to, &target), exchanges) {
            Ok(ruling) => ruling,
            Err(errno) => return errno.into(),
        };
        let act = Act::Rename { from: from.clone(), to, flags };
        let op = if exchanges { "exchange" } else { "rename" };
        let answer = match ruling {
            Some(ruling) => self.conclude(call, op, &ends, act, false, ruling),
            None => self.change(call, op, &ends, act, false),
        };
        shared.table.forget_places();
        answer
    }

    /// A denial for what moves along, or loses its protection by it.
    fn rename_ruling(&self, from: (&At, &[u8]), to: (&At, &[u8]), exchanges: bool) -> Sys<Option<Ruling>> {
        let ((from, source), (to, target)) = (from, to);
        if let Some(ruling) = self.move_ruling(from, source, target)? {
            return Ok(Some(ruling));
        }
        // An exchange moves the other end as well; a replacement removes it.
        match self.move_ruling(to, target, source) {
            Ok(None) | Err(Errno(libc::ENOENT)) => {}
            denied_or_failed => return denied_or_failed,
        }
        let there = || self.unless_moved_astray(from, source, target);
        let back = || self.unless_moved_astray(to, target, source).filter(|_| exchanges);
        Ok(self.loses(source, target).or_else(there).or_else(back))
    }

    /// A denial where the new name refuses less than the old one did: what is moved or linked there would be freed of it.
    fn loses(&self, source: &[u8], target: &[u8]) -> Option<Ruling> {
        let policy = &self.rules.policy;
        let lost = || policy.refused_rights(source) - policy.refused_rights(target) - Access::CREATE;
        (policy.tells_changes_apart() && !lost().is_empty()).then(carved)
    }

    /// The flags of a rename; with RENAME_NOREPLACE where nothing is to be replaced and nothing may be. Whatever comes to stand
    /// there meanwhile then stays, whoever made it: the kernel looks again as it acts.
    fn replaces_nothing(&mut self, to: &At, target: &[u8], flags: u32) -> u32 {
        let is_free = flags == 0 && file::stat_at(to.dir.as_fd(), &to.name) == Err(Errno(libc::ENOENT));
        if is_free && self.judge(target, Access::DELETE).denies() { libc::RENAME_NOREPLACE } else { flags }
    }

    /// A denial when moving what is at `at` from `source` to `target` would take a protected path along, or away from
    /// its protection. ENOENT when there is nothing.
    fn move_ruling(&self, at: &At, source: &[u8], target: &[u8]) -> Sys<Option<Ruling>> {
        let stat = file::stat_at(at.dir.as_fd(), &at.name)?;
        let policy = &self.rules.policy;
        // Beneath a file nothing is: where a trusted rule names the protected file itself, another takes its place.
        let is_named = || stat.kind() == libc::S_IFREG && policy.lifted(target);
        if (policy.carves_beneath(source) && stat.is_dir()) || policy.carves_beneath(target) && !is_named() {
            return Ok(Some(carved()));
        }
        let floats = || policy.floating_beneath(source) || policy.floating_beneath(target);
        if stat.is_dir() && floats() && !policy.alike(source, target) {
            let inside = match scan::protected_inside(policy, at, source, target) {
                Err(Errno(libc::EACCES)) => self.shared.warden.protected_inside(at.clone(), source, target)?,
                looked => looked?,
            };
            return Ok(inside.then(carved));
        }
        Ok(None)
    }

    pub fn link(&mut self, call: &Call, from: PathArg, to: PathArg, flags: i32) -> Answer {
        let shared = self.shared.clone();
        let _changes = shared.change_names();
        let to = match self.place(call, to) {
            Ok(at) if at.last != Last::Name => return Errno(libc::EEXIST).into(),
            Ok(at) => at,
            Err(errno) => return self.unreadable(call, "link", errno),
        };
        let target = to.full();
        if flags & (libc::AT_EMPTY_PATH | libc::AT_SYMLINK_FOLLOW) == 0 {
            let from = match self.place(call, from) {
                Ok(at) if at.last != Last::Name => return Errno(libc::EPERM).into(),
                Ok(at) => at,
                Err(errno) => return self.unreadable(call, "link", errno),
            };
            let source = from.full();
            let is_link = file::stat_at(from.dir.as_fd(), &from.name).is_ok_and(|stat| stat.is_symlink());
            let astray = || self.unless_link_astray(&target).filter(|_| is_link);
            if let Some(ruling) = self.loses(&source, &target).or_else(astray) {
                let ends = [(&*source, LINKED), (&*target, PLACED)];
                return self.conclude(call, "link", &ends, Act::Link { from, to }, false, ruling);
            }
            return self.change(call, "link", &[(&source, LINKED), (&target, PLACED)], Act::Link { from, to }, false);
        }
        let source = match self.link_source(call, from, flags) {
            Ok(found) => found,
            Err(errno) => return self.unreadable(call, "link", errno),
        };
        let stat = file::stat(source.fd.as_fd());
        let unnamed = stat.is_ok_and(|s| s.links == 0);
        let astray = if stat.is_ok_and(|s| !s.is_symlink()) { None } else { self.unless_link_astray(&target) };
        let act = Act::LinkObject { object: source.fd, to };
        if unnamed {
            return self.change(call, "link", &[(&target, PLACED)], act, false);
        }
        let ends = [(&*source.path, LINKED), (&*target, PLACED)];
        match self.loses(&source.path, &target).or(astray) {
            Some(ruling) => self.conclude(call, "link", &ends, act, false, ruling),
            None => self.change(call, "link", &ends, act, false),
        }
    }

    fn link_source(&self, call: &Call, from: PathArg, flags: i32) -> Sys<Found> {
        let path = call.copier().path(from.addr)?;
        if path.is_empty() && flags & libc::AT_EMPTY_PATH != 0 {
            return self.held(call, from.dirfd);
        }
        let resolver = self.resolver(call);
        let base = resolver.base(from.dirfd, path.to_bytes(), 0)?;
        resolver.existing(&base, path.to_bytes(), flags & libc::AT_SYMLINK_FOLLOW != 0, 0)
    }
}
