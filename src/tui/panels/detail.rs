//! What and why: everything about one event.
//!
//! Invariant: pure; what is too long for the panel is cut in its middle and says so, the panel scrolls through all of it.
//! Leaves to others: which event, and who its process descends from (the app).

use ratatui::Frame;
use ratatui::layout::Rect;

use super::Tone;
use super::edge::{Edge, Title, framed, put, rows};
use super::text::{MOST, WHOLE, bounded, command, few, wrap};
use super::words::{self, Bearings, Object, ancestry, answered, answerer, failure, tenths, took, want};
use crate::event::{Answer, Ask, Event, Judged, Kind, PolicyUsed, Proc, ProcOp, Report, Stamped, Start};
use crate::policy::Verdict;
use crate::recording::{Word, kind};
use crate::tui::Theme;

mod mcp;
mod network;

/// Notices of a run's start that are shown.
const NOTICES: usize = 8;

/// A paragraph, visible already.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Said {
    pub text: String,
    pub tone: Tone,
}

/// What the panel shows.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct DetailView<'a> {
    /// From the most to the least important.
    pub said: &'a [Said],
    /// Lines that are scrolled away at the top. With 0 long paragraphs are cut so that all have room.
    pub scroll: usize,
    pub focus: bool,
    pub edge: Edge,
}

/// What is known of the process that did it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Doer {
    /// Its arguments, and those of its ancestors from the agent down, itself last. Empty when it is not known.
    pub line: Vec<Vec<Vec<u8>>>,
}

/// What is known of the question that an answer belongs to.
pub type Asked<'a> = Option<&'a Ask>;

pub fn draw(frame: &mut Frame, area: Rect, view: &DetailView, theme: &Theme) {
    let title = Title { left: "what and why", right: "", focus: view.focus };
    let inner = framed(frame, area, title, view.edge, theme);
    let inner = Rect { x: inner.x + inner.width.min(1), width: inner.width.saturating_sub(2), ..inner };
    let lines = lines(view, usize::from(inner.width), usize::from(inner.height));
    let buffer = frame.buffer_mut();
    for (line, (text, tone)) in rows(inner).zip(lines) {
        put(buffer, line, 0, &text, tone.style(theme));
    }
}

/// The lines that are drawn into `width` × `height`.
fn lines(view: &DetailView, width: usize, height: usize) -> Vec<(String, Tone)> {
    let wrapped: Vec<_> = view.said.iter().map(|said| (wrap(&said.text, width), said.tone)).collect();
    let all: usize = wrapped.iter().map(|(lines, _)| lines.len()).sum();
    let flat = |wrapped: Vec<(Vec<String>, Tone)>| {
        wrapped.into_iter().flat_map(|(lines, tone)| lines.into_iter().map(move |line| (line, tone)))
    };
    if view.scroll > 0 {
        return flat(wrapped).skip(view.scroll.min(all.saturating_sub(1))).collect();
    }
    // A line for each paragraph at least; what is left goes to those that want more, in order.
    let mut spare = height.saturating_sub(wrapped.len());
    let fitted = wrapped.into_iter().map(|(lines, tone)| {
        let most = lines.len().min(1 + spare);
        spare -= most - most.min(1);
        // One line alone cannot say what it leaves out: it shows the beginning, and the mark.
        let lines = match (lines.len(), most) {
            (2.., 1) => vec![super::text::front(&lines.concat(), width)],
            _ => few(lines, most),
        };
        (lines, tone)
    });
    flat(fitted.collect()).take(height).collect()
}

/// How many lines there are to scroll through in an area of `width` columns.
pub fn height(said: &[Said], area: Rect, edge: Edge) -> usize {
    let width = usize::from(area.width).saturating_sub(if edge == Edge::Box { 4 } else { 2 });
    said.iter().map(|said| wrap(&said.text, width).len()).sum()
}

/// Everything about `stamped`. `asked` is the question that an answer belongs to, where it is known.
pub fn of(stamped: &Stamped, doer: &Doer, asked: Asked, bearings: &Bearings) -> Vec<Said> {
    let mut page = Page { said: Vec::new(), bearings };
    match &stamped.event {
        Event::Judged(judged) => page.judged(judged, doer),
        event @ (Event::Tunnel(_) | Event::Dns(_) | Event::Http(_) | Event::Credential(_)) => {
            network::tell(&mut page, event, doer);
        }
        Event::Mcp(mcp) => self::mcp::tell(&mut page, mcp, doer),
        Event::Ask(ask) => page.ask(ask),
        Event::Answer(answer) => page.answer(answer, asked),
        Event::Proc(proc) => page.process(proc, doer),
        Event::Start(start) => page.start(start),
        Event::Policy(policy) => page.policy(policy),
        Event::Report(report) => page.report(report),
        Event::Alert { pid, what } => {
            page.say(Tone::Deny, format!("! {}", bounded(what.as_bytes(), WHOLE)));
            page.doer(*pid, &doer.line);
        }
        Event::Limit { what } => page.say(Tone::Deny, format!("! limit: {}", bounded(what.as_bytes(), WHOLE))),
        Event::Lost { events, bytes, why } => {
            page.say(Tone::Deny, format!("! {events} events with {bytes} bytes of terminal could not be recorded"));
            page.say(Tone::Plain, bounded(why.as_bytes(), MOST));
        }
        Event::Marker { label, by } => {
            page.say(Tone::Accent, format!("◆ {}", bounded(label.as_bytes(), WHOLE)));
            let by =
                if by.is_empty() { "in the session".to_owned() } else { format!("by {}", bounded(by.as_bytes(), 200)) };
            page.say(Tone::Plain, by);
        }
        Event::Output { data, .. } | Event::Input { data } => {
            page.say(Tone::Plain, format!("{} bytes of {}", data.len(), kind(&stamped.event)));
            page.say(Tone::Dim, bounded(data, MOST));
        }
        Event::Redacted { bytes } => {
            page.say(
                Tone::Plain,
                format!("{bytes} bytes typed while the terminal did not echo: only their number is kept"),
            );
        }
        Event::Resize { cols, rows } => page.say(Tone::Plain, format!("the terminal became {cols}×{rows}")),
        Event::Exit { status, signal: None } => page.say(Tone::Strong, format!("the agent ended with {status}")),
        Event::Exit { status, signal: Some(signal) } => {
            page.say(Tone::Strong, format!("the agent was killed by signal {signal}; govsh returned {status}"));
        }
    }
    page.say(Tone::Dim, format!("at {}, event {} ({})", tenths(stamped.t), stamped.seq, kind(&stamped.event)));
    page.said
}

struct Page<'a> {
    said: Vec<Said>,
    bearings: &'a Bearings,
}

impl Page<'_> {
    fn say(&mut self, tone: Tone, text: String) {
        self.said.push(Said { text, tone });
    }

    fn judged(&mut self, judged: &Judged, doer: &Doer) {
        let (sign, tone, verdict) = match judged.verdict {
            Verdict::Deny => ("✘ ", Tone::Deny, "denied"),
            Verdict::Ask => ("? ", Tone::Ask, "asked"),
            Verdict::Allow => ("", Tone::Strong, "allowed"),
        };
        let object = match judged.kind {
            Kind::File if judged.path2.is_empty() => self.bearings.from_home(&judged.path),
            _ => Object::from(judged).shown(self.bearings, WHOLE),
        };
        self.say(tone, format!("{sign}{} {object}", want(judged.op, judged.kind, judged.access)));
        if let Some(addr) = judged.addr.filter(|_| judged.host.is_some()) {
            self.say(Tone::Dim, format!("at {addr}"));
        }
        self.doer(judged.pid, &doer.line);
        let rule = format!("{verdict}: {} ({})", bounded(judged.rule.as_bytes(), MOST), judged.layer.word());
        self.say(if judged.verdict == Verdict::Allow { Tone::Plain } else { tone }, rule);
        if judged.kind == Kind::Exec && !judged.path.is_empty() {
            self.say(Tone::Dim, format!("runs {}", bounded(&judged.path, MOST)));
        }
        let mut how = vec![judged.via.word().to_owned()];
        how.extend(failure(judged.errno));
        if judged.duration > 0 {
            how.push(took(judged.duration));
        }
        if judged.kind == Kind::File {
            how.push(bounded(judged.op.as_bytes(), 64));
        }
        self.say(Tone::Dim, how.join(", "));
    }

    fn doer(&mut self, pid: i32, line: &[Vec<Vec<u8>>]) {
        match line.last() {
            Some(own) => {
                self.say(Tone::Plain, format!("{}   pid {pid}", command(own, WHOLE)));
                if line.len() > 1 {
                    self.say(Tone::Dim, ancestry(line.iter().map(Vec::as_slice)));
                }
            }
            None => self.say(Tone::Plain, format!("pid {pid}")),
        }
    }

    fn ask(&mut self, ask: &Ask) {
        let object = match ask.of {
            Kind::File if ask.path2.is_empty() => self.bearings.from_home(&ask.path),
            _ => Object::from(ask).shown(self.bearings, WHOLE),
        };
        self.say(Tone::Ask, format!("? {} {object}", want(ask.op, ask.of, ask.access)));
        self.doer(ask.pid, &ask.ancestry);
        self.say(Tone::Dim, format!("in {}", self.bearings.from_home(&ask.cwd)));
        let rule = format!("asked: {} ({})", bounded(ask.rule.as_bytes(), MOST), ask.layer.word());
        self.say(Tone::Ask, rule);
        if !ask.reason.is_empty() {
            self.say(Tone::Plain, format!("because: {}", bounded(ask.reason.as_bytes(), MOST)));
        }
        for choice in ask.choices.iter().take(4) {
            let (key, text) = (bounded(choice.key.as_bytes(), 64), bounded(choice.text.as_bytes(), MOST));
            self.say(Tone::Dim, format!("always would allow {key} \"{text}\""));
        }
        let left = took(ask.timeout);
        self.say(Tone::Dim, format!("question {}, {left} to answer", ask.id));
    }

    fn answer(&mut self, answer: &Answer, asked: Asked) {
        let (sign, tone) = if answer.verdict == Verdict::Allow { ("✔", Tone::Allow) } else { ("✘", Tone::Deny) };
        self.say(tone, format!("{sign} {}", answered(answer.verdict, answer.scope)));
        if let Some(ask) = asked {
            let object = Object::from(ask).shown(self.bearings, MOST);
            self.say(Tone::Plain, format!("{} {object}", want(ask.op, ask.of, ask.access)));
            self.say(Tone::Dim, ancestry(ask.ancestry.iter().map(Vec::as_slice)));
        }
        self.say(Tone::Plain, format!("{} after {}", answerer(answer.by, &answer.who), took(answer.waited)));
        if !answer.rule.is_empty() {
            self.say(Tone::Plain, format!("added: {}", bounded(answer.rule.as_bytes(), MOST)));
        }
        if !answer.hint.is_empty() {
            self.say(Tone::Dim, bounded(answer.hint.as_bytes(), MOST));
        }
        if let Some(seq) = answer.screen {
            self.say(Tone::Plain, format!("they saw the screen of event {seq}:   :#{seq} goes there"));
        }
        let calls = if answer.calls == 1 { "call" } else { "calls" };
        self.say(Tone::Dim, format!("question {}, {} {calls} waited", answer.ask, answer.calls));
    }

    fn process(&mut self, proc: &Proc, doer: &Doer) {
        let text = if proc.argv.is_empty() { bounded(&proc.exe, MOST) } else { command(&proc.argv, WHOLE) };
        let cut = if proc.argv_cut { " … more arguments than are kept" } else { "" };
        if !text.is_empty() {
            self.say(Tone::Strong, format!("{text}{cut}"));
        }
        let now = match proc.op {
            ProcOp::Exec => format!("pid {}, started by {}", proc.pid, proc.parent),
            ProcOp::Exit => format!("pid {} {}", proc.pid, words::ended(proc)),
        };
        self.say(Tone::Plain, now);
        if doer.line.len() > 1 {
            self.say(Tone::Dim, ancestry(doer.line.iter().map(Vec::as_slice)));
        }
        if !proc.exe.is_empty() {
            self.say(Tone::Dim, format!("runs {}", bounded(&proc.exe, MOST)));
        }
        if let Some(digest) = proc.digest {
            self.say(Tone::Dim, format!("blake3:{}", blake3::Hash::from(digest).to_hex()));
        }
        if !proc.cwd.is_empty() {
            self.say(Tone::Dim, format!("in {}", self.bearings.from_home(&proc.cwd)));
        }
    }

    fn start(&mut self, start: &Start) {
        self.say(Tone::Strong, command(&start.argv, WHOLE));
        self.say(Tone::Plain, format!("in {}", self.bearings.from_home(&start.cwd)));
        let (user, host) = (bounded(start.user.as_bytes(), 200), bounded(start.host.as_bytes(), 200));
        self.say(Tone::Plain, format!("{user} on {host}, govsh {}", bounded(start.version.as_bytes(), 64)));
        let term = bounded(start.term.as_bytes(), 64);
        self.say(
            Tone::Dim,
            format!("terminal {}×{} {term}, session {}", start.cols, start.rows, bounded(start.id.as_bytes(), 64)),
        );
    }

    fn policy(&mut self, policy: &PolicyUsed) {
        self.say(Tone::Strong, format!("policy {}", bounded(policy.name.as_bytes(), 200)));
        self.say(
            Tone::Plain,
            format!("{} denies, {} asks, audit {}", policy.denies, policy.asks, bounded(policy.audit.as_bytes(), 64)),
        );
        self.say(Tone::Plain, format!("from {}", bounded(policy.sources.join(", ").as_bytes(), MOST)));
        if !policy.appended.is_empty() {
            self.say(
                Tone::Plain,
                format!("added to the command: {}", bounded(policy.appended.join(" ").as_bytes(), MOST)),
            );
        }
        for notice in policy.notices.iter().take(NOTICES) {
            self.say(Tone::Ask, bounded(notice.as_bytes(), MOST));
        }
    }

    fn report(&mut self, report: &Report) {
        self.say(Tone::Strong, format!("what this kernel enforces (Landlock ABI {})", report.landlock_abi));
        for how in ["enforced", "brokered", "observed", "missing"] {
            let count = report.lines.iter().filter(|line| line.how == how).count();
            if count > 0 {
                let tone = if how == "missing" { Tone::Deny } else { Tone::Plain };
                self.say(tone, format!("{how}: {count} rules"));
            }
        }
        for line in report.lines.iter().filter(|line| line.how == "missing").take(20) {
            self.say(
                Tone::Deny,
                format!("missing: {} — {}", bounded(line.rule.as_bytes(), 400), bounded(line.by.as_bytes(), 400)),
            );
        }
    }
}
