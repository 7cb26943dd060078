//! Each bound by itself and all together; what must never go.

use std::path::PathBuf;

use super::*;

/// Ten recordings of 10 bytes, a day apart, the newest of today.
fn ten(now: SystemTime) -> Vec<Found> {
    let found = |n: u64| Found {
        path: PathBuf::from(format!("{n}")),
        name: format!("20261121T17490{n}Z-codex-id{n}"),
        id: format!("id{n}"),
        changed: now - Duration::from_secs((9 - n) * DAY + 60),
        size: 10,
    };
    (0..10).map(found).collect()
}

fn gone(bounds: Bounds, stays: impl Fn(&Found) -> Option<Stays>) -> (Vec<(String, Beyond)>, u64) {
    let now = SystemTime::now();
    let choice = choose(ten(now), &bounds, now, stays);
    assert_eq!(choice.going.len() + choice.staying.len() + choice.within as usize, 10);
    assert_eq!(choice.left, 100 - 10 * choice.going.len() as u64);
    (choice.going.into_iter().map(|(found, why)| (found.id, why)).collect(), choice.left)
}

fn ids(wanted: &[(&str, Beyond)]) -> Vec<(String, Beyond)> {
    wanted.iter().map(|(id, why)| ((*id).to_owned(), *why)).collect()
}

#[test]
fn the_oldest_go_first_by_each_bound() {
    let nobody = |_: &Found| None;
    let age = Some(Duration::from_secs(7 * DAY));
    assert_eq!(gone(Bounds::default(), nobody), (vec![], 100));
    let (old, _) = gone(Bounds { age, ..Bounds::default() }, nobody);
    assert_eq!(old, ids(&[("id0", Beyond::Age), ("id1", Beyond::Age), ("id2", Beyond::Age)]));
    let (many, _) = gone(Bounds { count: Some(8), ..Bounds::default() }, nobody);
    assert_eq!(many, ids(&[("id0", Beyond::Count), ("id1", Beyond::Count)]));
    let (large, left) = gone(Bounds { size: Some(85), ..Bounds::default() }, nobody);
    assert_eq!((large, left), (ids(&[("id0", Beyond::Size), ("id1", Beyond::Size)]), 80));
    let (all, _) = gone(Bounds { age, count: Some(6), size: Some(50), keep_denied: false }, nobody);
    assert_eq!(
        all.iter().map(|(_, why)| *why).collect::<Vec<_>>(),
        [Beyond::Age, Beyond::Age, Beyond::Age, Beyond::Count, Beyond::Size]
    );
    assert_eq!(gone(Bounds { count: Some(0), ..Bounds::default() }, nobody).1, 0);
}

#[test]
fn what_must_stay_is_made_up_for_by_size_only() {
    let denied = |found: &Found| (found.id == "id0").then_some(Stays::Denied(1));
    let (large, left) = gone(Bounds { size: Some(85), ..Bounds::default() }, denied);
    assert_eq!((large, left), (ids(&[("id1", Beyond::Size), ("id2", Beyond::Size)]), 80));
    let (many, _) = gone(Bounds { count: Some(8), ..Bounds::default() }, denied);
    assert_eq!(many, ids(&[("id1", Beyond::Count)]));
}

#[test]
fn a_clock_that_was_set_back_makes_nothing_old() {
    let now = SystemTime::now();
    let bounds = Bounds { age: Some(Duration::ZERO), ..Bounds::default() };
    let choice = choose(ten(now + Duration::from_secs(20 * DAY)), &bounds, now, |_| None);
    assert_eq!((choice.going.len(), choice.within), (0, 10));
}
