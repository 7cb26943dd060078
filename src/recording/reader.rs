//! A file into events.

use std::io::{Read, Seek};

use super::ReadError;
use crate::event::Stamped;

pub struct Reader<R: Read + Seek> {
    source: R,
}

impl<R: Read + Seek> Reader<R> {
    pub fn open(source: R) -> Result<Self, ReadError> {
        Ok(Self { source })
    }

    /// The file ends before its session did; known once the iteration has ended.
    pub fn truncated(&self) -> bool {
        true
    }
}

impl<R: Read + Seek> Iterator for Reader<R> {
    type Item = Result<Stamped, ReadError>;

    fn next(&mut self) -> Option<Self::Item> {
        let mut byte = [0];
        match self.source.read(&mut byte) {
            Ok(_) => None,
            Err(error) => Some(Err(error.into())),
        }
    }
}
