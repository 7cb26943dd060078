//! A recording in a file, as a source of views.
//!
//! Invariant: reads only; another one of it opens the same file again.
//! Leaves to others: the format (`recording::Archive`).

use std::fs::File;
use std::path::PathBuf;
use std::sync::Arc;

use super::Source;
use crate::event::{PolicyUsed, Stamped, Start};
use crate::recording::{Archive, End, Index, ReadError};
use crate::screen::Screen;

/// A recording in a file.
pub struct Recorded {
    path: PathBuf,
    archive: Archive<File>,
}

impl Recorded {
    pub fn open(path: PathBuf) -> Result<Self, ReadError> {
        let archive = Archive::open(File::open(&path)?)?;
        Ok(Self { path, archive })
    }
}

impl Source for Recorded {
    fn start(&self) -> Option<&Start> {
        self.archive.start()
    }

    fn policy(&self) -> Option<&PolicyUsed> {
        self.archive.policy()
    }

    fn end(&self) -> Option<&End> {
        self.archive.end()
    }

    fn frames(&self) -> &[Index] {
        self.archive.frames()
    }

    fn len(&self) -> usize {
        self.archive.len()
    }

    fn duration(&self) -> u64 {
        self.archive.duration()
    }

    fn events(&mut self, frame: usize) -> Result<Arc<Vec<Stamped>>, ReadError> {
        self.archive.events(frame)
    }

    fn screen_before(&mut self, frame: usize) -> Result<Screen, ReadError> {
        self.archive.screen_before(frame)
    }

    fn frame_at(&self, t: u64) -> usize {
        self.archive.frame_at(t)
    }

    fn refresh(&mut self) -> Result<bool, ReadError> {
        self.archive.refresh()
    }

    fn again(&self) -> Result<Box<dyn Source>, ReadError> {
        Ok(Box::new(Self::open(self.path.clone())?))
    }
}
