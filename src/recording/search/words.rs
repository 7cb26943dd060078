//! The words of events that are no output: arguments, paths, addresses, markers.
//!
//! Invariant: text with the control characters made visible, as lists of events show it.
//! Leaves to others: output and input (`watch`, `plain`).

use super::{Hit, Place, Places, Query};
use crate::event::{Event, Stamped};
use crate::recording::visible;

/// Adds what an event has to `hits`.
pub(super) fn event(query: &Query, stamped: &Stamped, hits: &mut Vec<Hit>) {
    let mut seek = |place: Place, text: String| {
        let found = query.regex.find_iter(&text).map(|found| found.range()).filter(|range| !range.is_empty());
        let ranges: Vec<_> = found.take(1000).collect();
        if !ranges.is_empty() {
            let (before, after) = (Vec::new(), Vec::new());
            hits.push(Hit { t: stamped.t, seq: stamped.seq, place, text, ranges, row: None, before, after });
        }
    };
    let argv = |argv: &[Vec<u8>]| argv.iter().map(|word| visible(word)).collect::<Vec<_>>().join(" ");
    let wants = |place: Places| query.places.contains(place);
    match &stamped.event {
        Event::Start(start) if wants(Places::ARGV) => seek(Place::Argv, argv(&start.argv)),
        Event::Proc(proc) => {
            if wants(Places::ARGV) && !proc.argv.is_empty() {
                seek(Place::Argv, argv(&proc.argv));
            }
            if wants(Places::PATH) && !proc.exe.is_empty() {
                seek(Place::Path, visible(&proc.exe));
            }
        }
        Event::Judged(judged) => {
            asked(query, &judged.path, &judged.path2, judged.addr, &judged.argv, &mut seek);
        }
        Event::Ask(ask) => asked(query, &ask.path, &ask.path2, ask.addr, &ask.argv, &mut seek),
        Event::Marker { label, .. } if wants(Places::MARKER) => seek(Place::Marker, visible(label.as_bytes())),
        Event::Alert { what, .. } if wants(Places::MARKER) => seek(Place::Marker, visible(what.as_bytes())),
        _ => {}
    }
}

fn asked(
    query: &Query,
    path: &[u8],
    path2: &[u8],
    addr: Option<std::net::SocketAddr>,
    argv: &[Vec<u8>],
    seek: &mut impl FnMut(Place, String),
) {
    if query.places.contains(Places::PATH) {
        [path, path2].into_iter().filter(|path| !path.is_empty()).for_each(|path| seek(Place::Path, visible(path)));
    }
    if let Some(addr) = addr.filter(|_| query.places.contains(Places::HOST)) {
        seek(Place::Host, addr.to_string());
    }
    if query.places.contains(Places::ARGV) && !argv.is_empty() {
        let words: Vec<_> = argv.iter().map(|word| visible(word)).collect();
        seek(Place::Argv, words.join(" "));
    }
}
