//! Functions of small values on the way to tables: composed and packed as long as one table holds them, looked up only
//! where nothing else is left.

use hq_plugin_sdk::plan::{NodeId, Op};
use hq_plugin_sdk::range::Range;
use hq_plugin_sdk::table::{Entry, Table};
use hq_plugin_sdk::verify::Invalid;

use crate::algebra::{Algebra, Result};

/// Looked-up values are added with coefficients of at most this sum of squares before the next table: beyond, the
/// coefficients go into the tables.
const MAX_NORM: u64 = 25;

/// A function of a node, which takes few values.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Function {
    /// The node.
    pub(super) arg: NodeId,
    /// The value for each of the node's, in order.
    pub(super) values: Vec<i64>,
}

impl Function {
    /// Another function of what this one gives.
    pub(super) fn map(mut self, f: impl Fn(i64) -> i64) -> Self {
        self.values.iter_mut().for_each(|value| *value = f(*value));
        self
    }

    /// The same, where it is known to give no other values than these.
    pub(super) fn within(self, range: Range) -> Self {
        self.map(|value| value.clamp(range.lo(), range.hi()))
    }

    /// Whether it gives 0 and 1 only.
    pub(super) fn is_flag(&self) -> bool {
        self.values.iter().all(|value| (0..=1).contains(value))
    }

    /// Number of integers from the least to the largest that it gives.
    pub(super) fn span(&self) -> u64 {
        let highest = self.values.iter().max().copied().unwrap_or(0);
        let lowest = self.values.iter().min().copied().unwrap_or(0);
        highest.abs_diff(lowest).saturating_add(1)
    }

    /// Number of values of its argument.
    fn size(&self) -> u64 {
        self.values.len() as u64
    }
}

/// A plan of tables in the making.
#[derive(Debug)]
pub(super) struct Bench {
    pub(super) algebra: Algebra,
    /// Most entries of a table.
    pub(super) entries: u64,
}

pub(super) fn too_wide(place: impl ToString) -> Invalid {
    Invalid { place: place.to_string(), reason: "it takes more values than a table has entries".to_owned() }
}

impl Bench {
    /// A node as a function of itself.
    pub(super) fn identity(&self, node: NodeId) -> Result<Function> {
        let range = self.algebra.range(node);
        if range.size() > self.entries {
            return Err(too_wide(node));
        }
        Ok(Function { arg: node, values: (range.lo()..=range.hi()).collect() })
    }

    /// The node that holds a function's value as a digit: without a table where that is the argument but for sign and
    /// constant.
    pub(super) fn digit(&mut self, function: &Function) -> Result<NodeId> {
        let lo = self.algebra.range(function.arg).lo();
        let first = function.values.first().copied().unwrap_or(0);
        for sign in [1, -1] {
            if (0..).zip(&function.values).all(|(step, &value)| value == first + sign * step) {
                return self.algebra.linear(first - sign * lo, [(sign, function.arg)]);
            }
        }
        self.share(function)
    }

    /// The node that holds a function's value, looked up.
    pub(super) fn share(&mut self, function: &Function) -> Result<NodeId> {
        let entries = function.values.iter().map(|&value| Entry::Value(value)).collect();
        self.look_up(function.arg, entries)
    }

    /// The entries of a node's values.
    pub(super) fn look_up(&mut self, arg: NodeId, entries: Vec<Entry>) -> Result<NodeId> {
        let arg = self.quiet(arg)?;
        let table = Table::new(self.algebra.range(arg).lo(), entries).ok_or_else(|| too_wide(arg))?;
        self.algebra.apply(Op::Lookup { arg, table })
    }

    /// The same value with coefficients in the tables of its terms, if it is too noisy otherwise.
    fn quiet(&mut self, node: NodeId) -> Result<NodeId> {
        let Some(Op::Linear(linear)) = self.algebra.plan().op(node) else { return Ok(node) };
        let linear = linear.clone();
        let is_table = |node: NodeId| matches!(self.algebra.plan().op(node), Some(Op::Lookup { .. }));
        let squares = linear.terms().iter().filter(|&&(_, term)| is_table(term));
        let norm = squares.fold(0_u64, |sum, &(coefficient, _)| {
            sum.saturating_add(coefficient.unsigned_abs().saturating_pow(2))
        });
        if norm <= MAX_NORM {
            return Ok(node);
        }
        let mut terms = Vec::with_capacity(linear.terms().len());
        for &(coefficient, term) in linear.terms() {
            terms.push(match self.algebra.plan().op(term) {
                Some(Op::Lookup { arg, table }) if table.inputs().next().is_none() => {
                    let (arg, table) = (*arg, table.clone());
                    (1, self.scaled(arg, &table, coefficient)?)
                }
                _ => (coefficient, term),
            });
        }
        let range = self.algebra.range(node);
        let quiet = self.algebra.linear(linear.constant(), terms)?;
        self.algebra.narrow(quiet, range);
        Ok(quiet)
    }

    fn scaled(&mut self, arg: NodeId, table: &Table, coefficient: i64) -> Result<NodeId> {
        let scale = |entry: &Entry| match entry {
            Entry::Value(value) => Entry::Value(value.saturating_mul(coefficient)),
            Entry::Input(input) => Entry::Input(*input),
        };
        let entries = table.entries().iter().map(scale).collect();
        let table = Table::new(table.first(), entries).ok_or_else(|| too_wide(arg))?;
        self.algebra.apply(Op::Lookup { arg, table })
    }

    /// The product of functions. Flags of flags are added up, so that one table finds whether all hold; functions of one
    /// node are one; others are packed into one argument while a table holds them.
    pub(super) fn product(&mut self, factors: Vec<Function>) -> Result<Function> {
        let mut factors = merged(factors, i64::saturating_mul);
        loop {
            let (flags, mut others): (Vec<_>, Vec<_>) =
                factors.into_iter().partition(|factor| self.is_bit(factor));
            let all = self.all_of(&flags)?;
            let parts: Vec<Function> = others.iter().cloned().chain(all.clone()).collect();
            let size = parts.iter().fold(1_u64, |size, part| size.saturating_mul(part.size()));
            if size <= self.entries {
                return self.packed(parts);
            }
            // What is looked up becomes one flag more, or a constant, which takes no room.
            let largest = (0..others.len())
                .filter(|&index| others.get(index).is_some_and(|other| other.is_flag() && other.size() > 1))
                .max_by_key(|&index| others.get(index).map_or(0, Function::size));
            let made = match (largest, all) {
                (Some(index), _) => {
                    let looked_up = others.swap_remove(index);
                    others.extend(flags);
                    looked_up
                }
                (None, Some(all)) if all.size() > 2 => all,
                (None, all) => {
                    let place = all.or_else(|| others.first().cloned()).map(|function| function.arg);
                    return Err(too_wide(place.map_or_else(String::new, |node| node.to_string())));
                }
            };
            let node = self.digit(&made)?;
            others.push(self.identity(node)?);
            factors = merged(others, i64::saturating_mul);
        }
    }

    /// A flag of a flag, which has one bit to add to others.
    fn is_bit(&self, function: &Function) -> bool {
        function.is_flag() && self.algebra.range(function.arg) == Range::BOOL
    }

    /// Whether all flags hold, as a function of their sum.
    fn all_of(&mut self, flags: &[Function]) -> Result<Option<Function>> {
        if flags.is_empty() {
            return Ok(None);
        }
        let mut bits = flags.iter().map(|flag| self.digit(flag)).collect::<Result<Vec<_>>>()?;
        let most = usize::try_from(self.entries).unwrap_or(usize::MAX).saturating_sub(1).max(2);
        while bits.len() > most {
            let first: Vec<NodeId> = bits.drain(..most).collect();
            let all = self.count(&first)?;
            bits.push(self.digit(&all)?);
        }
        self.count(&bits).map(Some)
    }

    fn count(&mut self, bits: &[NodeId]) -> Result<Function> {
        let arg = self.algebra.linear(0, bits.iter().map(|&bit| (1, bit)))?;
        let most = i64::try_from(bits.len()).unwrap_or(i64::MAX);
        Ok(self.identity(arg)?.map(|count| i64::from(count == most)))
    }

    /// The product of functions as one of an argument that holds all of theirs.
    fn packed(&mut self, parts: Vec<Function>) -> Result<Function> {
        self.joint(parts, 1, i64::saturating_mul)
    }

    /// The sum of functions as one of an argument that holds all of theirs.
    ///
    /// # Errors
    /// No table holds them.
    pub(super) fn sum(&mut self, constant: i64, parts: Vec<Function>) -> Result<Function> {
        let parts = merged(parts, i64::saturating_add);
        let size = parts.iter().fold(1_u64, |size, part| size.saturating_mul(part.size()));
        match parts.first() {
            Some(_) if size <= self.entries => {
                Ok(self.joint(parts, 0, i64::saturating_add)?.map(|value| value.saturating_add(constant)))
            }
            first => Err(too_wide(first.map_or_else(String::new, |part| part.arg.to_string()))),
        }
    }

    /// Functions folded into one, of an argument that holds all of theirs.
    fn joint(
        &mut self,
        mut parts: Vec<Function>,
        unit: i64,
        fold: impl Fn(i64, i64) -> i64 + Copy,
    ) -> Result<Function> {
        if parts.len() == 1 {
            return parts.pop().ok_or_else(|| too_wide(""));
        }
        // The largest argument has the largest weight, so that weights stay small.
        parts.sort_by_key(|part| (part.size(), part.arg));
        let (mut terms, mut constant, mut values, mut weight) = (Vec::new(), 0, vec![unit], 1_i64);
        for part in &parts {
            terms.push((weight, part.arg));
            constant -= weight * self.algebra.range(part.arg).lo();
            values = part
                .values
                .iter()
                .flat_map(|&own| values.iter().map(move |&below| fold(own, below)))
                .collect();
            weight = weight.saturating_mul(i64::try_from(part.values.len()).unwrap_or(i64::MAX));
        }
        let arg = self.algebra.linear(constant, terms)?;
        let range = Range::new(0, weight - 1).ok_or_else(|| too_wide(arg))?;
        self.algebra.narrow(arg, range);
        // More may be known of the argument than that.
        let range = self.algebra.range(arg);
        let known = usize::try_from(range.lo()).ok().zip(usize::try_from(range.hi()).ok());
        let values = known.and_then(|(lo, hi)| values.get(lo..=hi)).ok_or_else(|| too_wide(arg))?;
        Ok(Function { arg, values: values.to_vec() })
    }

    /// Functions packed as by [`Self::product`], with any function of both values.
    pub(super) fn pair(
        &mut self,
        first: NodeId,
        second: NodeId,
        f: impl Fn(i64, i64) -> i64,
    ) -> Result<Function> {
        let (a, b) = (self.algebra.range(first), self.algebra.range(second));
        if a.size().saturating_mul(b.size()) > self.entries {
            return Err(too_wide(first));
        }
        let (low, high, flipped) =
            if a.size() <= b.size() { (first, second, false) } else { (second, first, true) };
        let (low_range, high_range) = (self.algebra.range(low), self.algebra.range(high));
        let weight = i64::try_from(low_range.size()).unwrap_or(i64::MAX);
        let constant = -low_range.lo() - weight * high_range.lo();
        let arg = self.algebra.linear(constant, [(1, low), (weight, high)])?;
        let range = self.algebra.range(arg);
        let value = |packed: i64| {
            let (low, high) = (low_range.lo() + packed % weight, high_range.lo() + packed / weight);
            if flipped { f(high, low) } else { f(low, high) }
        };
        Ok(Function { arg, values: (range.lo()..=range.hi()).map(value).collect() })
    }
}

/// Functions of one node are one.
fn merged(factors: Vec<Function>, fold: impl Fn(i64, i64) -> i64) -> Vec<Function> {
    let mut merged: Vec<Function> = Vec::with_capacity(factors.len());
    for factor in factors {
        match merged.iter_mut().find(|known| known.arg == factor.arg) {
            Some(known) => {
                known
                    .values
                    .iter_mut()
                    .zip(&factor.values)
                    .for_each(|(value, &own)| *value = fold(*value, own));
            }
            None => merged.push(factor),
        }
    }
    merged
}
