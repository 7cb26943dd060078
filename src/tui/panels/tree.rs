//! The tree of processes as it stands at the present time: what runs, what ended and how, and who did the chosen event.
//!
//! Invariant: pure; bounded by what `recording::summary` keeps of a session; depth costs no more columns than there are.
//! Leaves to others: gathering the programs of a session (in the background).

use std::ops::Range;

use ratatui::Frame;
use ratatui::layout::Rect;

use super::Tone;
use super::edge::{Edge, Title, framed, put, rows};
use super::text::{MOST, bounded, command, program_and_end, width};
use super::words::name;
use crate::recording::summary::{Program, lasted};
use crate::tui::Theme;

/// Deepest indentation that is drawn.
const DEEPEST: usize = 16;

/// How a process stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Standing {
    Running,
    Ended(i32),
    Killed(i32),
    /// It ended, and how is not known.
    Gone,
}

/// A line of the tree.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TreeRow {
    /// Lines that lead to it, such as `│ └ `.
    pub guide: String,
    /// Place among the programs of the image that the process runs, or ran last.
    pub program: usize,
    /// Its parent is not known.
    pub strayed: bool,
    pub standing: Standing,
    /// Nanoseconds that it has run, or ran.
    pub age: u64,
    /// Processes that it stands for: alike, beneath the same one, ended well.
    pub count: usize,
    /// It did the chosen event.
    pub chosen: bool,
}

/// What the panel shows.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct TreeView<'a> {
    /// What the rows were made of: only those in sight are put into words.
    pub programs: &'a [Program],
    pub rows: &'a [TreeRow],
    /// Says that the tree is not whole yet, such as `reading 41 %`; empty when it is.
    pub progress: &'a str,
    /// Rows scrolled away at the top; None keeps the chosen or the last one in sight.
    pub scroll: Option<usize>,
    pub focus: bool,
    pub edge: Edge,
}

/// The tree of `programs`, as [`crate::recording::summary::Programs::kept`] gives them, at time `t`: a row for each process, by
/// the last image that it ran. `pid` did the chosen event. Whose parent is not known (a shell that only forked, say) stands beneath
/// the first process, since everything descends from it.
pub fn rows_at(programs: &[Program], t: u64, pid: Option<i32>) -> Vec<TreeRow> {
    let mut forest = Forest::new(programs, t);
    let mut roots = Vec::new();
    for (index, program) in programs.iter().enumerate().take_while(|(_, program)| program.from <= t) {
        // Numbers are used again: the last one to begin is meant.
        let own = forest.take_in(index, program, &mut roots);
        if Some(program.pid) == pid {
            forest.chosen = Some(own);
        }
    }
    let mut rows = Vec::new();
    let mut waiting: Vec<_> =
        forest.folded(&roots).into_iter().rev().map(|group| (group, String::new(), true)).collect();
    // Depth first without recursion; parents come before their children, so that every program is met once.
    while let Some((group, guide, root)) = waiting.pop() {
        let Some(row) = forest.row(&group, &guide) else { continue };
        rows.push(row);
        let children = forest.children(&group);
        let last = children.len().saturating_sub(1);
        let stem = stem(&guide, root);
        let below = children.into_iter().enumerate().rev();
        waiting
            .extend(below.map(|(at, child)| (child, format!("{stem}{}", if at == last { "└ " } else { "├ " }), false)));
    }
    rows
}

/// What stands in front of the children of a line with `guide`.
fn stem(guide: &str, root: bool) -> String {
    if root {
        return String::new();
    }
    let steps = guide.chars().count() / 2;
    if steps >= DEEPEST {
        return guide.replace("├ ", "│ ").replace("└ ", "  ").chars().skip(2).collect();
    }
    guide.replace("├ ", "│ ").replace("└ ", "  ")
}

/// The processes with their children, each by the place of the first image that it ran.
struct Forest<'a> {
    programs: &'a [Program],
    t: u64,
    below: Vec<Vec<usize>>,
    /// The process that each program is of.
    process: Vec<usize>,
    /// The last image that each process ran.
    image: Vec<usize>,
    chosen: Option<usize>,
}

impl<'a> Forest<'a> {
    fn new(programs: &'a [Program], t: u64) -> Self {
        let all: Vec<usize> = (0..programs.len()).collect();
        Self { programs, t, below: vec![Vec::new(); programs.len()], process: all.clone(), image: all, chosen: None }
    }

    /// Gives back the process that it belongs to.
    fn take_in(&mut self, index: usize, program: &Program, roots: &mut Vec<usize>) -> usize {
        let parent = program.parent.filter(|parent| *parent < index);
        let above = parent.and_then(|parent| Some((self.programs.get(parent)?, *self.process.get(parent)?)));
        match above {
            // Another image in the same process.
            Some((before, process)) if before.pid == program.pid => {
                if let (Some(own), Some(image)) = (self.process.get_mut(index), self.image.get_mut(process)) {
                    (*own, *image) = (process, index);
                }
                return process;
            }
            Some((_, process)) => {
                if let Some(list) = self.below.get_mut(process) {
                    list.push(index);
                }
            }
            None => match roots.first().and_then(|root| self.below.get_mut(*root)) {
                Some(list) => list.push(index),
                None => roots.push(index),
            },
        }
        index
    }

    /// What the process runs, or ran last.
    fn last(&self, process: usize) -> Option<&Program> {
        self.programs.get(*self.image.get(process)?)
    }

    fn children(&self, group: &[usize]) -> Vec<Vec<usize>> {
        match group {
            [one] => self.below.get(*one).map(|list| self.folded(list)).unwrap_or_default(),
            _ => Vec::new(),
        }
    }

    /// Neighbours that are alike in one group.
    fn folded(&self, list: &[usize]) -> Vec<Vec<usize>> {
        let mut groups: Vec<Vec<usize>> = Vec::new();
        for index in list {
            match groups.last_mut() {
                Some(group)
                    if group.iter().chain([index]).all(|one| self.is_quiet(*one)) && self.alike(group, *index) =>
                {
                    group.push(*index);
                }
                _ => groups.push(vec![*index]),
            }
        }
        // Two are no crowd.
        let parted = |group: Vec<usize>| match group.len() {
            2 => group.into_iter().map(|one| vec![one]).collect(),
            _ => vec![group],
        };
        groups.into_iter().flat_map(parted).collect()
    }

    /// It ended well, started nothing, and nobody asks for it.
    fn is_quiet(&self, index: usize) -> bool {
        let ended = matches!(self.last(index).map(|program| self.standing(program)), Some(Standing::Ended(0)));
        ended && self.chosen != Some(index) && self.below.get(index).is_none_or(Vec::is_empty)
    }

    fn alike(&self, group: &[usize], index: usize) -> bool {
        let exe = |index: usize| self.last(index).map(|program| name(&program.exe));
        group.first().is_some_and(|first| exe(*first) == exe(index))
    }

    fn standing(&self, program: &Program) -> Standing {
        match (program.to.filter(|to| *to <= self.t), program.exit, program.signal) {
            (None, ..) => Standing::Running,
            (Some(_), _, Some(signal)) => Standing::Killed(signal),
            (Some(_), Some(status), None) => Standing::Ended(status),
            (Some(_), None, None) => Standing::Gone,
        }
    }

    fn row(&self, group: &[usize], guide: &str) -> Option<TreeRow> {
        let process = *group.first()?;
        let (first, program) = (self.programs.get(process)?, self.last(process)?);
        let strayed = first.parent.is_none() && !guide.is_empty();
        Some(TreeRow {
            guide: guide.to_owned(),
            program: *self.image.get(process)?,
            strayed,
            standing: self.standing(program),
            age: program.to.unwrap_or(u64::MAX).min(self.t).saturating_sub(first.from),
            count: group.len(),
            chosen: group.iter().any(|index| self.chosen == Some(*index)),
        })
    }
}

/// The rows that are drawn in `height` lines.
pub fn window(view: &TreeView, height: usize) -> Range<usize> {
    let count = view.rows.len();
    let kept = view.rows.iter().position(|row| row.chosen).unwrap_or(count.saturating_sub(1));
    let from = view.scroll.unwrap_or_else(|| if count <= height { 0 } else { kept.saturating_sub(height * 2 / 3) });
    let from = from.min(count.saturating_sub(height));
    from..count.min(from + height)
}

pub fn draw(frame: &mut Frame, area: Rect, view: &TreeView, theme: &Theme) {
    let running = view.rows.iter().filter(|row| row.standing == Standing::Running).count();
    let state = if view.progress.is_empty() { format!("{running} running") } else { view.progress.to_owned() };
    let title = Title { left: "processes", right: &state, focus: view.focus };
    let inner = framed(frame, area, title, view.edge, theme);
    let buffer = frame.buffer_mut();
    if view.rows.is_empty() {
        put(buffer, inner, 1, "none yet", theme.dim);
    }
    let shown = window(view, usize::from(inner.height));
    for (row, line) in view.rows.get(shown).unwrap_or_default().iter().zip(rows(inner)) {
        let line = Rect { x: line.x + line.width.min(1), width: line.width.saturating_sub(2), ..line };
        draw_row(buffer, line, (row, &text(view.programs, row)), theme);
    }
}

/// What a process runs, in words.
fn text(programs: &[Program], row: &TreeRow) -> String {
    let Some(program) = programs.get(row.program) else { return String::new() };
    let text = if row.count > 1 {
        bounded(name(&program.exe), MOST)
    } else if program.argv.is_empty() {
        bounded(&program.exe, MOST)
    } else {
        let more = if program.argv_cut { " …" } else { "" };
        format!("{}{more}", command(&program.argv, MOST))
    };
    if row.strayed { format!("… › {text}") } else { text }
}

fn draw_row(buffer: &mut ratatui::buffer::Buffer, line: Rect, (row, text): (&TreeRow, &str), theme: &Theme) {
    if row.chosen {
        buffer.set_style(line, theme.chosen);
    }
    let (sign, tone) = match row.standing {
        Standing::Running => ("●".to_owned(), Tone::Accent),
        Standing::Ended(0) if row.count > 1 => ("all 0".to_owned(), Tone::Dim),
        Standing::Ended(0) => ("0".to_owned(), Tone::Dim),
        Standing::Ended(status) => (format!("exit {status}"), Tone::Strong),
        Standing::Killed(signal) => (format!("signal {signal}"), Tone::Strong),
        Standing::Gone => ("–".to_owned(), Tone::Dim),
    };
    let facts = if row.count > 1 { format!("×{}", row.count) } else { lasted(row.age) };
    let facts = if line.width >= 40 { format!("{facts:>7}  ") } else { String::new() };
    let end = usize::from(line.width).saturating_sub(width(&sign).max(8));
    let from = end.saturating_sub(width(&facts));
    let at = put(buffer, line, 0, &row.guide, theme.border);
    let crowd = if row.count > 1 && facts.is_empty() { format!(" ×{}", row.count) } else { String::new() };
    let text = format!("{text}{crowd}");
    let body = match (row.chosen, row.standing) {
        (true, _) => theme.chosen,
        (false, Standing::Running) => theme.plain,
        (false, _) => theme.dim,
    };
    put(buffer, line, at, &program_and_end(&text, from.saturating_sub(at + 1)), body);
    put(buffer, line, from, &facts, theme.dim);
    let from = usize::from(line.width).saturating_sub(width(&sign));
    put(buffer, line, from, &sign, tone.style(theme));
}

#[cfg(test)]
mod tests {
    use super::*;

    fn program(pid: i32, parent: Option<usize>, exe: &str, from: u64, to: Option<u64>) -> Program {
        Program {
            pid,
            parent,
            exe: exe.as_bytes().to_vec(),
            argv: vec![exe.as_bytes().to_vec()],
            argv_cut: false,
            from,
            to,
            exit: to.map(|_| 0),
            signal: None,
            digest: None,
        }
    }

    fn drawn(programs: &[Program], t: u64, pid: Option<i32>) -> Vec<String> {
        let rows = rows_at(programs, t, pid);
        rows.iter()
            .map(|row| format!("{}{} {:?} {}", row.guide, text(programs, row), row.standing, row.count))
            .collect()
    }

    #[test]
    fn the_tree_is_as_it_was_at_that_time() {
        let programs = [
            program(1, None, "codex", 0, None),
            program(2, Some(0), "bash", 10, Some(50)),
            program(3, Some(1), "cat", 20, Some(30)),
            program(4, Some(0), "git", 60, None),
        ];
        assert_eq!(drawn(&programs, 25, None), ["codex Running 1", "└ bash Running 1", "  └ cat Running 1"]);
        assert_eq!(
            drawn(&programs, 70, Some(3)),
            ["codex Running 1", "├ bash Ended(0) 1", "│ └ cat Ended(0) 1", "└ git Running 1"]
        );
        assert_eq!(rows_at(&programs, 70, Some(3)).iter().filter(|row| row.chosen).count(), 1);
    }

    #[test]
    fn another_image_is_the_same_process() {
        let programs = [
            program(1, None, "codex", 0, None),
            program(2, Some(0), "env", 10, None),
            program(2, Some(1), "bash", 20, Some(50)),
            program(3, Some(2), "cat", 30, Some(40)),
            program(9, None, "readlink", 35, Some(36)),
        ];
        assert_eq!(drawn(&programs, 15, None), ["codex Running 1", "└ env Running 1"]);
        assert_eq!(
            drawn(&programs, 60, Some(2)),
            ["codex Running 1", "├ bash Ended(0) 1", "│ └ cat Ended(0) 1", "└ … › readlink Ended(0) 1"]
        );
        assert_eq!(rows_at(&programs, 60, Some(2))[1].age, 40);
    }

    #[test]
    fn a_crowd_is_one_line_and_the_chosen_one_is_never_in_it() {
        let mut programs = vec![program(1, None, "cargo", 0, None)];
        programs.extend((0..20).map(|at| program(10 + at, Some(0), "rustc", 5, Some(9))));
        assert_eq!(drawn(&programs, 10, None), ["cargo Running 1", "└ rustc Ended(0) 20"]);
        let rows = rows_at(&programs, 10, Some(15));
        assert_eq!(
            rows.iter().map(|row| (row.count, row.chosen)).collect::<Vec<_>>(),
            [(1, false), (5, false), (1, true), (14, false)]
        );
    }

    #[test]
    fn a_deep_chain_stays_in_its_columns() {
        let programs: Vec<_> =
            (0..2000).map(|at: usize| program(at as i32, at.checked_sub(1), "sh", at as u64, None)).collect();
        let rows = rows_at(&programs, u64::MAX, None);
        assert_eq!(rows.len(), 2000);
        assert!(rows.iter().all(|row| row.guide.chars().count() <= 2 * DEEPEST + 2));
    }
}
