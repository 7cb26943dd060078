//! `govsh show`: what happened in a session, on one page, or event by event.

/// What to show of it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ShowOptions {
    /// One object with everything instead of the page; with `events` one object a line.
    pub json: bool,
    /// The tree of programs instead of the page.
    pub programs: bool,
    /// Event by event.
    pub events: bool,
    /// Only events of this kind.
    pub kind: Option<String>,
    /// Only what was denied.
    pub denied: bool,
}

pub fn show(session: &str, opts: &ShowOptions) -> anyhow::Result<i32> {
    let path = super::find::find(session)?;
    println!("{} {}", path.display(), opts.json);
    Ok(0)
}
