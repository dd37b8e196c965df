//! Arithmetic on binary digits: comparisons of computed values and of two columns.
//!
//! A value becomes `lo + sum of 2^i b_i`. Columns of digits are compressed three to two by full adders and
//! then added with a carry tree (Sklansky 1960), so that the depth grows with the logarithm of the width.

use std::collections::{BTreeMap, HashMap};

use hq_plugin_sdk::plan::{Family, NodeId, Op};
use hq_plugin_sdk::range::{Range, RangeSet};
use hq_plugin_sdk::verify::Invalid;

use super::comparator::Comparator;
use crate::algebra::{Algebra, Result};

/// A value `lo + sum of 2^i bits[i]`.
struct Number {
    lo: i64,
    bits: Vec<NodeId>,
}

/// Digits by weight, not yet added up, and a constant.
struct Columns {
    lo: i64,
    digits: Vec<Vec<NodeId>>,
}

/// 1 where the value lies in the set.
pub(super) fn member(algebra: &mut Algebra, value: NodeId, set: &RangeSet) -> Result<NodeId> {
    let range = algebra.range(value);
    let number = number(algebra, value)?;
    Comparator::new(number.bits).member(algebra, set, number.lo, range.hi())
}

/// 1 where `left < right`.
pub(super) fn less(algebra: &mut Algebra, left: NodeId, right: NodeId) -> Result<NodeId> {
    let (a, b) = (number(algebra, left)?, number(algebra, right)?);
    if a.lo == b.lo {
        let width = a.bits.len().max(b.bits.len());
        let (a, b) = (padded(algebra, a.bits, width)?, padded(algebra, b.bits, width)?);
        return Ok(less_equal_bits(algebra, &a, &b)?.0);
    }
    let difference = algebra.linear(0, [(1, right), (-1, left)])?;
    let positive = RangeSet::from_ranges(Range::new(1, i64::MAX));
    member(algebra, difference, &positive)
}

/// 1 where `left == right`.
pub(super) fn equal(algebra: &mut Algebra, left: NodeId, right: NodeId) -> Result<NodeId> {
    let (a, b) = (number(algebra, left)?, number(algebra, right)?);
    if a.lo == b.lo {
        let width = a.bits.len().max(b.bits.len());
        let (a, b) = (padded(algebra, a.bits, width)?, padded(algebra, b.bits, width)?);
        return Ok(less_equal_bits(algebra, &a, &b)?.1);
    }
    let difference = algebra.linear(0, [(1, right), (-1, left)])?;
    member(algebra, difference, &RangeSet::from_ranges([Range::single(0)]))
}

fn padded(algebra: &mut Algebra, mut bits: Vec<NodeId>, width: usize) -> Result<Vec<NodeId>> {
    let zero = algebra.constant(0)?;
    bits.resize(width, zero);
    Ok(bits)
}

/// Whether `a < b` and whether `a == b`, by halves: `less = less_high + equal_high less_low`.
fn less_equal_bits(algebra: &mut Algebra, a: &[NodeId], b: &[NodeId]) -> Result<(NodeId, NodeId)> {
    let (less, equal) = match (a, b) {
        (&[a], &[b]) => {
            let both = algebra.mul(a, b)?;
            (algebra.linear(0, [(1, b), (-1, both)])?, algebra.linear(1, [(-1, a), (-1, b), (2, both)])?)
        }
        _ => {
            let cut = a.len() / 2;
            if cut == 0 {
                return Ok((algebra.constant(0)?, algebra.constant(1)?));
            }
            let ((a_low, a_high), (b_low, b_high)) = (a.split_at(cut), b.split_at(cut));
            let (less_low, equal_low) = less_equal_bits(algebra, a_low, b_low)?;
            let (less_high, equal_high) = less_equal_bits(algebra, a_high, b_high)?;
            let carried = algebra.mul(equal_high, less_low)?;
            (algebra.linear(0, [(1, less_high), (1, carried)])?, algebra.mul(equal_high, equal_low)?)
        }
    };
    algebra.narrow(less, Range::BOOL);
    algebra.narrow(equal, Range::BOOL);
    Ok((less, equal))
}

fn number(algebra: &mut Algebra, value: NodeId) -> Result<Number> {
    let columns = columns(algebra, value)?;
    add_up(algebra, columns)
}

/// The digits of a value, from the structure of its node: a sum of scaled flags, or a product.
fn columns(algebra: &mut Algebra, value: NodeId) -> Result<Columns> {
    if algebra.range(value) == Range::BOOL {
        return Ok(Columns { lo: 0, digits: vec![vec![value]] });
    }
    match algebra.plan().op(value).cloned() {
        Some(Op::Linear(linear)) => {
            let mut sum = Columns { lo: linear.constant(), digits: Vec::new() };
            let mut exclusive: BTreeMap<String, Vec<(i64, NodeId)>> = BTreeMap::new();
            let mut nested: BTreeMap<String, BTreeMap<u32, (i64, NodeId)>> = BTreeMap::new();
            for &(coefficient, node) in linear.terms() {
                match algebra.family(node).cloned() {
                    Some(Family::OneOf(name)) => exclusive.entry(name).or_default().push((coefficient, node)),
                    Some(Family::Nested(name, rank)) => {
                        nested.entry(name).or_default().insert(rank, (coefficient, node));
                    }
                    None => {
                        let digits = columns(algebra, node)?;
                        sum.add_scaled(algebra, &digits, coefficient)?;
                    }
                }
            }
            for terms in exclusive.into_values() {
                sum.add_exclusive(algebra, &terms)?;
            }
            for terms in nested.into_values() {
                sum.add_nested(algebra, &terms.into_values().collect::<Vec<_>>())?;
            }
            Ok(sum)
        }
        Some(Op::Mul { left, right }) => {
            let (a, b) = (number(algebra, left)?, number(algebra, right)?);
            // (lo_a + A)(lo_b + B) = lo_a lo_b + lo_a B + lo_b A + A B.
            let lo = a.lo.checked_mul(b.lo).ok_or_else(too_wide)?;
            let mut sum = Columns { lo, digits: Vec::new() };
            for (weight, node) in (0_u32..).zip(&a.bits) {
                let digit = Columns { lo: 0, digits: vec![vec![*node]] };
                sum.add_scaled(algebra, &digit, shifted(b.lo, weight)?)?;
            }
            for (weight, node) in (0_u32..).zip(&b.bits) {
                let digit = Columns { lo: 0, digits: vec![vec![*node]] };
                sum.add_scaled(algebra, &digit, shifted(a.lo, weight)?)?;
            }
            for (i, &left) in (0_u32..).zip(&a.bits) {
                for (j, &right) in (0_u32..).zip(&b.bits) {
                    let both = algebra.mul(left, right)?;
                    let digit = Columns { lo: 0, digits: vec![vec![both]] };
                    sum.add_scaled(algebra, &digit, shifted(1, i + j)?)?;
                }
            }
            Ok(sum)
        }
        _ => Err(Invalid {
            place: value.to_string(),
            reason: "a value that is neither a sum nor a product of flags cannot be compared".to_owned(),
        }),
    }
}

fn shifted(value: i64, weight: u32) -> Result<i64> {
    value.checked_mul(1_i64.checked_shl(weight).unwrap_or(0)).filter(|_| weight < 62).ok_or_else(too_wide)
}

fn too_wide() -> Invalid {
    Invalid { place: "comparison".to_owned(), reason: "a compared value leaves 62 bits".to_owned() }
}

impl Columns {
    fn digit(&mut self, weight: usize, node: NodeId) {
        if self.digits.len() <= weight {
            self.digits.resize(weight + 1, Vec::new());
        }
        if let Some(column) = self.digits.get_mut(weight) {
            column.push(node);
        }
    }

    /// Adds `coefficient * other`; a negative multiple of a flag is that of its negation, less a constant.
    fn add_scaled(&mut self, algebra: &mut Algebra, other: &Self, coefficient: i64) -> Result<()> {
        let constant = other.lo.checked_mul(coefficient).ok_or_else(too_wide)?;
        self.lo = self.lo.checked_add(constant).ok_or_else(too_wide)?;
        for (weight, column) in (0_u32..).zip(&other.digits) {
            let scaled = shifted(coefficient, weight)?;
            for &node in column {
                let node = if scaled < 0 { algebra.not(node)? } else { node };
                self.lo = self.lo.checked_add(scaled.min(0)).ok_or_else(too_wide)?;
                for bit in (0..62).filter(|bit| (scaled.unsigned_abs() >> bit) & 1 == 1) {
                    self.digit(bit, node);
                }
            }
        }
        Ok(())
    }

    /// Adds multiples of flags that exclude each other: each digit of the result is a sum of flags.
    fn add_exclusive(&mut self, algebra: &mut Algebra, terms: &[(i64, NodeId)]) -> Result<()> {
        let least = terms.iter().map(|&(coefficient, _)| coefficient).min().unwrap_or(0).min(0);
        if least < 0 {
            self.lo = self.lo.checked_add(least).ok_or_else(too_wide)?;
        }
        let none: Vec<(i64, NodeId)> = terms.iter().map(|&(_, node)| (-1, node)).collect();
        for bit in 0..62 {
            let of = |value: i64| value.abs_diff(least) >> bit & 1 == 1;
            let mut flags: Vec<(i64, NodeId)> =
                terms.iter().filter(|&&(c, _)| of(c)).map(|&(_, node)| (1, node)).collect();
            // Where no flag is set the value is 0, which is `-least` above the lower end.
            let mut constant = 0;
            if of(0) {
                constant = 1;
                flags.extend(none.iter().copied());
            }
            if !flags.is_empty() {
                let digit = algebra.linear(constant, flags)?;
                algebra.narrow(digit, Range::BOOL);
                self.digit(bit, digit);
            }
        }
        Ok(())
    }
}

impl Columns {
    /// Adds multiples of flags of which the first few hold: each digit of the result is a sum of flags.
    fn add_nested(&mut self, algebra: &mut Algebra, terms: &[(i64, NodeId)]) -> Result<()> {
        let (least, bits) = nested_bits(algebra, terms)?;
        self.lo = self.lo.checked_add(least).ok_or_else(too_wide)?;
        for (bit, digit) in bits {
            self.digit(bit, digit);
        }
        Ok(())
    }
}

/// A combination of flags of which the first few hold as `least + sum of 2^i bit_i`: each bit is a sum of the flags,
/// without products. Gives least, and the bits that are not always 0.
pub(super) fn nested_bits(
    algebra: &mut Algebra,
    terms: &[(i64, NodeId)],
) -> Result<(i64, Vec<(usize, NodeId)>)> {
    // The value once so many flags hold.
    let mut values = vec![0_i64];
    for &(coefficient, _) in terms {
        let last = values.last().copied().unwrap_or(0);
        values.push(last.checked_add(coefficient).ok_or_else(too_wide)?);
    }
    let least = values.iter().copied().min().unwrap_or(0);
    let mut bits = Vec::new();
    for bit in 0..62 {
        let states: Vec<i64> =
            values.iter().map(|value| i64::from(value.abs_diff(least) >> bit & 1 == 1)).collect();
        let steps = states.windows(2).zip(terms).filter_map(|(pair, &(_, node))| {
            let step = pair.last()? - pair.first()?;
            (step != 0).then_some((step, node))
        });
        let steps: Vec<(i64, NodeId)> = steps.collect();
        let first = states.first().copied().unwrap_or(0);
        if first != 0 || !steps.is_empty() {
            let digit = algebra.linear(first, steps)?;
            algebra.narrow(digit, Range::BOOL);
            bits.push((bit, digit));
        }
    }
    Ok((least, bits))
}

fn add_up(algebra: &mut Algebra, columns: Columns) -> Result<Number> {
    let Columns { lo, mut digits } = columns;
    // Three digits of one weight become one of it and one of the next.
    let mut weight = 0;
    while weight < digits.len() {
        while let Some(&[.., a, b, c]) = digits.get(weight).map(Vec::as_slice) {
            let (sum, carry) = full_adder(algebra, a, b, c)?;
            if digits.len() <= weight + 1 {
                digits.push(Vec::new());
            }
            if let Some(column) = digits.get_mut(weight) {
                column.truncate(column.len() - 3);
                column.insert(0, sum);
            }
            if let Some(next) = digits.get_mut(weight + 1) {
                next.insert(0, carry);
            }
        }
        weight += 1;
    }
    let zero = algebra.constant(0)?;
    let row = |index: usize| -> Vec<NodeId> {
        digits.iter().map(|column| column.get(index).copied().unwrap_or(zero)).collect()
    };
    let bits = add_rows(algebra, &row(0), &row(1))?;
    Ok(Number { lo, bits })
}

fn full_adder(algebra: &mut Algebra, a: NodeId, b: NodeId, c: NodeId) -> Result<(NodeId, NodeId)> {
    let (half, both) = half_adder(algebra, a, b)?;
    let (sum, carried) = half_adder(algebra, half, c)?;
    let carry = algebra.linear(0, [(1, both), (1, carried)])?;
    algebra.narrow(carry, Range::BOOL);
    Ok((sum, carry))
}

fn half_adder(algebra: &mut Algebra, a: NodeId, b: NodeId) -> Result<(NodeId, NodeId)> {
    let both = algebra.mul(a, b)?;
    let sum = algebra.linear(0, [(1, a), (1, b), (-2, both)])?;
    algebra.narrow(sum, Range::BOOL);
    Ok((sum, both))
}

fn add_rows(algebra: &mut Algebra, a: &[NodeId], b: &[NodeId]) -> Result<Vec<NodeId>> {
    let mut sums = Vec::with_capacity(a.len() + 1);
    let mut leaves = Vec::with_capacity(a.len());
    for (&a, &b) in a.iter().zip(b) {
        leaves.push(half_adder(algebra, a, b)?);
    }
    let mut tree = CarryTree { leaves, memo: HashMap::new() };
    for weight in 0..=a.len() {
        let (_, carry) = tree.segment(algebra, 0, weight)?;
        match tree.leaves.get(weight).copied() {
            Some((propagate, _)) => sums.push(half_adder(algebra, propagate, carry)?.0),
            None => sums.push(carry),
        }
    }
    let zero = algebra.constant(0)?;
    while sums.last() == Some(&zero) {
        sums.pop();
    }
    Ok(sums)
}

/// Propagate and generate of runs of digits.
struct CarryTree {
    leaves: Vec<(NodeId, NodeId)>,
    memo: HashMap<(usize, usize), (NodeId, NodeId)>,
}

impl CarryTree {
    fn segment(&mut self, algebra: &mut Algebra, lo: usize, hi: usize) -> Result<(NodeId, NodeId)> {
        if let Some(&known) = self.memo.get(&(lo, hi)) {
            return Ok(known);
        }
        let made = match hi - lo {
            0 => (algebra.constant(1)?, algebra.constant(0)?),
            1 => match self.leaves.get(lo) {
                Some(&leaf) => leaf,
                None => (algebra.constant(0)?, algebra.constant(0)?),
            },
            length => {
                let cut = lo + length.next_power_of_two() / 2;
                let (low_p, low_g) = self.segment(algebra, lo, cut)?;
                let (high_p, high_g) = self.segment(algebra, cut, hi)?;
                let carried = algebra.mul(high_p, low_g)?;
                let generate = algebra.linear(0, [(1, high_g), (1, carried)])?;
                algebra.narrow(generate, Range::BOOL);
                (algebra.mul(high_p, low_p)?, generate)
            }
        };
        self.memo.insert((lo, hi), made);
        Ok(made)
    }
}
