//! Columns and times, both ways.
//!
//! Invariant: with at least as many nanoseconds as columns, the time of a column is in that column; the last one means the end.

/// The axis of a timeline.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Scale {
    /// Column of the terminal where it begins.
    pub x: u16,
    /// Columns, at least one.
    pub width: u16,
    /// Nanoseconds from its beginning to its end.
    pub total: u64,
}

impl Scale {
    pub fn new(x: u16, width: u16, total: u64) -> Self {
        Self { x, width: width.max(1), total }
    }

    /// The column of the terminal at which `t` is drawn. What lies behind the end is in the last column.
    pub fn column(&self, t: u64) -> u16 {
        self.x.saturating_add(self.index(t))
    }

    /// Counted from the axis's beginning.
    pub(super) fn index(&self, t: u64) -> u16 {
        let last = self.width - 1;
        if self.total == 0 {
            return if t == 0 { 0 } else { last };
        }
        let index = u128::from(t) * u128::from(self.width) / u128::from(self.total);
        u16::try_from(index).unwrap_or(last).min(last)
    }

    /// The time that a click at column `x` means; columns beside the axis mean its ends.
    pub fn time(&self, x: u16) -> u64 {
        let index = x.saturating_sub(self.x);
        if index >= self.width - 1 {
            return if index == 0 { 0 } else { self.total };
        }
        let t = (u128::from(index) * u128::from(self.total)).div_ceil(u128::from(self.width));
        u64::try_from(t).unwrap_or(self.total)
    }

    /// A step of time that is round for people and takes at least `cells` columns.
    pub(super) fn step(&self, cells: u64) -> u64 {
        const SECOND: u64 = 1_000_000_000;
        const ROUND: [u64; 17] =
            [1, 2, 5, 10, 20, 30, 60, 120, 300, 600, 1_200, 1_800, 3_600, 7_200, 14_400, 43_200, 86_400];
        let least = u128::from(self.total) * u128::from(cells) / u128::from(self.width);
        let least = u64::try_from(least).unwrap_or(u64::MAX);
        let found = ROUND.iter().map(|seconds| seconds * SECOND).find(|step| *step >= least);
        found.unwrap_or_else(|| least.max(1))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_ends_are_the_ends() {
        let scale = Scale::new(7, 100, 1_000_000);
        assert_eq!(
            [scale.column(0), scale.column(999_999), scale.column(1_000_000), scale.column(u64::MAX)],
            [7, 106, 106, 106]
        );
        assert_eq!([scale.time(0), scale.time(7), scale.time(106), scale.time(300)], [0, 0, 1_000_000, 1_000_000]);
        assert_eq!((Scale::new(0, 0, 0).time(5), Scale::new(0, 0, 0).column(5)), (0, 0));
    }

    proptest! {
        #[test]
        fn a_column_holds_its_time(x in 0u16..50, width in 1u16..400, total in 400u64..u64::MAX, at in 0u16..400) {
            let scale = Scale::new(x, width, total);
            let column = x + at % width;
            prop_assert_eq!(scale.column(scale.time(column)), column);
        }

        #[test]
        fn later_is_never_to_the_left(width in 1u16..400, total: u64, a: u64, b: u64) {
            let scale = Scale::new(0, width, total);
            prop_assert!(scale.column(a.min(b)) <= scale.column(a.max(b)));
            prop_assert!(scale.column(a) < width);
        }
    }
}
