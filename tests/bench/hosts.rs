//! Policies of 10,000 rules for the network: deciding on places, and on requests to them.
//!
//! Leaves to others: rules for files (`policies`), connections themselves (`tunnels`).

use std::fs;
use std::hint::black_box;
use std::time::Instant;

use anyhow::{Context, Result};
use govsh::cmd::library::{Disk, vars};
use govsh::policy::{Host, HttpCall, Policy, Reach};

use crate::measure::{Bound, Case, Item, Pace, Sample, xorshift};
use crate::ways::Ways;

const RULES: usize = 10_000;
/// Places that one sample of deciding goes through.
const ASKED: usize = 20_000;
/// Most that a decision may take, in µs.
const MOST: f64 = 2.0;

pub fn run(ways: &Ways<'_>, pace: &mut Pace, wants: &dyn Fn(&str) -> bool) -> Result<Vec<Item>> {
    if !wants("network: decide") {
        return Ok(Vec::new());
    }
    let path = ways.scratch.policy("hosts.toml");
    fs::write(&path, text())?;
    let disk = Disk::new();
    let source = disk.find(&path.to_string_lossy())?;
    let policy = Policy::load(source, &disk, &vars(std::path::Path::new("/run/govsh/bench"), &[]))?;
    let asked = hosts()?;
    let mean = |decide: &dyn Fn(&Host)| {
        let begun = Instant::now();
        asked.iter().for_each(decide);
        Ok(Sample::from(begun.elapsed().as_secs_f64() * 1e6 / asked.len() as f64))
    };
    let place = |host: &Host| {
        black_box(policy.decide_reach(&Reach::named(black_box(host), 443)).rule);
    };
    let inspected = |host: &Host| {
        black_box(policy.inspects(black_box(host), 443));
    };
    let request = |host: &Host| {
        let call = HttpCall { host, port: 443, method: "GET", path: "/repos/acme/x", query: "", upgrade: false };
        black_box(policy.decide_http(black_box(&call)).rule);
    };
    let case = |name, decide| Case::new(name, move || mean(decide)).bounds([Bound::AtMost(MOST)]);
    let cases =
        vec![case("places", &place as &dyn Fn(&Host)), case("inspected?", &inspected), case("requests", &request)];
    Ok(vec![pace.interleave("network: decide by 10,000 rules", "µs", 9, true, cases)])
}

/// Names, names beneath names, ranges; and rules on requests to as many of them.
pub fn text() -> String {
    // what /bin/true needs, which is launched under it
    let mut text = String::from(
        "version = 1\n[files]\nexec = ['/usr/**', '/bin/**', '/lib/**', '/lib64/**']\nread = ['/', '/etc/**', '/proc/**']\n\
         [network]\nallow = [\n",
    );
    for n in 0..RULES / 2 {
        let entry = match n % 4 {
            0 => format!("api-{n}.example.org"),
            1 => format!("**.zone-{n}.example.net:443"),
            2 => format!("*.group-{n}.example.com"),
            _ => format!("10.{}.{}.0/24:443", n / 250, n % 250),
        };
        text.push_str(&format!("  '{entry}',\n"));
    }
    text.push_str("]\nhttp = [\n");
    for n in 0..RULES / 2 {
        let host = if n % 2 == 0 { format!("api-{}.example.org", n * 2) } else { format!("**.zone-{n}.example.net") };
        text.push_str(&format!("  {{ host = '{host}', methods = ['GET'], path = '/repos/**' }},\n"));
    }
    text.push_str("]\n");
    text
}

/// Hosts, most of which rules are about.
fn hosts() -> Result<Vec<Host>> {
    let mut state = 0x1234_5678_9abc_def1;
    let host = |_| {
        let n = xorshift(&mut state) as usize % (RULES / 2);
        let name = match n % 5 {
            0 => format!("api-{}.example.org", n / 4 * 4),
            1 => format!("a.b.c.zone-{}.example.net", n / 4 * 4 + 1),
            2 => format!("www.group-{}.example.com", n / 4 * 4 + 2),
            3 => format!("registry-{n}.example.io"),
            _ => "github.com".to_owned(),
        };
        Host::parse(&name).ok().context("a name")
    };
    (0..ASKED).map(host).collect()
}
