//! Connections through the front: which are open at any time, and how much flows in each.
//!
//! Invariant: bounded in tunnels and in what is kept of each; of a rate the last figures before the time are told, and none
//! once they are older than [`STALE`].

use std::collections::{BTreeMap, HashMap};

use crate::event::{Tunnel, TunnelOp};
use crate::recording::leads;
use crate::recording::summary::size;
use crate::tui::panels::text::bounded;

/// Tunnels that are kept.
const KEPT: usize = 20_000;
/// Figures that are kept of each: past it every second one goes.
const FIGURES: usize = 128;
/// A figure is told at most so long, in nanoseconds: they come once a second while bytes flow.
const STALE: u64 = 2_500_000_000;
const SECOND: u128 = 1_000_000_000;

/// All tunnels of a session.
#[derive(Debug, Default)]
pub(super) struct Tunnels {
    kept: Vec<One>,
    at: HashMap<u64, usize>,
}

#[derive(Debug)]
struct One {
    place: String,
    from: u64,
    to: Option<u64>,
    figures: Vec<Figure>,
}

/// Bytes so far, at a time.
#[derive(Debug, Clone, Copy, Default)]
struct Figure {
    t: u64,
    up: u64,
    down: u64,
}

/// Bytes a second, and so far.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Flow {
    pub(super) count: u64,
    /// The oldest was opened then, in nanoseconds since the session's start.
    pub(super) from: u64,
    pub(super) up: u64,
    pub(super) down: u64,
    pub(super) up_rate: u64,
    pub(super) down_rate: u64,
}

impl Tunnels {
    pub(super) fn add(&mut self, t: u64, tunnel: &Tunnel) {
        let figure = Figure { t, up: tunnel.up, down: tunnel.down };
        if let Some(one) = self.at.get(&tunnel.id).and_then(|at| self.kept.get_mut(*at)) {
            one.figure(figure);
            // Its name is known by then.
            if tunnel.op == TunnelOp::Close {
                one.to.get_or_insert(t);
            }
            return;
        }
        // What was never open is told as what was refused.
        if tunnel.op == TunnelOp::Close || self.kept.len() >= KEPT {
            return;
        }
        self.at.insert(tunnel.id, self.kept.len());
        let place = bounded(leads(tunnel).as_bytes(), 400);
        self.kept.push(One { place, from: t, to: None, figures: vec![figure] });
    }

    /// Those that are open at `t`, by place.
    pub(super) fn open_at(&self, t: u64) -> BTreeMap<&str, Flow> {
        let mut places: BTreeMap<&str, Flow> = BTreeMap::new();
        for one in self.kept.iter().filter(|one| one.from <= t && one.to.is_none_or(|to| t < to)) {
            let (last, [up_rate, down_rate]) = one.flow(t);
            let flow = places.entry(&one.place).or_insert(Flow { from: one.from, ..Flow::default() });
            flow.count += 1;
            flow.from = flow.from.min(one.from);
            flow.up = flow.up.saturating_add(last.up);
            flow.down = flow.down.saturating_add(last.down);
            flow.up_rate = flow.up_rate.saturating_add(up_rate);
            flow.down_rate = flow.down_rate.saturating_add(down_rate);
        }
        places
    }
}

impl One {
    fn figure(&mut self, figure: Figure) {
        if self.figures.len() >= FIGURES {
            let mut keeps = false;
            self.figures.retain(|_| {
                keeps = !keeps;
                keeps
            });
        }
        self.figures.push(figure);
    }

    /// The last figure at `t`, and the rates between it and the one before.
    fn flow(&self, t: u64) -> (Figure, [u64; 2]) {
        let up_to = self.figures.partition_point(|figure| figure.t <= t);
        let told = self.figures.get(..up_to).unwrap_or_default();
        let Some(last) = told.last().copied() else { return (Figure::default(), [0, 0]) };
        let before = told.iter().rev().nth(1).copied().unwrap_or(Figure { t: self.from, ..Figure::default() });
        let past = u128::from(last.t.saturating_sub(before.t));
        if past == 0 || t.saturating_sub(last.t) > STALE {
            return (last, [0, 0]);
        }
        let rate = |now: u64, then: u64| {
            u64::try_from(u128::from(now.saturating_sub(then)) * SECOND / past).unwrap_or(u64::MAX)
        };
        (last, [rate(last.up, before.up), rate(last.down, before.down)])
    }
}

impl Flow {
    /// `↓1.2 MB/s ↑3.0 kB/s`; what has flown so far where nothing flows now.
    pub(super) fn words(&self) -> String {
        match (self.up_rate, self.down_rate) {
            (0, 0) => format!("↓{} ↑{}", size(self.down), size(self.up)),
            (up, down) => format!("↓{}/s ↑{}/s", size(down), size(up)),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::policy::{Layer, Verdict};

    fn tunnel(id: u64, op: TunnelOp, up: u64, down: u64) -> Tunnel {
        Tunnel {
            id,
            op,
            pid: 1,
            addr: None,
            host: Some(Arc::from("example.org")),
            port: 443,
            sni: None,
            verdict: Verdict::Allow,
            rule: Arc::from("r"),
            layer: Layer::User,
            up,
            down,
            duration: 0,
            end: "",
        }
    }

    #[test]
    fn what_is_open_and_how_much_flows_depends_on_the_time() {
        let (mut tunnels, second) = (Tunnels::default(), 1_000_000_000);
        tunnels.add(second, &tunnel(1, TunnelOp::Open, 0, 0));
        tunnels.add(2 * second, &tunnel(1, TunnelOp::Flow, 500, 4_000));
        tunnels.add(3 * second, &tunnel(2, TunnelOp::Open, 0, 0));
        tunnels.add(9 * second, &tunnel(1, TunnelOp::Close, 700, 4_000));
        tunnels.add(9 * second, &tunnel(3, TunnelOp::Close, 0, 0));
        let at = |t: u64| tunnels.open_at(t).get("example.org:443").copied();
        assert_eq!(at(second - 1), None);
        let flow = at(2 * second).expect("open");
        assert_eq!(
            (flow.count, flow.up_rate, flow.down_rate, flow.words()),
            (1, 500, 4_000, "↓4.0 kB/s ↑500 B/s".into())
        );
        let flow = at(8 * second).expect("open");
        assert_eq!((flow.count, flow.down, flow.down_rate, flow.words()), (2, 4_000, 0, "↓4.0 kB ↑500 B".into()));
        assert_eq!(at(9 * second).expect("one").count, 1);
    }

    #[test]
    fn a_tunnel_of_many_figures_keeps_a_few_and_the_last() {
        let mut tunnels = Tunnels::default();
        tunnels.add(0, &tunnel(1, TunnelOp::Open, 0, 0));
        for n in 1..10_000 {
            tunnels.add(n * 1_000_000_000, &tunnel(1, TunnelOp::Flow, n, 0));
        }
        assert!(tunnels.kept[0].figures.len() <= FIGURES);
        assert_eq!(tunnels.open_at(u64::MAX)["example.org:443"].up, 9_999);
    }
}
