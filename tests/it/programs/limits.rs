//! `[limits]`: each is hit, is an event that names it, and ends what it says.

use std::time::{Duration, Instant};

use crate::bench::{Bench, Ran};

fn limited(limits: &str, line: &str) -> Ran {
    Bench::new(&format!("[limits]\n{limits}")).sh(line)
}

/// The one limit event, which must begin so.
#[track_caller]
fn hit(ran: &Ran, begins: &str) {
    let told: Vec<&str> = ran.kind("limit").filter_map(|event| event["what"].as_str()).collect();
    assert!(told.iter().any(|what| what.starts_with(begins)), "{begins}: {told:?} {} {}", ran.stdout, ran.stderr);
}

#[test]
fn time_that_is_over_ends_the_session() {
    let started = Instant::now();
    let ran = limited("wall_seconds = 1", "sleep 300 & sleep 301; echo reached");
    hit(&ran, "wall_seconds: ");
    assert_eq!((ran.status, ran.stdout.as_str()), (Some(143), ""));
    assert!(started.elapsed() < Duration::from_secs(60));
}

#[test]
fn who_does_not_want_to_end_is_ended() {
    let ran = limited("wall_seconds = 1", "trap '' TERM HUP; while :; do sleep 1; done");
    hit(&ran, "wall_seconds: ");
    assert_eq!(ran.status, Some(137));
    assert_eq!(ran.kind("limit").count(), 1);
}

#[test]
fn output_is_counted() {
    let ran = limited("output_bytes = '1MiB'", "yes");
    hit(&ran, "output_bytes: ");
    assert_eq!(ran.status, Some(143));
    assert!(ran.stdout.len() >= 1 << 20);
    let ran = limited("output_bytes = 100", "echo short");
    assert_eq!((ran.status, ran.stdout.as_str(), ran.kind("limit").count()), (Some(0), "short\n", 0));
}

#[test]
fn a_storm_of_processes_is_ended() {
    let ran = limited("processes = 20", "i=0; while [ $i -lt 400 ]; do sleep 300 & i=$((i+1)); done; wait");
    hit(&ran, "processes: more than 20 of the session, such as pid ");
    assert_eq!(ran.status, Some(137));
    let ran = limited("processes = 20", "sleep 0.5 & sleep 0.5 & wait; echo fine");
    assert_eq!((ran.status, ran.kind("limit").count()), (Some(0), 0));
}

#[test]
fn memory_is_held_for_each_process_and_for_all() {
    let alone = limited("memory = '64MiB'", "head -c 300M /dev/zero | tail -c 299M | wc -c");
    assert_ne!(alone.stdout.trim(), (299 << 20).to_string(), "{}", alone.stderr);
    // Each of them is below the limit.
    let hoard = "(head -c 40M /dev/zero | tail -c 40M | sleep 300) & ";
    let ran = limited("memory = '100MiB'", &format!("{}wait", hoard.repeat(4)));
    hit(&ran, "memory: ");
    assert_eq!(ran.status, Some(137));
}

#[test]
fn processor_time_is_held_for_each_process() {
    let ran = limited("cpu_seconds = 1", "sh -c 'while :; do :; done'; echo went on");
    hit(&ran, "cpu_seconds: 1 were used up by pid ");
    assert_eq!(ran.stdout, "went on\n");
    let ended = ran.kind("proc").find(|event| event["signal"].is_i64()).expect("its signal is on record");
    assert_eq!(ended["signal"], libc::SIGXCPU);
}

#[test]
fn files_do_not_grow_beyond_their_limit() {
    let ran = limited("file_size = '1MiB'", "head -c 3M /dev/zero > big; wc -c < big; echo went on");
    hit(&ran, "file_size: 1048576 bytes were exceeded by pid ");
    assert_eq!(ran.stdout, "1048576\nwent on\n");
    // What the front does for it is held as well.
    let ran =
        limited("file_size = '1MiB'", "touch f; perl -e 'truncate(\"f\", 3e6) or print \"refused\\n\"'; wc -c < f");
    hit(&ran, "file_size: ");
    assert!(ran.stdout.ends_with("0\n"), "{}", ran.stdout);
}

#[test]
fn descriptors_are_counted() {
    let open = "perl -e 'for (1..90) { open($f[$_], \"<\", \"/dev/null\") or die \"no more: $!\" }'; echo went on";
    let ran = limited("open_files = 40", open);
    hit(&ran, "open_files: 40 are open in pid ");
    assert!(ran.stderr.contains("Too many open files"), "{}", ran.stderr);
}

#[test]
fn the_report_says_what_holds_each() {
    let ran = limited("memory = '1GiB'\nprocesses = 50\nwall_seconds = 60\noutput_bytes = 1000", "true");
    let report = ran.kind("report").next().expect("a report").to_string();
    for name in
        ["limits.memory = 1073741824", "limits.processes = 50", "limits.wall_seconds = 60", "limits.output_bytes"]
    {
        assert!(report.contains(name), "{name}: {report}");
    }
}
