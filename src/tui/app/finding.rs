//! Lines that are typed: searching, jumping, filtering.

use super::{App, Over, Pane, Wish};
use crate::recording::summary::clock;
use crate::recording::visible;
use crate::tui::filter::Filter;
use crate::tui::keys::{Chord, Press};
use crate::tui::panels::Tone;
use crate::tui::prompt::{Line, Typed};
use crate::tui::search::{Hit, Next, Search, Within};

impl App {
    pub(super) fn prompt(&mut self, wish: Wish) {
        let text = match wish {
            Wish::Filter => self.filter.line().to_owned(),
            Wish::Search(_) | Wish::Jump | Wish::Marker => String::new(),
        };
        self.over = Over::Prompt { wish, line: Line::new(&text), wrong: String::new() };
    }

    pub(super) fn prompt_key(&mut self, chord: Chord) {
        let Over::Prompt { wish, line, .. } = &mut self.over else { return };
        if let (Wish::Search(within), Press::Tab) = (&wish, chord.press) {
            let other = if *within == Within::Screen { Within::Events } else { Within::Screen };
            *wish = Wish::Search(other);
            return;
        }
        match line.key(chord) {
            Typed::Changed => self.typed(),
            Typed::Nothing => {}
            Typed::Gone => self.over = Over::Nothing,
            Typed::Done => {
                let (wish, text) = (*wish, line.text());
                self.done(wish, &text);
            }
        }
    }

    /// Checks while it is typed.
    pub(super) fn typed(&mut self) {
        let (now, end) = (self.player.time(), self.source.duration());
        let Over::Prompt { wish, line, wrong } = &mut self.over else { return };
        let text = line.text();
        *wrong = match wish {
            Wish::Search(_) if !text.is_empty() => Search::pattern(&text).err().unwrap_or_default(),
            Wish::Jump if !text.is_empty() && target(&text, now, end).is_none() => TARGETS.to_owned(),
            _ => String::new(),
        };
    }

    fn done(&mut self, wish: Wish, text: &str) {
        let text = text.trim();
        match wish {
            // An empty line searches on for what was searched before.
            Wish::Search(_) if text.is_empty() => {
                self.over = Over::Nothing;
                if self.search.is_some() {
                    self.next_hit(true);
                }
            }
            Wish::Search(within) => self.search(text, within),
            Wish::Filter => {
                self.filter = Filter::new(text);
                self.over = Over::Nothing;
            }
            Wish::Jump => self.jump(text),
            Wish::Marker => {
                self.over = Over::Nothing;
                self.marker(text);
            }
        }
    }

    fn jump(&mut self, text: &str) {
        match target(text, self.player.time(), self.source.duration()) {
            Some(Target::Time(t)) => {
                self.over = Over::Nothing;
                self.seek_to(t);
                self.player.playing = false;
            }
            Some(Target::Event(seq)) => {
                self.over = Over::Nothing;
                self.leave_end();
                self.player.playing = false;
                let gone = self.go_to_event(seq);
                self.ran(gone);
                self.moved();
            }
            None if text.is_empty() => self.over = Over::Nothing,
            None => self.typed(),
        }
    }

    fn search(&mut self, text: &str, within: Within) {
        let source = self.source.again();
        let Some(source) = self.ran(source) else { return };
        match Search::start(source, text, within, self.player.place().frame) {
            Ok(search) => {
                self.search = Some(search);
                self.over = Over::Nothing;
                self.hit_from(true);
            }
            Err(why) => {
                if let Over::Prompt { wrong, .. } = &mut self.over {
                    *wrong = why;
                }
            }
        }
    }

    pub(super) fn next_hit(&mut self, forward: bool) {
        if self.search.is_none() {
            return self.toggle(Pane::Net);
        }
        self.hit_from(forward);
    }

    fn hit_from(&mut self, forward: bool) {
        self.player.playing = false;
        self.player.following = false;
        self.seeking = Some(forward);
        self.seek_on();
    }

    /// Jumps to the hit that is waited for, once it is found.
    pub(super) fn seek_on(&mut self) {
        let (Some(forward), Some(search)) = (self.seeking, &self.search) else { return };
        let said = match search.next(self.player.seq(), forward) {
            Next::Searching => return,
            Next::None => format!("not found: {}", visible(search.typed().as_bytes())),
            Next::At(hit) => {
                self.go_to_hit(hit);
                String::new()
            }
            Next::Wrapped(hit) => {
                self.go_to_hit(hit);
                if forward { "from the beginning again" } else { "from the end again" }.to_owned()
            }
        };
        self.seeking = None;
        if !said.is_empty() {
            self.say(&said, Tone::Accent);
        }
    }

    fn go_to_hit(&mut self, hit: Hit) {
        self.go_after(hit.place);
        if hit.back > 0 {
            let above = usize::from(self.player.screen().size().1 / 3);
            self.scroll(0isize.saturating_sub_unsigned(hit.back + above));
        }
    }

    /// What the foot line says while something is typed.
    pub(super) fn prompt_words(&self) -> Option<Words> {
        let Over::Prompt { wish, line, wrong } = &self.over else { return None };
        let (label, hint) = match wish {
            Wish::Search(Within::Screen) => ("/ on the screen", "regular expression · tab: in events".to_owned()),
            Wish::Search(Within::Events) => {
                ("/ in events", "argv, paths, hosts, rules · tab: on the screen".to_owned())
            }
            Wish::Jump => ("go to", format!("{TARGETS} · now {}", clock(self.player.time()))),
            Wish::Filter => ("filter", "exec file net denied asked path:… host:… pid:… -word".to_owned()),
            Wish::Marker => ("marker", "a few words; enter sets it".to_owned()),
        };
        Some(Words { label, text: line.text(), cursor: line.cursor(), hint, wrong: visible(wrong.as_bytes()) })
    }
}

/// A prompt in words.
pub(super) struct Words {
    pub(super) label: &'static str,
    pub(super) text: String,
    pub(super) cursor: usize,
    pub(super) hint: String,
    pub(super) wrong: String,
}

const TARGETS: &str = "12:34 · +30 · -5 · 50% · #812";

/// What a line names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Target {
    Time(u64),
    Event(u64),
}

/// `12:34`, `1:02:03.5`, `90`, `+30`, `-5`, `50%`, `#812`; in seconds where there is no colon.
fn target(text: &str, now: u64, end: u64) -> Option<Target> {
    let text = text.trim();
    if let Some(number) = text.strip_prefix('#') {
        return number.parse().ok().map(Target::Event);
    }
    if let Some(part) = text.strip_suffix('%') {
        let part: f64 = part.trim().parse().ok().filter(|part| (0.0..=100.0).contains(part))?;
        return Some(Target::Time((end as f64 * part / 100.0) as u64));
    }
    if let Some(later) = text.strip_prefix('+') {
        return Some(Target::Time(now.saturating_add(time(later)?)));
    }
    if let Some(earlier) = text.strip_prefix('-') {
        return Some(Target::Time(now.saturating_sub(time(earlier)?)));
    }
    time(text).map(Target::Time)
}

fn time(text: &str) -> Option<u64> {
    let mut seconds = 0.0;
    for (at, part) in text.split(':').enumerate() {
        let number: f64 = part.trim().parse().ok().filter(|number| (0.0..=31_536_000.0).contains(number))?;
        if at > 2 || (at > 0 && number >= 60.0) {
            return None;
        }
        seconds = seconds * 60.0 + number;
    }
    // A year of nanoseconds fits.
    Some((seconds * 1e9) as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_and_events_are_named_in_several_ways() {
        let second = 1_000_000_000;
        let to = |text| target(text, 60 * second, 200 * second);
        assert_eq!(to("1:30"), Some(Target::Time(90 * second)));
        assert_eq!(to("1:02:03"), Some(Target::Time(3_723 * second)));
        assert_eq!(to("+30"), Some(Target::Time(90 * second)));
        assert_eq!(to("-90"), Some(Target::Time(0)));
        assert_eq!(to("50%"), Some(Target::Time(100 * second)));
        assert_eq!(to("#812"), Some(Target::Event(812)));
        for wrong in ["", "x", "1:99", "#", "101%", "nan", "1:2:3:4", "--5"] {
            assert_eq!(to(wrong), None, "{wrong}");
        }
    }
}
