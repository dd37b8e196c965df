//! From a circuit over digits to a plan of bootstraps. Linear operations add up freely; a table is looked up only where
//! nothing else is left, and then does all that is to be done with its argument:
//!
//! - conditions are added up and met by one table of their sum;
//! - what is summed over the rows is the table of its last step, so that adding up takes none;
//! - a value under conditions is an encrypted entry of that table, where the dataset holds it as a word.

mod products;

use std::collections::HashMap;

use hq_plugin_sdk::plan::{Input, NodeId, Op, Plan};
use hq_plugin_sdk::range::{Range, RangeSet};
use hq_plugin_sdk::rotations::Use;
use hq_plugin_sdk::table::Entry;
use hq_plugin_sdk::verify::{Invalid, ranges};

use super::functions::{Bench, Function, too_wide};
use super::limbs::span;
use super::prune::prune;
use crate::algebra::{Algebra, Result, combine};
use crate::encoding::is_word;
use crate::lower::present_input;

/// Most terms of a combination that one table is tried for.
const MAX_JOINT: usize = 4;

/// Most factors of a product that are taken out of products beneath it.
const MAX_FACTORS: usize = 32;

/// What is done with a product that several others read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shared {
    /// It is looked up once.
    LookedUp,
    /// Each of its readers takes its factors into a table of its own.
    Inlined,
}

/// Multiples of nodes, and a constant.
type Combination = (i64, Vec<(i64, NodeId)>);

/// Replaces comparisons and products by tables of at most so many entries. What one row adds to a sum comes in pieces that
/// span at most `width`.
///
/// # Errors
/// What no tables of this size compute.
pub fn tables(plan: &Plan, entries: u64, width: u64, shared: Shared) -> Result<Plan> {
    if width == 0 && !plan.sums.is_empty() {
        // Not even a flag could be added up.
        let reason = "the table has more rows than the sums' modulus can count".to_owned();
        return Err(Invalid { place: "sum".to_owned(), reason });
    }
    let mut users = vec![0_u32; plan.nodes().len()];
    let read = plan.nodes().iter().flat_map(Op::operands).chain(plan.sums.iter().map(|sum| sum.node));
    for node in read {
        if let Some(count) = users.get_mut(node.index()) {
            *count += 1;
        }
    }
    let algebra = Algebra::new(hq_plugin_sdk::plan::Builder::new(plan.rows));
    let bench = Bench { algebra, entries };
    let mut maker =
        Maker { source: plan, ranges: ranges(plan)?, users, bench, width, shared, digits: HashMap::new() };
    let mut sums = Vec::with_capacity(plan.sums.len());
    for sum in &plan.sums {
        let (constant, terms) = maker.terms(sum.node, Use::Share)?;
        let node = maker.bench.algebra.linear(constant, terms)?;
        maker.bench.algebra.narrow(node, sum.range);
        sums.push(maker.bench.algebra.sum(node));
    }
    let mut algebra = maker.bench.algebra;
    if algebra.plan().table_inputs().next().is_none() {
        algebra.input(present_input(), None)?;
    }
    for aggregate in &plan.aggregates {
        let terms = aggregate
            .terms
            .iter()
            .filter_map(|&(coefficient, sum)| Some((coefficient, 1, *sums.get(sum.index())?)));
        let aggregate = combine(terms)?;
        algebra.plan_mut().aggregates.push(aggregate);
    }
    prune(&algebra.finish())
}

struct Maker<'a> {
    source: &'a Plan,
    ranges: Vec<Range>,
    /// How often each node is read.
    users: Vec<u32>,
    bench: Bench,
    /// How far a share may span.
    width: u64,
    shared: Shared,
    /// Nodes of the source as digits, as far as they were made.
    digits: HashMap<NodeId, NodeId>,
}

impl Maker<'_> {
    fn range(&self, old: NodeId) -> Range {
        self.ranges.get(old.index()).copied().unwrap_or(Range::BOOL)
    }

    fn op(&self, old: NodeId) -> Result<Op> {
        self.source.op(old).cloned().ok_or_else(|| Invalid {
            place: old.to_string(),
            reason: "operand is not defined above".to_owned(),
        })
    }

    fn input_of(&self, old: NodeId) -> Option<&Input> {
        let Some(Op::Input { input, .. }) = self.source.op(old) else { return None };
        self.source.inputs.get(input.index())
    }

    /// A value as a digit, or a combination of digits.
    fn digit(&mut self, old: NodeId) -> Result<NodeId> {
        if let Some(&known) = self.digits.get(&old) {
            return Ok(known);
        }
        let node = match self.op(old)? {
            Op::Input { .. } => {
                let input = self.input_of(old).cloned().unwrap_or_else(present_input);
                if is_word(&input.name) {
                    return Err(Invalid {
                        place: input.name,
                        reason: "a value that is held in one piece is summed under conditions, and no more"
                            .to_owned(),
                    });
                }
                self.bench.algebra.input(input, None)?
            }
            Op::Linear(linear) => {
                let mut terms = Vec::with_capacity(linear.terms().len());
                for &(coefficient, term) in linear.terms() {
                    terms.push((coefficient, self.digit(term)?));
                }
                self.bench.algebra.linear(linear.constant(), terms)?
            }
            Op::Mul { .. } => {
                let (constant, terms) = self.terms(old, Use::Digit)?;
                self.bench.algebra.linear(constant, terms)?
            }
            Op::Member { .. }
            | Op::Less { .. }
            | Op::Equal { .. }
            | Op::Relinearize { .. }
            | Op::ModSwitch { .. }
            | Op::Drop { .. }
            | Op::Lookup { .. } => {
                let function = self.function(old)?;
                self.bench.digit(&function)?
            }
        };
        let range = self.range(old);
        self.bench.algebra.narrow(node, range);
        self.digits.insert(old, node);
        Ok(node)
    }

    /// A value as a function that is not looked up yet.
    fn function(&mut self, old: NodeId) -> Result<Function> {
        if let Some(&known) = self.digits.get(&old) {
            return self.bench.identity(known);
        }
        match self.op(old)? {
            Op::Linear(linear) => match linear.terms() {
                &[(coefficient, term)] if self.is_inlined(term) => {
                    let constant = linear.constant();
                    Ok(self.function(term)?.map(|value| constant + coefficient * value))
                }
                terms => match self.joint(linear.constant(), terms)? {
                    // Of disjoint conditions no two hold, whatever their argument could hold.
                    Some(function) => Ok(function.within(self.range(old))),
                    None => {
                        let digit = self.digit(old)?;
                        self.bench.identity(digit)
                    }
                },
            },
            Op::Member { arg, set } => {
                let value = self.digit(arg)?;
                self.bench.member(value, &set)
            }
            Op::Less { left, right } => self.compare(left, right, Range::new(i64::MIN >> 1, -1)),
            Op::Equal { left, right } => self.compare(left, right, Range::new(0, 0)),
            Op::Mul { .. } => {
                let factors = self.factors(old)?;
                let factors = factors.into_iter().map(|factor| self.factor(factor)).collect::<Result<_>>()?;
                self.bench.product(factors)
            }
            Op::Input { .. }
            | Op::Relinearize { .. }
            | Op::ModSwitch { .. }
            | Op::Drop { .. }
            | Op::Lookup { .. } => {
                let digit = self.digit(old)?;
                self.bench.identity(digit)
            }
        }
    }

    /// A combination of functions that are not looked up yet, where one table holds them all.
    fn joint(&mut self, constant: i64, terms: &[(i64, NodeId)]) -> Result<Option<Function>> {
        let is_table = |node: NodeId| {
            !self.digits.contains_key(&node)
                && !matches!(self.source.op(node), Some(Op::Input { .. } | Op::Linear(_)) | None)
        };
        if terms.len() > MAX_JOINT || !terms.iter().any(|&(_, term)| is_table(term) && self.is_inlined(term))
        {
            return Ok(None);
        }
        let mut parts = Vec::with_capacity(terms.len());
        for &(coefficient, term) in terms {
            let Ok(part) = self.factor(term) else { return Ok(None) };
            parts.push(part.map(|value| value.saturating_mul(coefficient)));
        }
        Ok(self.bench.sum(constant, parts).ok())
    }

    fn compare(&mut self, left: NodeId, right: NodeId, differences: Option<Range>) -> Result<Function> {
        let (left, right) = (self.digit(left)?, self.digit(right)?);
        let difference = self.bench.algebra.linear(0, [(1, left), (-1, right)])?;
        self.bench.member(difference, &RangeSet::from_ranges(differences))
    }

    /// The factors of a product, through products that are taken into their readers.
    fn factors(&self, old: NodeId) -> Result<Vec<NodeId>> {
        let Op::Mul { left, right } = self.op(old)? else { return Ok(vec![old]) };
        let mut factors = Vec::new();
        for factor in [left, right] {
            let inlined = self.is_alone(factor) || self.shared == Shared::Inlined;
            if inlined && factors.len() < MAX_FACTORS && !self.digits.contains_key(&factor) {
                factors.extend(self.factors(factor)?);
            } else {
                factors.push(factor);
            }
        }
        Ok(factors)
    }

    fn is_alone(&self, old: NodeId) -> bool {
        self.users.get(old.index()).is_none_or(|&count| count <= 1)
    }

    /// Whether a value is taken as a function where it is read, instead of being looked up once for all readers: nothing
    /// else reads it, or nothing but its last table is saved.
    fn is_inlined(&self, old: NodeId) -> bool {
        match self.source.op(old) {
            Some(Op::Member { arg, .. }) if self.range(*arg).size() <= self.bench.entries => true,
            Some(Op::Mul { .. }) if self.shared == Shared::Inlined => true,
            Some(_) => self.is_alone(old),
            None => false,
        }
    }

    /// A factor of a product.
    fn factor(&mut self, old: NodeId) -> Result<Function> {
        if self.is_inlined(old) || matches!(self.source.op(old), Some(Op::Linear(_))) {
            return self.function(old);
        }
        let digit = self.digit(old)?;
        self.bench.identity(digit)
    }

    /// A value as a combination of tables, which are digits or shares of sums.
    fn terms(&mut self, old: NodeId, role: Use) -> Result<Combination> {
        let op = self.op(old)?;
        if let Some(input) = self.input_of(old).filter(|input| is_word(&input.name)) {
            // A word is 0 in absent rows.
            let input = input.clone();
            let present = self.bench.algebra.input(present_input(), None)?;
            let present = self.bench.identity(present)?;
            return self.entry(&present, input, role);
        }
        if self.range(old).size() <= self.bench.entries {
            // In one table, if there is one.
            match self.function(old).and_then(|function| self.whole(&function, role)) {
                Ok(shares) => return Ok(shares),
                // Its parts may do.
                Err(error) if matches!(op, Op::Linear(_) | Op::Mul { .. }) => drop(error),
                Err(error) => return Err(error),
            }
        }
        match op {
            Op::Linear(linear) => {
                let mut all: Combination = (linear.constant(), Vec::new());
                for &(coefficient, term) in linear.terms() {
                    let shares = self.terms(term, role)?;
                    add(&mut all, coefficient, shares)?;
                }
                Ok(all)
            }
            Op::Mul { .. } => {
                let factors = self.factors(old)?;
                self.multiplied(Vec::new(), factors, role)
            }
            Op::Input { .. }
            | Op::Member { .. }
            | Op::Less { .. }
            | Op::Equal { .. }
            | Op::Relinearize { .. }
            | Op::ModSwitch { .. }
            | Op::Drop { .. }
            | Op::Lookup { .. } => Err(too_wide(old)),
        }
    }

    /// How many values a factor takes, words more than all else.
    fn breadth(&self, old: NodeId) -> u64 {
        match self.input_of(old) {
            Some(input) if is_word(&input.name) => u64::MAX,
            Some(_) | None => self.range(old).size(),
        }
    }

    /// A function's value as a digit, or as shares that span no more than they may.
    fn whole(&mut self, function: &Function, role: Use) -> Result<Combination> {
        if role == Use::Digit {
            return Ok((0, vec![(1, self.bench.digit(function)?)]));
        }
        let lowest = function.values.iter().copied().min().unwrap_or(0);
        let highest = function.values.iter().copied().max().unwrap_or(0);
        if highest.max(0).abs_diff(lowest.min(0)) <= self.width {
            return Ok((0, vec![(1, self.bench.share(function)?)]));
        }
        let base = i64::try_from(self.width.saturating_add(1)).unwrap_or(i64::MAX);
        let lowest = lowest.min(0);
        let mut all: Combination = (lowest, Vec::new());
        let mut weight = 1_i64;
        while base > 1 && weight <= highest - lowest {
            let piece = function.clone().map(|value| (value - lowest) / weight % base);
            all.1.push((weight, self.bench.share(&piece)?));
            weight = weight.saturating_mul(base);
        }
        Ok(all)
    }

    /// An encrypted entry where a function gives 1, and 0 elsewhere.
    fn entry(&mut self, mask: &Function, input: Input, role: Use) -> Result<Combination> {
        if role == Use::Digit || !mask.is_flag() || span(input.range) > self.width {
            return Err(too_wide(&input.name));
        }
        // The boxes at both ends of a full table are shared.
        let function = if mask.values.len() as u64 >= self.bench.entries {
            let flag = self.bench.digit(mask)?;
            self.bench.identity(flag)?
        } else {
            mask.clone()
        };
        let input = self.bench.algebra.declare(input);
        let entries = function
            .values
            .iter()
            .map(|&value| if value == 1 { Entry::Input(input) } else { Entry::Value(0) })
            .collect();
        Ok((0, vec![(1, self.bench.look_up(function.arg, entries)?)]))
    }
}

fn add(all: &mut Combination, coefficient: i64, (constant, terms): Combination) -> Result<()> {
    let overflow = || Invalid { place: "sum".to_owned(), reason: "a coefficient leaves 64 bits".to_owned() };
    all.0 = constant
        .checked_mul(coefficient)
        .and_then(|scaled| all.0.checked_add(scaled))
        .ok_or_else(overflow)?;
    for (factor, node) in terms {
        all.1.push((factor.checked_mul(coefficient).ok_or_else(overflow)?, node));
    }
    Ok(())
}
