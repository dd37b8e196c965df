//! Sets of a number of several digits, by tables of its digits: what has to be known of the lower digits is looked up
//! first, and is one of few cases. For a threshold there are two, which are added to the next digit as a carry is.

use hq_plugin_sdk::plan::{NodeId, Op};
use hq_plugin_sdk::range::{Range, RangeSet};

use super::functions::{Bench, Function, too_wide};
use super::steps::Steps;
use crate::algebra::Result;

/// `weight * node` with a node of `0..=most`.
#[derive(Clone, Copy, Debug)]
struct Digit {
    weight: u64,
    node: NodeId,
    most: u64,
}

/// Values of a digit that is split to be compared with another.
const HALF: i64 = 4;

impl Bench {
    /// Whether a combination of digits lies in a set.
    pub(super) fn member(&mut self, value: NodeId, set: &RangeSet) -> Result<Function> {
        let range = self.algebra.range(value);
        if range.size() <= self.entries {
            return Ok(self.identity(value)?.map(|value| i64::from(set.contains(value))));
        }
        let (base, digits) = self.digits_of(value)?;
        let last = digits.iter().map(|digit| digit.weight.saturating_mul(digit.most)).sum();
        // What lies above the largest value does not occur, whatever its digits could hold.
        let top = set.ranges().last().filter(|top| top.hi() >= range.hi());
        let above = top.and_then(|top| Range::new(top.lo(), i64::MAX >> 1));
        let set = RangeSet::from_ranges(set.ranges().iter().copied().chain(above));
        let steps = Steps::of_set(&set, base, last);
        match self.decide(&digits, &steps) {
            Ok(function) => Ok(function),
            Err(error) => match self.halved(&digits)? {
                Some(halves) => self.decide(&halves, &steps),
                None => Err(error),
            },
        }
    }

    /// A node as a constant and digits from 0 on, the lightest first.
    fn digits_of(&mut self, value: NodeId) -> Result<(i64, Vec<Digit>)> {
        let (mut base, terms) = match self.algebra.plan().op(value) {
            Some(Op::Linear(linear)) => (linear.constant(), linear.terms().to_vec()),
            _ => (0, vec![(1, value)]),
        };
        let mut digits = Vec::with_capacity(terms.len());
        for (coefficient, node) in terms {
            let range = self.algebra.range(node);
            let (sign, end) = if coefficient > 0 { (1, range.lo()) } else { (-1, range.hi()) };
            base = base.saturating_add(coefficient.saturating_mul(end));
            let node = self.algebra.linear(-sign * end, [(sign, node)])?;
            digits.push(Digit { weight: coefficient.unsigned_abs(), node, most: range.size() - 1 });
        }
        digits.sort_by_key(|digit| digit.weight);
        Ok((base, digits))
    }

    /// The digits in halves; `None` where that changes nothing.
    fn halved(&mut self, digits: &[Digit]) -> Result<Option<Vec<Digit>>> {
        let half = HALF.unsigned_abs();
        let mut halves = Vec::with_capacity(2 * digits.len());
        for digit in digits {
            if digit.most < half || digit.most >= self.entries {
                halves.push(*digit);
                continue;
            }
            let whole = self.identity(digit.node)?;
            let low = self.share(&whole.clone().map(|value| value % HALF))?;
            let high = self.share(&whole.map(|value| value / HALF))?;
            halves.push(Digit { node: low, most: half - 1, ..*digit });
            let weight = digit.weight.saturating_mul(half);
            halves.push(Digit { weight, node: high, most: digit.most / half });
        }
        halves.sort_by_key(|digit| digit.weight);
        Ok((halves.len() > digits.len()).then_some(halves))
    }

    /// A function of the sum of digits.
    fn decide(&mut self, digits: &[Digit], steps: &Steps) -> Result<Function> {
        let Some((top, low)) = digits.split_last() else { return Err(too_wide("number")) };
        let last_low: u64 = low.iter().map(|digit| digit.weight.saturating_mul(digit.most)).sum();
        let last = last_low.saturating_add(top.weight.saturating_mul(top.most));
        if last < self.entries {
            return self.directly(digits, last, steps);
        }
        if top.most >= self.entries {
            return Err(too_wide(top.node));
        }
        let (classes, values) = steps.split(last_low, top.weight, top.most);
        let value = |high: i64, class: i64| {
            let row = usize::try_from(high).ok().and_then(|high| values.get(high));
            row.zip(usize::try_from(class).ok()).and_then(|(row, class)| row.get(class)).copied().unwrap_or(0)
        };
        let cases = i64::try_from(values.first().map_or(1, Vec::len)).unwrap_or(i64::MAX);
        let most = i64::try_from(top.most).unwrap_or(i64::MAX);
        if cases == 1 {
            return Ok(self.identity(top.node)?.map(|high| value(high, 0)));
        }
        let case = self.decide(low, &classes)?;
        let case = self.digit(&case)?;
        // As a carry: only the sum of the digit and the case matters.
        let carries =
            (1..=most).all(|high| (1..cases).all(|case| value(high, case - 1) == value(high - 1, case)));
        let carried = top.most.saturating_add(cases.unsigned_abs());
        if carries && carried <= self.entries {
            let sum = self.algebra.linear(0, [(1, top.node), (1, case)])?;
            return Ok(self.identity(sum)?.map(|sum| {
                let high = sum.min(most);
                value(high, sum - high)
            }));
        }
        if (top.most + 1).saturating_mul(cases.unsigned_abs()) <= self.entries {
            return self.pair(top.node, case, value);
        }
        // Of the digit, too, only few cases matter.
        let mut kinds: Vec<&Vec<i64>> = Vec::new();
        let kind_of: Vec<i64> = values
            .iter()
            .map(|row| {
                let kind = kinds.iter().position(|known| *known == row).unwrap_or_else(|| {
                    kinds.push(row);
                    kinds.len() - 1
                });
                i64::try_from(kind).unwrap_or(i64::MAX)
            })
            .collect();
        let kind = self.digit(&Function { arg: top.node, values: kind_of })?;
        let of_kind = |kind: i64, case: i64| {
            let row = usize::try_from(kind).ok().and_then(|kind| kinds.get(kind));
            row.zip(usize::try_from(case).ok()).and_then(|(row, case)| row.get(case)).copied().unwrap_or(0)
        };
        self.pair(kind, case, of_kind)
    }

    /// By one table of the sum.
    fn directly(&mut self, digits: &[Digit], last: u64, steps: &Steps) -> Result<Function> {
        let terms = digits.iter().map(|digit| (i64::try_from(digit.weight).unwrap_or(i64::MAX), digit.node));
        let arg = self.algebra.linear(0, terms)?;
        let identity = self.identity(arg)?;
        debug_assert!(identity.values.iter().all(|value| value.unsigned_abs() <= last));
        Ok(identity.map(|sum| steps.at(sum.unsigned_abs())))
    }
}
