//! Sums too wide for one plaintext are carried in limbs: `sum(mask * x)` with `x = sum of 2^i bit_i` is
//! `sum of c_j * sum(mask * limb_j)`, put together exactly after opening. Nothing wraps.

use hq_plugin_sdk::plan::{NodeId, Op, Plan};
use hq_plugin_sdk::range::Range;
use hq_plugin_sdk::verify::Invalid;

use crate::algebra::{Algebra, Result, rebuild_sums};

/// A value as a combination of narrower ones.
type Pieces = Vec<(i64, NodeId)>;

/// Splits every sum so that over all rows each part's values span less than `plaintext_modulus`.
///
/// # Errors
/// A sum that cannot be split so far, in particular where the table has more rows than the modulus.
pub fn limbs(plan: &Plan, plaintext_modulus: u64) -> Result<Plan> {
    let width = plaintext_modulus.saturating_sub(1) / plan.rows.max(1);
    if width == 0 && !plan.sums.is_empty() {
        // Not even a flag could be split off.
        return Err(too_many_rows());
    }
    rebuild_sums(
        plan,
        |algebra: &mut Algebra, _, op| algebra.apply(op),
        |algebra, _, node| pieces(algebra, node, width),
    )
}

/// How far a value and zero lie apart: an absent row adds 0.
#[must_use]
pub fn span(range: Range) -> u64 {
    range.hull(Range::single(0)).size().saturating_sub(1)
}

fn pieces(algebra: &mut Algebra, node: NodeId, width: u64) -> Result<Pieces> {
    if span(algebra.range(node)) <= width {
        return Ok(vec![(1, node)]);
    }
    match algebra.plan().op(node).cloned() {
        Some(Op::Linear(linear)) => {
            let mut terms = linear.terms().to_vec();
            if linear.constant() != 0 {
                terms.push((linear.constant(), algebra.constant(1)?));
            }
            pack(algebra, terms, width)
        }
        Some(Op::Mul { left, right }) => product(algebra, left, right, width),
        _ => Err(Invalid {
            place: node.to_string(),
            reason: format!("a sum of it cannot be proved not to wrap: a row may add {width} at most"),
        }),
    }
}

/// Greedy: terms of rising coefficients go into one limb while its values fit.
fn pack(algebra: &mut Algebra, mut terms: Pieces, width: u64) -> Result<Pieces> {
    terms.sort_by_key(|&(coefficient, node)| (coefficient.unsigned_abs(), node));
    let mut limbs: Pieces = Vec::new();
    let mut open: Pieces = Vec::new();
    for (coefficient, node) in terms {
        if span(algebra.range(node)) > width {
            for (factor, piece) in pieces(algebra, node, width)? {
                limbs.push((scaled(factor, coefficient)?, piece));
            }
            continue;
        }
        let mut longer = open.clone();
        longer.push((coefficient, node));
        if limb(algebra, &longer, width)?.is_none() {
            close(algebra, &open, width, &mut limbs)?;
            longer = vec![(coefficient, node)];
        }
        open = longer;
    }
    close(algebra, &open, width, &mut limbs)?;
    Ok(limbs)
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
fn product(algebra: &mut Algebra, left: NodeId, right: NodeId, width: u64) -> Result<Pieces> {
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
    let (lefts, rights) = (pieces(algebra, left, left_width)?, pieces(algebra, right, right_width)?);
    let mut pairs = Vec::with_capacity(lefts.len() * rights.len());
    for &(a, left) in &lefts {
        for &(b, right) in &rights {
            pairs.push((scaled(a, b)?, algebra.mul(left, right)?));
        }
    }
    Ok(pairs)
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
