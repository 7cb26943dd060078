//! `govsh policy diff`: what grows and what shrinks, in terms of access.

use std::fmt::Write as _;

use anyhow::Result;
use serde_json::json;

use super::{load, print};
use crate::cli::PolicyDiff;
use crate::cmd::library::Disk;
use crate::cmd::paint::Paint;
use crate::policy::diff::{Difference, Differences, Side, compare};
use crate::recording::visible;

/// 0 when nothing differs, 1 when something does.
pub fn diff(options: &PolicyDiff) -> Result<i32> {
    let disk = Disk::new();
    let (_, first) = load(&disk, &options.first)?;
    let (_, second) = load(&disk, &options.second)?;
    let all = compare(&first, &second);
    if options.json {
        let names = [first.name(), second.name()];
        let json = json!({ "policies": names, "same": all.found.is_empty(), "differences": all.found,
            "judged": all.judged, "cut": all.cut });
        print(&format!("{json:#}\n"))?;
    } else {
        print(&text(&all, Paint::stdout())?)?;
    }
    Ok(i32::from(!all.found.is_empty()))
}

fn text(all: &Differences, paint: Paint) -> Result<String> {
    let mut text = String::new();
    let mut side = None;
    let width = all.found.iter().map(|found| found.what.chars().count()).max().unwrap_or(0).min(44);
    for found in &all.found {
        if side != Some(found.side) {
            let word = match found.side {
                Side::Grows => "grows",
                Side::Shrinks => "shrinks",
                Side::Changes => "changes",
            };
            writeln!(text, "{}", paint.bold(word))?;
            side = Some(found.side);
        }
        let Difference { kind, what, access, from, to, witness, by, .. } = found;
        let what = visible(what.as_bytes());
        writeln!(
            text,
            "  {kind:<11}  {what:width$}  {access}{}{from} → {to}",
            if access.is_empty() { "" } else { "  " }
        )?;
        let by =
            by.iter().filter(|rule| !rule.is_empty() && *rule != "default").cloned().collect::<Vec<_>>().join(" → ");
        let seen = [format!("such as {}", visible(witness.as_bytes())), by].join("  by ");
        if !witness.is_empty() {
            writeln!(text, "               {}", paint.dim(seen.trim_end_matches("  by ")))?;
        }
    }
    let of = |side| all.found.iter().filter(|found| found.side == side).count();
    let cut = if all.cut { "; there were more than could be judged" } else { "" };
    if all.found.is_empty() {
        writeln!(text, "nothing differs ({} requests judged by both{cut})", all.judged)?;
    } else {
        let (grows, shrinks, changes) = (of(Side::Grows), of(Side::Shrinks), of(Side::Changes));
        writeln!(
            text,
            "{grows} grow, {shrinks} shrink, {changes} change ({} requests judged by both{cut})",
            all.judged
        )?;
    }
    Ok(text)
}
