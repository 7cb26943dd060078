//! The list of sessions at its sizes.

use super::super::FootView;
use super::picture::{compare, drawn, theme};
use crate::tui::watch::{KEYS, ListView, Rates, Row, Urgency, draw, sort};

fn rates(per_second: &[u64]) -> Rates {
    let (mut rates, mut count) = (Rates::default(), 0);
    rates.feed(0, 0);
    for (second, grown) in (1..).zip(per_second) {
        count += grown;
        rates.feed(second * 1_000, count);
    }
    rates
}

fn list() -> Vec<Row> {
    let row = |id: &str, agent: &str, place: &str, age: &str, state: &str, last: &str| Row {
        id: id.into(),
        agent: agent.into(),
        place: place.into(),
        age: age.into(),
        state: state.into(),
        last: last.into(),
        policy: "codex@9f2c".into(),
        ..Row::default()
    };
    let mut rows = vec![
        Row {
            events: rates(&[9, 30, 60, 45, 2, 1, 12, 38]),
            output: rates(&[900, 4_000, 11_000]),
            started: 2,
            ..row("m0aa", "claude", "~/src/api", "3m", "working", "exec cargo test -p api --workspace -- --nocapture")
        },
        Row { started: 1, ..row("p7xc", "bash", "~/tmp", "1h", "idle 22m", "write notes.txt") },
        Row {
            denied: 2,
            asks: 1,
            events: rates(&[40, 90, 200, 110, 3, 2, 30, 212]),
            output: rates(&[10, 10, 900, 4_100]),
            urgency: Urgency::Asks,
            ..row("k3f9", "codex", "~/src/shop", "12m", "asks ●", "? run git push origin agent/fix-login")
        },
        Row {
            urgency: Urgency::Over,
            denied: 1,
            ..row("b2b2", "codex", "/home/ada/src/漢字/very/long/place/indeed/to/show", "2h", "exit 0", "exit")
        },
    ];
    sort(&mut rows);
    rows
}

#[test]
fn every_session_in_one_list() {
    let rows = list();
    for (width, height) in [(80, 24), (120, 40), (200, 60)] {
        let keys = crate::tui::keys::foot(KEYS, usize::from(width));
        let view =
            ListView { rows: &rows, chosen: 0, clock: "17:52:10", filter: "", hidden: 0, foot: FootView::Keys(&keys) };
        let picture = drawn((width, height), |frame| draw(frame, frame.area(), &view, &theme()));
        compare(&format!("watch-{width}x{height}"), &picture);
    }
}

#[test]
fn a_list_without_a_session_says_what_to_type() {
    let view = ListView {
        rows: &[],
        chosen: 0,
        clock: "17:52:10",
        filter: "",
        hidden: 0,
        foot: FootView::Keys(&[("q", "quit")]),
    };
    compare("watch-empty-80x24", &drawn((80, 24), |frame| draw(frame, frame.area(), &view, &theme())));
}
