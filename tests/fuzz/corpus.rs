//! Every input that is kept in `tests/data/fuzz`, once: what fuzzing found stays found.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

mod targets;

/// Time for the changes of each target's inputs.
const CHANGES: Duration = Duration::from_secs(2);

fn kept(name: &str) -> Vec<(PathBuf, Vec<u8>)> {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/fuzz").join(name);
    let mut inputs: Vec<_> = fs::read_dir(dir).expect(name).map(|entry| entry.expect("an entry").path()).collect();
    inputs.sort();
    assert!(!inputs.is_empty(), "nothing is kept for {name}");
    inputs.into_iter().map(|path| (path.clone(), fs::read(path).expect("readable"))).collect()
}

#[test]
fn everything_that_is_kept_passes() {
    for (name, target) in targets::TARGETS {
        for (path, data) in kept(name) {
            let outcome = std::panic::catch_unwind(|| target(&data));
            assert!(outcome.is_ok(), "{}", path.display());
        }
    }
}

/// Without coverage, so that nothing else need be built: GOVSH_FUZZ_SECONDS for each target, by default a moment.
#[test]
fn what_is_kept_passes_when_it_is_changed() {
    let seconds = std::env::var("GOVSH_FUZZ_SECONDS").ok().and_then(|seconds| seconds.parse().ok());
    let time = seconds.map_or(CHANGES, Duration::from_secs);
    std::thread::scope(|scope| {
        for (place, (name, target)) in targets::TARGETS.into_iter().enumerate() {
            scope.spawn(move || {
                let (inputs, begun) = (kept(name), Instant::now());
                let mut dice = Dice(0x9E37_79B9_7F4A_7C15 ^ place as u64 ^ u64::from(std::process::id()));
                while begun.elapsed() < time {
                    let data = changed(&inputs, &mut dice);
                    let outcome = std::panic::catch_unwind(|| target(&data));
                    assert!(outcome.is_ok(), "{name}: {}", data.escape_ascii());
                }
            });
        }
    });
}

/// xorshift64*
struct Dice(u64);

impl Dice {
    fn below(&mut self, most: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 33) as usize % most.max(1)
    }
}

/// One of the inputs with a few bytes changed, cut out, doubled or taken from another one.
fn changed(inputs: &[(PathBuf, Vec<u8>)], dice: &mut Dice) -> Vec<u8> {
    const TELLING: &[u8] = b"\0\xff\x7f\x80\x1b[]{}\"\\,:;09-mHJKhl\n\r";
    let mut data = inputs[dice.below(inputs.len())].1.clone();
    for _ in 0..1 + dice.below(8) {
        let (at, length) = (dice.below(data.len()), 1 + dice.below(16));
        let end = (at + length).min(data.len());
        match dice.below(6) {
            _ if data.is_empty() => data.push(dice.below(256) as u8),
            0 => data[at] ^= 1 << dice.below(8),
            1 => data[at] = TELLING[dice.below(TELLING.len())],
            2 => drop(data.drain(at..end)),
            3 => {
                let piece = data[at..end].to_vec();
                data.splice(at..at, piece.repeat(1 + dice.below(40)));
            }
            4 => {
                drop(data.splice(at..end, (0..length).map(|_| TELLING[dice.below(TELLING.len())]).collect::<Vec<_>>()))
            }
            _ => {
                let other = &inputs[dice.below(inputs.len())].1;
                let from = dice.below(other.len());
                data.splice(at..end, other[from..(from + 4 * length).min(other.len())].iter().copied());
            }
        }
    }
    data
}
