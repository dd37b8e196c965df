//! A table of conditions: where the author set the ends of neighbouring bindings below each other, as in
//!
//! ```hq
//! a = [count(exposed and outcome     and stratum == s) for s in levels(stratum)]
//! b = [count(exposed and not outcome and stratum == s) for s in levels(stratum)]
//! ```
//!
//! they stay so. The end begins at an `and`, `or` or `for` with more than one space before it.

use super::WIDTH;
use super::tree::{Leaf, LeafId, Part};

/// One binding.
pub(super) struct Row {
    /// Its tokens behind the `=`.
    tokens: Vec<LeafId>,
    /// Characters on one line; `None` if it has several.
    width: Option<usize>,
    /// How many tokens stand from the marked word on.
    end: Option<usize>,
}

impl Row {
    pub(super) fn of(leaves: &[Leaf<'_>], binding: &Part, width: Option<usize>) -> Self {
        let all = match binding {
            Part::Node(node) => node.leaves(),
            Part::Leaf(id) => vec![*id],
        };
        let tokens: Vec<LeafId> = all.into_iter().skip(2).collect();
        let is_marked = |id: &LeafId| {
            leaves.get(id.0).is_some_and(|leaf| {
                matches!(leaf.text, "and" | "or" | "for") && leaf.spaces > 1 && !leaf.newline
            })
        };
        let end = tokens.iter().position(is_marked).map(|at| tokens.len() - at);
        Self { tokens, width, end }
    }

    /// The last tokens, if there are others before.
    fn tail<'a>(&self, leaves: &[Leaf<'a>], length: usize) -> Option<Vec<&'a str>> {
        let from = self.tokens.len().checked_sub(length).filter(|&from| from > 0)?;
        Some(
            self.tokens.get(from..)?.iter().filter_map(|id| leaves.get(id.0)).map(|leaf| leaf.text).collect(),
        )
    }
}

/// Sets `pad` of the tokens with which such ends begin; values begin at column `start`.
pub(super) fn align(leaves: &mut [Leaf<'_>], rows: &[Row], start: usize) {
    let mut at = 0;
    while at < rows.len() {
        match run_from(leaves, rows, at).filter(|(_, members)| *members > 1) {
            Some((end, members)) => {
                set(leaves, rows.get(at..at + members).unwrap_or(&[]), end, start);
                at += members;
            }
            None => at += 1,
        }
    }
}

/// The length of the common end of the rows from `at` on, and how many rows have it.
fn run_from(leaves: &[Leaf<'_>], rows: &[Row], at: usize) -> Option<(usize, usize)> {
    let first = rows.get(at)?;
    // The longest row has a single space; its neighbour says where the end begins.
    let end = first.end.or_else(|| rows.get(at + 1)?.end)?;
    let ending = first.tail(leaves, end)?;
    let is_member = |row: &&Row| {
        row.width.is_some()
            && row.end.is_none_or(|other| other == end)
            && row.tail(leaves, end).as_ref() == Some(&ending)
    };
    Some((end, rows.get(at..)?.iter().take_while(is_member).count()))
}

/// Rows with an equal end differ in width by what stands before it.
fn set(leaves: &mut [Leaf<'_>], rows: &[Row], end: usize, start: usize) {
    let widest = rows.iter().filter_map(|row| row.width).max().unwrap_or(0);
    if start + widest > WIDTH {
        return;
    }
    for row in rows {
        let first = row.tokens.len().checked_sub(end).and_then(|at| row.tokens.get(at));
        if let (Some(leaf), Some(width)) = (first.and_then(|id| leaves.get_mut(id.0)), row.width) {
            leaf.pad = widest - width;
        }
    }
}
