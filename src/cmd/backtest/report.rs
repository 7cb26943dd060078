//! The outcome of a backtest in words and as JSON.
//!
//! Invariant: whatever could not be judged is said, with its number.

use serde_json::{Value, json};

use super::Outcome;
use super::judge::{Change, Group, Now, Session};
use crate::cmd::paint::Paint;

/// What all sessions had together.
#[derive(Default)]
struct Total {
    requests: u64,
    different: u64,
    absent: u64,
    own: u64,
    unnamed: u64,
    lost: u64,
}

impl Outcome {
    fn total(&self) -> Total {
        let mut total = Total::default();
        for (_, session) in &self.sessions {
            total.requests += session.requests;
            total.different += session.different;
            total.absent += session.absent;
            total.own += session.own;
            total.unnamed += session.unnamed;
            total.lost += session.lost;
        }
        total
    }

    pub(super) fn text(&self, policy: &str) -> String {
        let paint = Paint::stdout();
        let mut text = String::new();
        for (group, change) in &self.changes {
            text.push_str(&paragraph(group, change, paint));
        }
        if self.changes.is_empty() {
            text.push_str("nothing changes\n");
        }
        let total = self.total();
        let sessions = match self.sessions.len() {
            1 => "1 session".to_owned(),
            several => format!("{several} sessions"),
        };
        text.push_str(&format!(
            "{} requests ({} different) of {sessions} judged by '{policy}' in {:.2} s\n",
            grouped(total.requests),
            grouped(total.different),
            self.took.as_secs_f64()
        ));
        for line in self.reservations(&total) {
            text.push_str(&paint.dim(&line));
            text.push('\n');
        }
        text
    }

    /// What the record cannot say.
    fn reservations(&self, total: &Total) -> Vec<String> {
        let mut lines = Vec::new();
        let counts = [
            (total.absent, "for what was not there"),
            (total.own, "decided by the session itself (its own processes, terminals and sockets)"),
            (total.unnamed, "without a path or address"),
        ];
        let counts: Vec<String> = counts
            .iter()
            .filter(|(count, _)| *count > 0)
            .map(|(count, what)| format!("{} {what}", grouped(*count)))
            .collect();
        if !counts.is_empty() {
            lines.push(format!("the same under any policy: {}", counts.join(", ")));
        }
        let named = |keep: fn(&Session) -> bool| {
            let ids: Vec<&str> = self.sessions.iter().filter(|(_, s)| keep(s)).map(|(_, s)| s.id.as_str()).collect();
            let more = ids.len().saturating_sub(6);
            let more = if more > 0 { format!(" and {more} more") } else { String::new() };
            (!ids.is_empty()).then(|| format!("{}{more}", ids.iter().take(6).copied().collect::<Vec<_>>().join(", ")))
        };
        if let Some(ids) = named(|session| !session.reads) {
            lines.push(format!("reads cannot be judged, since they were not recorded (--audit writes): {ids}"));
        }
        if let Some(ids) = named(|session| !session.exact) {
            lines.push(format!("recorded before ~ and ${{tmp}} were: judged with those of this shell: {ids}"));
        }
        if total.lost > 0 {
            lines.push(format!("{} events were lost while they were recorded", grouped(total.lost)));
        }
        lines
    }

    pub(super) fn json(&self, policy: &str) -> Value {
        let total = self.total();
        let sessions = self.sessions.iter().map(|(path, session)| {
            json!({
                "id": session.id, "file": path.to_string_lossy(), "requests": session.requests, "different": session.different,
                "absent": session.absent, "own": session.own, "unnamed": session.unnamed, "lost": session.lost,
                "reads_recorded": session.reads, "variables_recorded": session.exact,
            })
        });
        let changes = self.changes.iter().map(|(group, change)| {
            let first = change.first.iter().map(|(id, t, seq)| {
                json!({ "session": id, "t": *t as f64 / 1e9, "seq": seq, "replay": replay(id, *t) })
            });
            json!({
                "from": group.from.word(), "to": group.to.word(), "verb": group.verb, "rule": group.rule, "key": change.key,
                "layer": change.layer, "times": change.times, "different": change.different,
                "object": change.objects.first(), "objects": change.objects, "first": first.collect::<Vec<_>>(),
            })
        });
        json!({
            "policy": policy, "requests": total.requests, "different": total.different, "seconds": self.took.as_secs_f64(),
            "changes": changes.collect::<Vec<_>>(), "sessions": sessions.collect::<Vec<_>>(),
        })
    }
}

/// A group: what changes, by which rule, and where to look at it.
fn paragraph(group: &Group, change: &Change, paint: Paint) -> String {
    const SESSIONS: usize = 3;
    let what = format!("newly {}", group.to.word());
    let what = if group.to == Now::Denied { paint.warm(&what) } else { paint.bold(&what) };
    let others = change.different.saturating_sub(1);
    let place = if group.place.is_empty() { String::new() } else { format!(" in {}", group.place) };
    let others = if others > 0 { format!(" and {} others{place}", grouped(others)) } else { String::new() };
    let object = change.objects.first().map_or("", String::as_str);
    let times = if change.times == 1 { String::new() } else { format!(", {} times", grouped(change.times)) };
    let mut text = format!("{what}  {} {object}{others}{times}\n", group.verb);
    text.push_str(&format!("    by {}, {} until now\n", group.rule, group.from.word()));
    for (id, t, _) in change.first.iter().take(SESSIONS) {
        text.push_str(&format!("    {}\n", replay(id, *t)));
    }
    let more = change.first.len().saturating_sub(SESSIONS);
    if more > 0 {
        text.push_str(&format!("    and in {more} more sessions\n"));
    }
    text
}

/// The command that shows the moment.
fn replay(id: &str, t: u64) -> String {
    let (tenths, seconds) = (t / 100_000_000 % 10, t / 1_000_000_000);
    let (hours, minutes, seconds) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
    let hours = if hours > 0 { format!("{hours}:{minutes:02}") } else { minutes.to_string() };
    let at = format!("{hours}:{seconds:02}.{tenths}");
    format!("govsh replay {id} --at {at}")
}

/// `1,204,331`.
fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_and_times_are_as_people_write_them() {
        assert_eq!([0, 999, 1_000, 1_204_331].map(grouped), ["0", "999", "1,000", "1,204,331"]);
        assert_eq!(replay("k3f9", 192_900_000_000), "govsh replay k3f9 --at 3:12.9");
        assert_eq!(replay("k3f9", 3_723_000_000_000), "govsh replay k3f9 --at 1:02:03.0");
    }
}
