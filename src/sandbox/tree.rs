//! Which answer a system call's number alone gives, as a search tree instead of a chain: a few comparisons instead of
//! hundreds for every call that the kernel cannot answer from its cache, opens above all.
//!
//! ```text
//! seccompiler:  load arch · compare · refuse │ load nr · rules of nr 0 · rules of nr 1 · …
//! here:         load arch · compare · refuse │ load nr · tree ┬ not listed            → otherwise
//!                                                             ├ listed as it is       → matched
//!                                                             └ listed with arguments → rules of nr 0 · rules of nr 1 · …
//! ```
//!
//! Invariant: every number gets the answer that the chain would have given; the rules on arguments stay as seccompiler
//! wrote them, for its jumps are relative and none crosses the place of the tree.

use seccompiler::{BpfProgram, sock_filter};

/// `BPF_LD | BPF_W | BPF_ABS`, `BPF_JMP | BPF_JGE | BPF_K`, `BPF_JMP | BPF_JA`, `BPF_RET | BPF_K`.
const LOAD: u16 = 0x20;
const AT_LEAST: u16 = 0x35;
const JUMP: u16 = 0x05;
const RETURN: u16 = 0x06;

/// Instructions of seccompiler's look at the architecture.
const ARCH: usize = 3;

/// What the tree does with a number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Leaf {
    Return(u32),
    /// To the rules on arguments, behind the tree.
    Rules,
}

fn step(code: u16, jt: u8, jf: u8, k: u32) -> sock_filter {
    sock_filter { code, jt, jf, k }
}

/// The leaves by the lowest number that each is for, neighbours with the same leaf as one. `calls` ascends.
fn spans(calls: impl Iterator<Item = (u32, Leaf)>, otherwise: Leaf) -> Vec<(u32, Leaf)> {
    let mut spans = vec![(0, otherwise)];
    for (nr, leaf) in calls {
        spans.pop_if(|last| last.0 == nr);
        if spans.last().is_none_or(|last| last.1 != leaf) {
            spans.push((nr, leaf));
        }
        spans.push((nr + 1, otherwise));
    }
    spans
}

/// None when a branch is longer than a jump of one byte.
fn tree(spans: &[(u32, Leaf)]) -> Option<BpfProgram> {
    if let [(_, leaf)] = spans {
        return Some(match leaf {
            Leaf::Return(word) => vec![step(RETURN, 0, 0, *word)],
            Leaf::Rules => vec![step(JUMP, 0, 0, 0)],
        });
    }
    let (low, high) = spans.split_at(spans.len() / 2);
    let (below, above) = (tree(low)?, tree(high)?);
    let first = step(AT_LEAST, u8::try_from(below.len()).ok()?, 0, high.first()?.0);
    Some([vec![first], below, above].concat())
}

/// `rules` is seccompiler's program for the numbers whose leaf is [`Leaf::Rules`]; `calls` are all numbers, ascending.
/// None when they are too scattered for a tree.
pub fn grow(rules: &BpfProgram, calls: impl Iterator<Item = (u32, Leaf)>, otherwise: u32) -> Option<BpfProgram> {
    let mut tree = tree(&spans(calls, Leaf::Return(otherwise)))?;
    let length = tree.len();
    for (at, leaf) in tree.iter_mut().enumerate().filter(|(_, step)| step.code == JUMP) {
        leaf.k = u32::try_from(length - at - 1).ok()?;
    }
    let (arch, rest) = rules.split_at_checked(ARCH)?;
    // A program without rules does not load the number.
    let rest = rest.strip_prefix(&[step(LOAD, 0, 0, 0)]).unwrap_or(rest);
    Some([arch, &[step(LOAD, 0, 0, 0)], &tree, rest].concat())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Runs a program that only loads the number, compares and returns.
    fn run(program: &[sock_filter], nr: u32) -> u32 {
        let mut at = 0;
        loop {
            let step = &program[at];
            at += 1 + match step.code {
                AT_LEAST if nr >= step.k => usize::from(step.jt),
                AT_LEAST => usize::from(step.jf),
                JUMP => step.k as usize,
                RETURN => return step.k,
                _ => 0,
            };
        }
    }

    fn grown(calls: &[(u32, Leaf)]) -> Option<BpfProgram> {
        let rules = [vec![step(0, 0, 0, 0); ARCH], vec![step(LOAD, 0, 0, 0), step(RETURN, 0, 0, 7)]].concat();
        grow(&rules, calls.iter().copied(), 9)
    }

    #[test]
    fn every_number_gets_its_own_leaf() {
        let scattered: Vec<(u32, Leaf)> =
            (0..90).map(|n| (n * 4 + n % 3, if n % 5 == 0 { Leaf::Rules } else { Leaf::Return(n % 2) })).collect();
        let near =
            [(1, Leaf::Return(1)), (2, Leaf::Return(1)), (3, Leaf::Rules), (4, Leaf::Return(2)), (6, Leaf::Rules)];
        for calls in [&[][..], &[(0, Leaf::Rules)], &[(0, Leaf::Return(1))], &near, &scattered] {
            let program = grown(calls).expect("not too scattered");
            for nr in (0..700).chain([u32::MAX, 0x4000_0000]) {
                let expected = match calls.iter().find(|call| call.0 == nr) {
                    Some((_, Leaf::Return(word))) => *word,
                    Some((_, Leaf::Rules)) => 7,
                    None => 9,
                };
                assert_eq!(run(&program, nr), expected, "{nr} of {calls:?}");
            }
        }
    }

    #[test]
    fn too_many_leaves_grow_no_tree() {
        let calls: Vec<(u32, Leaf)> = (0..600).map(|n| (n * 2, Leaf::Rules)).collect();
        assert_eq!(grown(&calls), None);
    }
}
