//! Where stepping stops, event by event.
//!
//! Invariant: pure over the source; a step back from a step forward ends where it began or before.

use super::{Event, Filter, Place, ProcOp, ReadError, Sought, Source, Stamped, Stop, Tally, filter, look};

/// Output within this time is one picture: 50 a second.
const PICTURE: u64 = 20_000_000;

/// Whether a frame with these figures can hold one.
pub(super) fn may(stop: Stop, filter: &Filter, tally: &Tally) -> bool {
    match stop {
        Stop::Event => filter.may_show(tally),
        Stop::Denial => filter::has_denial(tally),
        Stop::Question => tally.count("ask") > 0,
        Stop::Program => tally.count("proc") > 0,
        Stop::Connection => tally.count("net") > 0,
        Stop::Marker => tally.count("marker") > 0,
        Stop::Frame | Stop::Screenful => tally.draws(),
    }
}

pub(super) fn is(stop: Stop, filter: &Filter, stamped: &Stamped) -> bool {
    let event = &stamped.event;
    match stop {
        Stop::Event => filter.shows(stamped),
        Stop::Denial => filter::is_denial(event),
        Stop::Question => matches!(event, Event::Ask(_)),
        Stop::Program => matches!(event, Event::Proc(proc) if proc.op == ProcOp::Exec),
        Stop::Connection => filter::is_connection(event),
        Stop::Marker => matches!(event, Event::Marker { .. }),
        Stop::Frame | Stop::Screenful => is_drawing(event),
    }
}

fn is_drawing(event: &Event) -> bool {
    matches!(event, Event::Output { .. } | Event::Resize { .. })
}

/// The last event of the next picture, or of the one before that in which `place` lies.
pub(super) fn picture(source: &mut dyn Source, place: Place, forward: bool) -> Result<Sought, ReadError> {
    let mut end: Option<u64> = None;
    let mut last = Sought::None;
    if forward {
        let mut from = place;
        loop {
            let found = look(source, from, true, Tally::draws, |stamped| is_drawing(&stamped.event))?;
            let Sought::At(at) = found else { return Ok(if last == Sought::None { found } else { last }) };
            let t = time_of(source, at)?;
            if t > *end.get_or_insert(t.saturating_add(PICTURE)) {
                return Ok(last);
            }
            last = found;
            from = Place { index: at.index + 1, ..at };
        }
    }
    look(source, place, false, Tally::draws, |stamped| {
        is_drawing(&stamped.event)
            && *end.get_or_insert(stamped.t) > stamped.t.saturating_add(if stamped.t == 0 { 0 } else { PICTURE })
    })
}

fn time_of(source: &mut dyn Source, place: Place) -> Result<u64, ReadError> {
    Ok(source.events(place.frame)?.get(place.index).map_or(0, |stamped| stamped.t))
}

/// Where `rows` lines have been written since, or the screen was cleared.
pub(super) fn screenful(source: &mut dyn Source, place: Place, rows: u16, forward: bool) -> Result<Sought, ReadError> {
    let mut lines = 0;
    let mut any = None;
    let found = look(source, place, forward, Tally::draws, |stamped| {
        let Event::Output { data, .. } = &stamped.event else { return matches!(stamped.event, Event::Resize { .. }) };
        // Going back, the output that drew the present screen counts, but is not where to stop.
        let full = lines >= u64::from(rows);
        any = Some(stamped.t);
        lines += memchr::memchr_iter(b'\n', data).count() as u64;
        if clears(data) {
            lines = lines.max(u64::from(rows));
            return forward;
        }
        if forward { lines >= u64::from(rows) } else { full }
    })?;
    match found {
        // Less than a screenful is left: its end, or its beginning.
        Sought::None if any.is_some() && forward => look(source, LAST, false, Tally::draws, |s| is_drawing(&s.event)),
        Sought::None if any.is_some() => Ok(Sought::At(Place::default())),
        found => Ok(found),
    }
}

/// Beyond every event.
const LAST: Place = Place { frame: usize::MAX, index: usize::MAX };

/// Erases the screen, or changes to the other one.
pub fn clears(data: &[u8]) -> bool {
    [&b"\x1b[2J"[..], b"\x1b[?1049", b"\x1b[H\x1b[J", b"\x1bc"]
        .iter()
        .any(|sequence| memchr::memmem::find(data, sequence).is_some())
}
