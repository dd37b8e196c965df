//! Comparisons on digits of which each value, or each threshold, is a flag: a product for each digit but one.
//!
//! `x >= c` with a high digit h and a low rest is `[h > c_h] + [h == c_h] [rest >= c_rest]`, where the brackets of h are
//! sums of flags. Of a set, the values of the high digit that leave the same rest are taken together: as many
//! products as there are different rests.

use std::collections::BTreeMap;

use hq_plugin_sdk::plan::NodeId;
use hq_plugin_sdk::range::Range;

use crate::algebra::{Algebra, Result};

/// The digits of a column, lowest first.
#[derive(Clone, Debug)]
pub(super) struct Digits {
    size: u64,
    digits: Vec<Digit>,
    one_hot: bool,
}

#[derive(Clone, Debug)]
struct Digit {
    weight: u64,
    /// Values that occur.
    count: u64,
    /// Of each value, or of each threshold from 1 on.
    flags: Vec<NodeId>,
}

/// Disjoint intervals, both ends included, rising.
type Intervals = Vec<(u64, u64)>;

impl Digits {
    /// Of numbers below `size`; `flags` are those of all digits, lowest first.
    pub(super) fn new(size: u64, bases: &[u32], one_hot: bool, flags: Vec<NodeId>) -> Self {
        let mut flags = flags.into_iter();
        let mut weight = 1_u64;
        let digits = bases.iter().map(|&base| {
            let count = size.div_ceil(weight).min(u64::from(base));
            let own = count - u64::from(!one_hot);
            let own = usize::try_from(own).unwrap_or(usize::MAX);
            let digit = Digit { weight, count, flags: flags.by_ref().take(own).collect() };
            weight = weight.saturating_mul(u64::from(base));
            digit
        });
        Self { size, digits: digits.collect(), one_hot }
    }

    /// The number as a combination of the flags.
    pub(super) fn value_terms(&self) -> Vec<(i64, NodeId)> {
        let terms = self.digits.iter().flat_map(|digit| {
            let weight = i64::try_from(digit.weight).unwrap_or(i64::MAX);
            let first = if self.one_hot { 0 } else { 1 };
            digit.flags.iter().zip(first..).map(move |(&flag, value)| {
                (if self.one_hot { weight.saturating_mul(value) } else { weight }, flag)
            })
        });
        terms.collect()
    }

    /// 1 where the number lies in one of the intervals, which may go beyond the largest number.
    pub(super) fn member(&self, algebra: &mut Algebra, intervals: &[(u64, u64)]) -> Result<NodeId> {
        let node = match intervals {
            // A difference of two thresholds, which other comparisons share.
            &[(from, to)] if from < to => {
                let reached = self.inside(algebra, self.digits.len(), &vec![(from, u64::MAX)])?;
                if to >= self.size - 1 {
                    return Ok(reached);
                }
                let passed = self.inside(algebra, self.digits.len(), &vec![(to + 1, u64::MAX)])?;
                algebra.linear(0, [(1, reached), (-1, passed)])?
            }
            _ => self.inside(algebra, self.digits.len(), &intervals.to_vec())?,
        };
        algebra.narrow(node, Range::BOOL);
        Ok(node)
    }

    /// Of the number that the lowest `count` digits make.
    fn inside(&self, algebra: &mut Algebra, count: usize, intervals: &Intervals) -> Result<NodeId> {
        let Some(digit) = count.checked_sub(1).and_then(|last| self.digits.get(last)) else {
            return algebra.constant(i64::from(!intervals.is_empty()));
        };
        // Values of this digit by what they leave of the set.
        let mut rests: BTreeMap<Intervals, Vec<u64>> = BTreeMap::new();
        for value in 0..digit.count {
            let (first, last) = (value * digit.weight, (value + 1) * digit.weight - 1);
            let clipped = intervals.iter().filter(|&&(from, to)| from <= last && to >= first);
            let rest: Intervals =
                clipped.map(|&(from, to)| (from.max(first) - first, to.min(last) - first)).collect();
            rests.entry(rest).or_default().push(value);
        }
        let whole = vec![(0, digit.weight - 1)];
        let (mut constant, mut terms) = (0, Vec::new());
        for (rest, values) in rests {
            if rest.is_empty() {
                continue;
            }
            let (own, flags) = self.is_one_of(digit, &values);
            if rest == whole {
                constant += own;
                terms.extend(flags);
            } else {
                let chosen = algebra.linear(own, flags)?;
                algebra.narrow(chosen, Range::BOOL);
                let below = self.inside(algebra, count - 1, &rest)?;
                terms.push((1, algebra.mul(chosen, below)?));
            }
        }
        let node = algebra.linear(constant, terms)?;
        algebra.narrow(node, Range::BOOL);
        Ok(node)
    }

    /// Whether a digit has one of some rising values: a constant and terms.
    fn is_one_of(&self, digit: &Digit, values: &[u64]) -> (i64, Vec<(i64, NodeId)>) {
        let flag = |index: u64| usize::try_from(index).ok().and_then(|index| digit.flags.get(index)).copied();
        if self.one_hot {
            return (0, values.iter().filter_map(|&value| Some((1, flag(value)?))).collect());
        }
        let (mut constant, mut terms) = (0, Vec::new());
        for &value in values {
            // Reached, and the next not; neighbours cancel.
            match value.checked_sub(1) {
                Some(index) => terms.extend(flag(index).map(|flag| (1, flag))),
                None => constant += 1,
            }
            terms.extend(flag(value).map(|flag| (-1, flag)));
        }
        (constant, terms)
    }
}
