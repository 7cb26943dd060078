//! How much happened in each of the last seconds, from counters that only grow.
//!
//! Invariant: bounded; a counter that was not heard of for a while spreads what it grew by over that while.

use std::collections::VecDeque;

/// Seconds that are kept.
pub const KEPT: usize = 60;

/// One counter.
#[derive(Debug, Clone, Default)]
pub struct Rates {
    seconds: VecDeque<u64>,
    /// Where the counter was at the end of the last whole second, in milliseconds of its own clock.
    last: Option<(u64, u64)>,
}

impl Rates {
    /// The counter stands at `count` at `now` milliseconds.
    pub fn feed(&mut self, now: u64, count: u64) {
        let Some((then, before)) = self.last else {
            self.last = Some((now, count));
            return;
        };
        let seconds = now.saturating_sub(then) / 1_000;
        if seconds == 0 {
            return;
        }
        let each = count.saturating_sub(before) / seconds;
        for _ in 0..seconds.min(KEPT as u64) {
            if self.seconds.len() == KEPT {
                self.seconds.pop_front();
            }
            self.seconds.push_back(each);
        }
        self.last = Some((then + seconds * 1_000, count));
    }

    /// In the last whole second.
    pub fn now(&self) -> u64 {
        self.seconds.back().copied().unwrap_or(0)
    }

    /// The last `width` seconds as bars, the newest on the right; the highest of them is a whole bar.
    pub fn bars(&self, width: usize) -> String {
        const BARS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];
        let shown = self.seconds.iter().skip(self.seconds.len().saturating_sub(width));
        let most = shown.clone().copied().max().unwrap_or(0).max(1);
        let level = |value: &u64| match *value {
            0 => 0,
            // A little is never drawn as nothing.
            value => (u128::from(value) * 7).div_ceil(u128::from(most)) as usize,
        };
        let bars: String = shown.map(|value| BARS.get(level(value)).copied().unwrap_or('█')).collect();
        let missing = width.saturating_sub(bars.chars().count());
        format!("{}{bars}", "▁".repeat(missing))
    }
}

/// `212`, `4k`, `11M`: a figure in at most four characters.
pub fn figure(value: u64) -> String {
    match value {
        0..1_000 => value.to_string(),
        1_000..1_000_000 => format!("{}k", value / 1_000),
        1_000_000..1_000_000_000 => format!("{}M", value / 1_000_000),
        _ => format!("{}G", (value / 1_000_000_000).min(999)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn growth_is_told_by_the_second() {
        let mut rates = Rates::default();
        for (now, count) in [(10, 5), (500, 7), (1_020, 15), (1_500, 15), (4_020, 45)] {
            rates.feed(now, count);
        }
        assert_eq!(rates.seconds, [10, 10, 10, 10]);
        rates.feed(5_100, 46);
        assert_eq!((rates.now(), rates.bars(6)), (1, "▁████▂".to_owned()));
        rates.feed(6_100, 46);
        assert_eq!(rates.bars(2), "█▁");
        rates.feed(10_000_000, 46);
        assert_eq!(rates.seconds.len(), KEPT);
    }

    #[test]
    fn figures_are_short() {
        let figures = [0, 999, 1_000, 45_999, 2_000_000, u64::MAX].map(figure);
        assert_eq!(figures, ["0", "999", "1k", "45k", "2M", "999G"]);
    }
}
