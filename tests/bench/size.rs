//! Size of the release binary.

use anyhow::Result;

use crate::measure::{Bound, Item, Measured, Sample};
use crate::ways::Ways;

pub fn run(ways: &Ways<'_>, wants: &dyn Fn(&str) -> bool) -> Result<Vec<Item>> {
    const NAME: &str = "size of the release binary";
    let Some(govsh) = ways.govsh.as_ref().filter(|_| wants(NAME)) else { return Ok(Vec::new()) };
    let megabytes = std::fs::metadata(govsh)?.len() as f64 / 1e6;
    let case = Measured {
        name: "govsh".into(),
        bounds: vec![Bound::AtMost(12.0)],
        samples: vec![Sample::from(megabytes)],
        failure: None,
    };
    Ok(vec![Item { name: NAME.into(), unit: "MB", cases: vec![case] }])
}
