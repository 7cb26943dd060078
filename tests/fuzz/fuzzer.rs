//! One program for all targets: GOVSH_FUZZ_TARGET names the one. Built and run by `tests/fuzz/run`.
#![no_main]

use std::sync::OnceLock;

mod targets;

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    static TARGET: OnceLock<fn(&[u8])> = OnceLock::new();
    let target = TARGET.get_or_init(|| {
        let wanted = std::env::var("GOVSH_FUZZ_TARGET").unwrap_or_default();
        let found = targets::TARGETS.iter().find(|(name, _)| *name == wanted);
        found.unwrap_or_else(|| panic!("GOVSH_FUZZ_TARGET names no target: '{wanted}'")).1
    });
    target(data);
});
