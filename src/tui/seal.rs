//! Whether a recording is as it was written, looked at beside the view.
//!
//! Invariant: never says intact of what was not read whole.
//! Leaves to others: the proof itself (`recording::verify`).

use std::fs::File;
use std::path::PathBuf;
use std::sync::mpsc::{Receiver, channel};

use super::panels::header::Seal;
use crate::recording::{Integrity, verify, visible};
use crate::session::recorder::known_key;

/// Begins to look at the file; the outcome comes once.
pub fn look(path: PathBuf) -> Receiver<Seal> {
    let (tell, told) = channel();
    let look = move || {
        // A view that has gone wants no answer.
        let _ = tell.send(seal(path));
    };
    // Without a thread the header says that nobody looked.
    let _ = std::thread::Builder::new().name("seal".to_owned()).spawn(look);
    told
}

fn seal(path: PathBuf) -> Seal {
    let Ok(file) = File::open(path) else { return Seal::Unknown };
    match verify(file, None) {
        Ok(Integrity::Signed { by }) => {
            let own = known_key().ok().flatten().is_some_and(|key| key.public() == by.key);
            let name = visible(by.name.as_bytes());
            Seal::Signed(if own { name } else { format!("a key unknown here ({name})") })
        }
        Ok(Integrity::Unsigned { .. }) => Seal::Unsigned,
        Ok(Integrity::Open { .. }) => Seal::Open,
        Ok(Integrity::Altered { frame, what }) => Seal::Altered(format!("frame {frame}: {}", visible(what.as_bytes()))),
        Err(_) => Seal::Unknown,
    }
}
