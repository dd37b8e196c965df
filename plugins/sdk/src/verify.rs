//! What must hold of a plan, checked after every pass and again by a backend before it runs one.
//!
//! Invariants:
//! 1. Operands stand before their users; inputs and sums name what exists; aggregates name sums.
//! 2. No value leaves 62 bits: ranges are computed exactly from the inputs' ranges.
//! 3. `member`, `less` and `equal` stand only in circuits (before placement).
//! 4. In a placed plan every value has a level and a number of ciphertext parts: operands of `mul`, and terms
//!    of `linear`, have equal levels; a product of a by b parts has a + b - 1, at most one more than the powers
//!    of the secret with a relinearization key; `relinearize` takes three parts or more; `mod_switch` and `drop`
//!    go down; levels exist in the chain.
//! 5. A plan placed on levels has parameters and a release; sums stand at or above the release level, and what is
//!    relinearized stands at a level for which there is a key.
//! 6. A table has an entry for each value that is looked up. What else must hold of a plan of bootstraps is said
//!    in `rotations`.
//! 7. Cells name aggregates; in a placed plan each cell's count is one sum that can be decided on, and every sum is behind
//!    a gate, or there are no gates.

use std::collections::HashMap;

use crate::parameters::{Parameters, RnsParameters};
use crate::plan::{Family, Level, Linear, NodeId, Op, Plan};
use crate::range::Range;
use crate::rotations::Rotations;
use crate::table::{Entry, Table};

/// The first invariant that does not hold, and where.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("invalid plan at {place}: {reason}")]
pub struct Invalid {
    /// Node, sum or header line.
    pub place: String,
    /// What does not hold.
    pub reason: String,
}

fn invalid(place: impl ToString, reason: impl Into<String>) -> Invalid {
    Invalid { place: place.to_string(), reason: reason.into() }
}

/// Values stay within this magnitude, so that sums of two never leave 64 bits.
const MAX_MAGNITUDE: i64 = 1 << 62;

/// The range of each node's value, from the inputs' ranges.
///
/// # Errors
/// A node whose range leaves 62 bits, or an operand that does not exist.
pub fn ranges(plan: &Plan) -> Result<Vec<Range>, Invalid> {
    let mut ranges: Vec<Range> = Vec::with_capacity(plan.nodes().len());
    for (node, op) in plan.iter() {
        let range = range_of(plan, &ranges, node, op)?;
        ranges.push(plan.proved(node).map_or(range, |proved| range.intersect(proved).unwrap_or(proved)));
    }
    Ok(ranges)
}

/// The range of one operation from the ranges of the nodes before it.
///
/// # Errors
/// As [`ranges`].
pub fn range_of(plan: &Plan, ranges: &[Range], node: NodeId, op: &Op) -> Result<Range, Invalid> {
    let of = |operand: NodeId| {
        ranges.get(operand.index()).copied().ok_or_else(|| invalid(node, "operand is not defined above"))
    };
    let range = match op {
        Op::Input { input, .. } => {
            plan.inputs.get(input.index()).ok_or_else(|| invalid(node, "no such input"))?.range
        }
        Op::Member { arg, set } => member_range(of(*arg)?, set),
        Op::Less { left, right } => {
            let (left, right) = (of(*left)?, of(*right)?);
            decided(left.hi() < right.lo(), left.lo() >= right.hi())
        }
        Op::Equal { left, right } => {
            let (left, right) = (of(*left)?, of(*right)?);
            decided(left.size() == 1 && left == right, left.hi() < right.lo() || right.hi() < left.lo())
        }
        Op::Linear(linear) => {
            linear_range(plan, linear, of)?.ok_or_else(|| invalid(node, "its value leaves 62 bits"))?
        }
        Op::Mul { left, right } if left == right => {
            square(of(*left)?).ok_or_else(|| invalid(node, "its value leaves 62 bits"))?
        }
        Op::Mul { left, right } => {
            of(*left)?.mul(of(*right)?).ok_or_else(|| invalid(node, "its value leaves 62 bits"))?
        }
        Op::Relinearize { arg } | Op::ModSwitch { arg } | Op::Drop { arg, .. } => of(*arg)?,
        Op::Lookup { arg, table } => lookup_range(plan, table, of(*arg)?)
            .ok_or_else(|| invalid(node, "looks up a value that its table has no entry for"))?,
    };
    if range.lo() < -MAX_MAGNITUDE || range.hi() > MAX_MAGNITUDE {
        return Err(invalid(node, "its value leaves 62 bits"));
    }
    Ok(range)
}

/// Terms whose inputs exclude each other count once: the hull of zero and each of them. Of nested flags the first
/// few hold: the hull of the sums of the first coefficients.
fn linear_range(
    plan: &Plan,
    linear: &Linear,
    of: impl Fn(NodeId) -> Result<Range, Invalid>,
) -> Result<Option<Range>, Invalid> {
    let mut families: HashMap<(&str, bool), Vec<(u32, Range)>> = HashMap::new();
    let mut sum = Some(Range::single(linear.constant()));
    for &(coefficient, term) in linear.terms() {
        let range = of(term)?;
        let Some(scaled) = range.mul(Range::single(coefficient)) else { return Ok(None) };
        match family(plan, term) {
            Some(Family::OneOf(name)) => families.entry((name, false)).or_default().push((0, scaled)),
            Some(Family::Nested(name, rank)) if range == Range::BOOL => {
                // No rank is 0 here, which is that of flags that exclude each other.
                let step = Range::single(coefficient);
                families.entry((name, true)).or_default().push((rank.saturating_add(1), step));
            }
            Some(Family::Nested(..)) | None => sum = sum.and_then(|sum| sum.add(scaled)),
        }
    }
    for mut steps in families.into_values() {
        steps.sort_unstable_by_key(|&(rank, _)| rank);
        let (mut hull, mut first_few) = (Range::single(0), Some(Range::single(0)));
        for (rank, step) in steps {
            if rank > 0 {
                first_few = first_few.and_then(|sum| sum.add(step));
            }
            hull = hull.hull(if rank > 0 { first_few.unwrap_or(hull) } else { step });
        }
        sum = sum.and_then(|sum| first_few.and(sum.add(hull)));
    }
    Ok(sum)
}

/// The family of the input that a node reads directly.
fn family(plan: &Plan, mut node: NodeId) -> Option<&Family> {
    // No valid plan goes down more often than there are levels; one that is not must end here too.
    for _ in 0..=usize::from(u8::MAX) {
        match plan.op(node)? {
            Op::Input { input, .. } => return plan.inputs.get(input.index())?.family.as_ref(),
            Op::Relinearize { arg } | Op::ModSwitch { arg } | Op::Drop { arg, .. } => node = *arg,
            Op::Member { .. }
            | Op::Less { .. }
            | Op::Equal { .. }
            | Op::Linear(_)
            | Op::Mul { .. }
            | Op::Lookup { .. } => {
                return None;
            }
        }
    }
    None
}

fn member_range(arg: Range, set: &crate::range::RangeSet) -> Range {
    let outside = set.ranges().iter().all(|range| range.hi() < arg.lo() || range.lo() > arg.hi());
    decided(set.covers(arg), outside)
}

/// The hull of the entries that are looked up.
fn lookup_range(plan: &Plan, table: &Table, arg: Range) -> Option<Range> {
    if table.domain().intersect(arg) != Some(arg) {
        return None;
    }
    let entry = |value: i64| match table.entry(value)? {
        Entry::Value(value) => Some(Range::single(value)),
        Entry::Input(input) => plan.inputs.get(input.index()).map(|input| input.range),
    };
    let mut hull = entry(arg.lo())?;
    for value in arg.lo()..=arg.hi() {
        hull = hull.hull(entry(value)?);
    }
    Some(hull)
}

fn decided(always: bool, never: bool) -> Range {
    if always {
        Range::single(1)
    } else if never {
        Range::single(0)
    } else {
        Range::BOOL
    }
}

fn square(range: Range) -> Option<Range> {
    let (a, b) = (range.lo().checked_mul(range.lo())?, range.hi().checked_mul(range.hi())?);
    Range::new(if range.contains(0) { 0 } else { a.min(b) }, a.max(b))
}

/// Level and number of ciphertext parts of a node in a placed plan.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shape {
    /// Level at which the value stands.
    pub level: Level,
    /// 2, or more after products that are not relinearized.
    pub parts: u8,
}

/// Level and parts of each node of a placed plan.
///
/// # Errors
/// The first node at which invariant 3 or 4 does not hold.
pub fn shapes(plan: &Plan) -> Result<Vec<Shape>, Invalid> {
    match &plan.parameters {
        Some(Parameters::Rns(rns)) => {
            let shapes = shapes_within(plan, rns.moduli.len(), rns.most_parts())?;
            for (node, op) in plan.iter() {
                if let Op::Relinearize { arg } = op
                    && let Some(shape) = shapes.get(arg.index())
                {
                    relinearizes(rns, shape.parts, shape.level, &node)?;
                }
            }
            Ok(shapes)
        }
        Some(Parameters::Clear { .. } | Parameters::Tfhe(_)) | None => {
            Err(invalid("parameters", "the plan is not placed on levels"))
        }
    }
}

/// Whether there is a key for so many parts at a level.
fn relinearizes(rns: &RnsParameters, parts: u8, level: Level, place: &dyn ToString) -> Result<(), Invalid> {
    let most = rns.relinearizes(parts);
    if level.limbs() <= most {
        return Ok(());
    }
    let reason = format!("relinearizes {parts} parts at {level}, where keys reach up to {most} primes");
    Err(Invalid { place: place.to_string(), reason })
}

/// As [`shapes`], of a plan whose parameters are not chosen yet: within a chain of `top` primes, and at most so
/// many parts.
///
/// # Errors
/// As [`shapes`].
pub fn shapes_within(plan: &Plan, top: usize, most_parts: usize) -> Result<Vec<Shape>, Invalid> {
    let mut shapes: Vec<Shape> = Vec::with_capacity(plan.nodes().len());
    for (node, op) in plan.iter() {
        let of = |operand: NodeId| {
            shapes.get(operand.index()).copied().ok_or_else(|| invalid(node, "operand is not defined above"))
        };
        let shape = match op {
            Op::Input { level, .. } => {
                let level = level.ok_or_else(|| invalid(node, "the input has no level"))?;
                Shape { level, parts: 2 }
            }
            Op::Member { .. } | Op::Less { .. } | Op::Equal { .. } => {
                return Err(invalid(node, "comparison in a placed plan"));
            }
            Op::Lookup { .. } => return Err(invalid(node, "table in a plan of levels")),
            Op::Linear(linear) => {
                let mut terms = linear.terms().iter().map(|&(_, term)| of(term));
                let mut shape = terms.next().ok_or_else(|| invalid(node, "constant in a placed plan"))??;
                for term in terms {
                    let term = term?;
                    if term.level != shape.level {
                        return Err(invalid(node, "terms stand at different levels"));
                    }
                    shape.parts = shape.parts.max(term.parts);
                }
                shape
            }
            Op::Mul { left, right } => {
                let (left, right) = (of(*left)?, of(*right)?);
                if left.level != right.level {
                    return Err(invalid(node, "factors stand at different levels"));
                }
                let parts = left.parts.saturating_add(right.parts).saturating_sub(1);
                if usize::from(parts) > most_parts {
                    let reason = format!(
                        "a product of {parts} parts, where keys bring at most {most_parts} back to two"
                    );
                    return Err(invalid(node, reason));
                }
                Shape { level: left.level, parts }
            }
            Op::Relinearize { arg } => {
                let arg = of(*arg)?;
                if arg.parts < 3 {
                    return Err(invalid(node, "relinearizes two parts"));
                }
                Shape { level: arg.level, parts: 2 }
            }
            Op::ModSwitch { arg } => {
                let arg = of(*arg)?;
                let level = arg.level.0.checked_sub(1).ok_or_else(|| invalid(node, "below level 0"))?;
                Shape { level: Level(level), parts: arg.parts }
            }
            Op::Drop { arg, to } => {
                let arg = of(*arg)?;
                if *to >= arg.level {
                    return Err(invalid(node, "drops upwards"));
                }
                Shape { level: *to, parts: arg.parts }
            }
        };
        if shape.level.limbs() > top {
            return Err(invalid(node, format!("level {} is above the chain of {top} primes", shape.level)));
        }
        shapes.push(shape);
    }
    Ok(shapes)
}

/// Checks every invariant at the head of this module.
///
/// # Errors
/// The first that does not hold.
pub fn verify(plan: &Plan) -> Result<(), Invalid> {
    let ranges = ranges(plan)?;
    for (index, sum) in plan.sums.iter().enumerate() {
        let range = ranges.get(sum.node.index());
        let range = range.ok_or_else(|| invalid(format!("sum {index}"), "there is no such node"))?;
        if sum.range.hull(*range) != *range {
            return Err(invalid(format!("sum {index}"), "its range is wider than its node's"));
        }
    }
    for (index, aggregate) in plan.aggregates.iter().enumerate() {
        if aggregate.terms.iter().any(|(_, sum)| sum.index() >= plan.sums.len()) {
            return Err(invalid(format!("aggregate {index}"), "there is no such sum"));
        }
    }
    if let Some(reason) = plan.ill_gated() {
        return Err(invalid("cells", reason));
    }
    match &plan.parameters {
        Some(Parameters::Rns(rns)) => {
            let release = plan.release.ok_or_else(|| invalid("release", "a placed plan needs one"))?;
            if release.relinearize < release.level {
                return Err(invalid("release", "relinearizes below the level at which results are opened"));
            }
            let shapes = shapes(plan)?;
            for sum in &plan.sums {
                let node = sum.node;
                let shape = shapes.get(node.index()).ok_or_else(|| invalid(node, "there is no such node"))?;
                if shape.level < release.level {
                    return Err(invalid(node, "is summed below the level at which it can be released"));
                }
                if shape.parts > 2 {
                    relinearizes(rns, shape.parts, shape.level.min(release.relinearize), &node)?;
                }
            }
            Ok(())
        }
        Some(Parameters::Tfhe(tfhe)) => Rotations::of(plan, &ranges, tfhe).map(|_| ()),
        Some(Parameters::Clear { .. }) | None => Ok(()),
    }
}
