//! Launch: `/bin/true` from start to end, without a terminal.

use std::ffi::OsString;

use anyhow::Result;

use crate::measure::{Bound, Case, Item, Pace, Sample};
use crate::ways::{NATIVE, Profile, Way, Ways};

pub fn run(ways: &Ways<'_>, pace: &mut Pace, wants: &dyn Fn(&str) -> bool) -> Result<Vec<Item>> {
    const NAME: &str = "launch /bin/true";
    if !wants(NAME) {
        return Ok(Vec::new());
    }
    let govsh = |record| Way::Govsh { policy: Profile::Default, audit: "full", record };
    let goal = [Bound::AtMost(10.0), Bound::AtMostTimes(4.0, NATIVE)];
    let case = |name: &str, way: Way| Case::new(name, move || milliseconds(ways, way));
    let mut cases =
        vec![case(NATIVE, Way::Native), case("bwrap --ro-bind / /", Way::Bwrap), case("strace -f", Way::StraceAll)];
    if ways.govsh.is_some() {
        cases.push(case("govsh --no-record", govsh(false)).bounds(goal.clone()));
        cases.push(case("govsh", govsh(true)).bounds(goal));
    }
    Ok(vec![pace.interleave(NAME, "ms", 31, true, cases)])
}

fn milliseconds(ways: &Ways<'_>, way: Way) -> Result<Sample> {
    let argv = ways.argv(way, &[OsString::from("/bin/true")])?;
    let (_, seconds) = ways.run(&argv)?;
    Ok(Sample::from(seconds * 1e3))
}
