//! Sums too wide for one plaintext are carried in limbs: `sum(mask * x)` with `x = sum of 2^i bit_i` is
//! `sum of c_j * sum(mask * limb_j)`, put together exactly after opening. Nothing wraps.

use std::collections::BTreeMap;

use hq_plugin_sdk::plan::{Family, NodeId, Op, Plan};
use hq_plugin_sdk::range::Range;
use hq_plugin_sdk::verify::Invalid;

use super::number::nested_bits;
use crate::algebra::{Algebra, Result, rebuild_sums};

/// A value as a combination of narrower ones.
type Pieces = Vec<(i64, NodeId)>;

/// How far to split.
#[derive(Clone, Copy)]
struct Limit {
    /// How far a row's value may span.
    width: u64,
    /// Most limbs of a sum.
    most: usize,
}

/// Splits every sum so that over all rows each part's values span less than `plaintext_modulus`.
///
/// # Errors
/// A sum that cannot be split so far, in particular where the table has more rows than the modulus; more than
/// `most` limbs of a sum, which no one would wait for.
pub fn limbs(plan: &Plan, plaintext_modulus: u64, most: usize) -> Result<Plan> {
    let width = plaintext_modulus.saturating_sub(1) / plan.rows.max(1);
    if width == 0 && !plan.sums.is_empty() {
        // Not even a flag could be split off.
        return Err(too_many_rows());
    }
    rebuild_sums(
        plan,
        |algebra: &mut Algebra, _, op| algebra.apply(op),
        |algebra, _, node| pieces(algebra, node, Limit { width, most }),
    )
}

/// How far a value and zero lie apart: an absent row adds 0.
#[must_use]
pub fn span(range: Range) -> u64 {
    range.hull(Range::single(0)).size().saturating_sub(1)
}

fn pieces(algebra: &mut Algebra, node: NodeId, limit: Limit) -> Result<Pieces> {
    let width = limit.width;
    if span(algebra.range(node)) <= width {
        return Ok(vec![(1, node)]);
    }
    match algebra.plan().op(node).cloned() {
        Some(Op::Linear(linear)) => {
            let mut terms = linear.terms().to_vec();
            if linear.constant() != 0 {
                terms.push((linear.constant(), algebra.constant(1)?));
            }
            pack(algebra, terms, limit)
        }
        Some(Op::Mul { left, right }) => product(algebra, left, right, limit),
        _ => Err(Invalid {
            place: node.to_string(),
            reason: format!("a sum of it cannot be proved not to wrap: a row may add {width} at most"),
        }),
    }
}

/// Greedy: terms of rising coefficients go into one limb while its values fit.
fn pack(algebra: &mut Algebra, mut terms: Pieces, limit: Limit) -> Result<Pieces> {
    let width = limit.width;
    if terms.iter().any(|(_, node)| matches!(algebra.family(*node), Some(Family::Nested(..)))) {
        terms = nested_as_bits(algebra, terms)?;
    }
    terms.sort_by_key(|&(coefficient, node)| (coefficient.unsigned_abs(), node));
    let mut limbs: Pieces = Vec::new();
    let mut open: Pieces = Vec::new();
    let mut bound = Bound::default();
    for (coefficient, node) in terms {
        if span(algebra.range(node)) > width {
            for (factor, piece) in pieces(algebra, node, limit)? {
                limbs.push((scaled(factor, coefficient)?, piece));
            }
            if limbs.len() > limit.most {
                return Err(too_many_limbs(limit));
            }
            continue;
        }
        let last = open.len();
        open.push((coefficient, node));
        bound = bound.with(coefficient, span(algebra.range(node)));
        // The node itself may span less than its terms, which exclude each other; it is made only to ask that.
        if bound.span() > u128::from(width) && limb(algebra, &open, width)?.is_none() {
            close(algebra, open.get(..last).unwrap_or_default(), width, &mut limbs)?;
            open = vec![(coefficient, node)];
            bound = Bound::default().with(coefficient, span(algebra.range(node)));
        }
    }
    close(algebra, &open, width, &mut limbs)?;
    Ok(limbs)
}

/// Nested flags that count a digit make up its binary digits without products: fewer limbs than flags.
fn nested_as_bits(algebra: &mut Algebra, terms: Pieces) -> Result<Pieces> {
    let mut families: BTreeMap<String, BTreeMap<u32, (i64, NodeId)>> = BTreeMap::new();
    let mut others = Vec::new();
    for (coefficient, node) in terms {
        match algebra.family(node).cloned() {
            Some(Family::Nested(name, rank)) => {
                families.entry(name).or_default().insert(rank, (coefficient, node));
            }
            Some(Family::OneOf(_)) | None => others.push((coefficient, node)),
        }
    }
    for flags in families.into_values() {
        let flags: Pieces = flags.into_values().collect();
        let Some(&(weight, _)) = flags.first() else { continue };
        if flags.len() < 3 || flags.iter().any(|&(coefficient, _)| coefficient != weight) {
            others.extend(flags);
            continue;
        }
        let ones: Pieces = flags.iter().map(|&(_, flag)| (1, flag)).collect();
        for (bit, node) in nested_bits(algebra, &ones)?.1 {
            others.push((weight.checked_mul(1 << bit).ok_or_else(too_many_rows)?, node));
        }
    }
    Ok(others)
}

/// How far a limb may span, from its terms one by one.
#[derive(Clone, Copy, Debug, Default)]
struct Bound {
    total: u128,
    divisor: u64,
}

impl Bound {
    fn with(self, coefficient: i64, span: u64) -> Self {
        let magnitude = coefficient.unsigned_abs();
        Self {
            total: self.total.saturating_add(u128::from(magnitude) * u128::from(span)),
            divisor: gcd(self.divisor, magnitude),
        }
    }

    fn span(self) -> u128 {
        self.total / u128::from(self.divisor.max(1))
    }
}

fn close(algebra: &mut Algebra, terms: &[(i64, NodeId)], width: u64, limbs: &mut Pieces) -> Result<()> {
    if !terms.is_empty() {
        limbs.push(limb(algebra, terms, width)?.ok_or_else(too_many_rows)?);
    }
    Ok(())
}

fn too_many_rows() -> Invalid {
    Invalid {
        place: "sum".to_owned(),
        reason: "the table has more rows than the plaintext modulus can count".to_owned(),
    }
}

/// The terms divided by their greatest common divisor; `None` where the result is too wide.
fn limb(algebra: &mut Algebra, terms: &[(i64, NodeId)], width: u64) -> Result<Option<(i64, NodeId)>> {
    let divisor = terms.iter().fold(0, |divisor, &(coefficient, _)| gcd(divisor, coefficient.unsigned_abs()));
    let divisor = i64::try_from(divisor).unwrap_or(1).max(1);
    let node = algebra.linear(0, terms.iter().map(|&(coefficient, node)| (coefficient / divisor, node)))?;
    Ok((span(algebra.range(node)) <= width).then_some((divisor, node)))
}

/// Splits both factors so that the number of pairs is least.
fn product(algebra: &mut Algebra, left: NodeId, right: NodeId, limit: Limit) -> Result<Pieces> {
    let width = limit.width;
    let (left_span, right_span) = (span(algebra.range(left)), span(algebra.range(right)));
    let bits = |span: u64| u64::BITS - span.leading_zeros();
    let (left_bits, right_bits) = (bits(left_span), bits(right_span));
    let mut best: Option<(u32, u64, u64)> = None;
    for limb_bits in 1..=left_bits.max(1) {
        let left_width = left_span.min((1 << limb_bits.min(62)) - 1).max(1);
        let right_width = (width / left_width).min(right_span);
        if right_width == 0 {
            continue;
        }
        let right_limb_bits = if right_width >= right_span { right_bits } else { bits(right_width + 1) - 1 };
        let pairs = left_bits.div_ceil(limb_bits) * right_bits.div_ceil(right_limb_bits.max(1));
        if best.is_none_or(|(fewest, ..)| pairs < fewest) {
            best = Some((pairs, left_width, right_width));
        }
    }
    let (_, left_width, right_width) = best.ok_or_else(too_many_rows)?;
    let narrow = |width: u64| Limit { width, ..limit };
    let lefts = pieces(algebra, left, narrow(left_width))?;
    let rights = pieces(algebra, right, narrow(right_width))?;
    if lefts.len().saturating_mul(rights.len()) > limit.most {
        return Err(too_many_limbs(limit));
    }
    let mut pairs = Vec::with_capacity(lefts.len() * rights.len());
    for &(a, left) in &lefts {
        for &(b, right) in &rights {
            pairs.push((scaled(a, b)?, algebra.mul(left, right)?));
        }
    }
    Ok(pairs)
}

fn too_many_limbs(limit: Limit) -> Invalid {
    let Limit { width, most } = limit;
    Invalid {
        place: "sum".to_owned(),
        reason: format!("more than {most} limbs, if a row may add {width} at most"),
    }
}

fn scaled(a: i64, b: i64) -> Result<i64> {
    a.checked_mul(b).ok_or_else(|| Invalid {
        place: "sum".to_owned(),
        reason: "a coefficient of an aggregate leaves 64 bits".to_owned(),
    })
}

fn gcd(a: u64, b: u64) -> u64 {
    if b == 0 { a } else { gcd(b, a % b) }
}
