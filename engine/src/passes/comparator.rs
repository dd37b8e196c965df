//! Comparisons of binary digits with constants, as products of few factors and small depth.
//!
//! `x >= c` is split into a high and a low half of the digits: with E = [high == c_high],
//! G = [high >= c_high] and L = [low < c_low], it is `G - E L`. Where the cut lies is chosen by the least
//! depth, then the fewest products. Halves are shared between all constants compared with a column.

use std::collections::HashMap;

use hq_plugin_sdk::plan::NodeId;
use hq_plugin_sdk::range::{Range, RangeSet};

use crate::algebra::{Algebra, Result};

/// Digits `lo..hi` of a column, lowest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Segment {
    lo: usize,
    hi: usize,
}

impl Segment {
    fn len(self) -> usize {
        self.hi - self.lo
    }

    fn of(self, c: u64) -> u64 {
        (c >> self.lo) & self.all_ones()
    }

    fn all_ones(self) -> u64 {
        u64::MAX >> (64 - self.len().clamp(1, 64))
    }
}

/// Depth and products of a circuit; ordered by depth first.
type Price = (u32, u32);

/// Compares the binary digits of one column with constants.
pub(super) struct Comparator {
    bits: Vec<NodeId>,
    thresholds: HashMap<u64, NodeId>,
    prices: HashMap<(Segment, u64), (Price, usize)>,
}

impl Comparator {
    /// `bits`, lowest first, at most 62 of them.
    pub(super) fn new(bits: Vec<NodeId>) -> Self {
        Self { bits, thresholds: HashMap::new(), prices: HashMap::new() }
    }

    /// 1 where the number is at least `c`.
    pub(super) fn at_least(&mut self, algebra: &mut Algebra, c: u64) -> Result<NodeId> {
        if let Some(&node) = self.thresholds.get(&c) {
            return Ok(node);
        }
        let whole = Segment { lo: 0, hi: self.bits.len() };
        let node = if c == 0 {
            algebra.constant(1)?
        } else if c > whole.all_ones() {
            algebra.constant(0)?
        } else {
            self.build(algebra, whole, c)?
        };
        self.thresholds.insert(c, node);
        Ok(node)
    }

    /// 1 where `lo` plus the number lies in the set; the number is never above `hi - lo`.
    pub(super) fn member(
        &mut self,
        algebra: &mut Algebra,
        set: &RangeSet,
        lo: i64,
        hi: i64,
    ) -> Result<NodeId> {
        let mut terms = Vec::new();
        for interval in set.ranges() {
            let (from, to) = (interval.lo().max(lo), interval.hi().min(hi));
            if from > to {
                continue;
            }
            if from == to && from > lo && to < hi {
                terms.push((1, self.equals(algebra, from.abs_diff(lo))?));
                continue;
            }
            terms.push((1, self.at_least(algebra, from.abs_diff(lo))?));
            if to < hi {
                terms.push((-1, self.at_least(algebra, to.abs_diff(lo).saturating_add(1))?));
            }
        }
        let node = algebra.linear(0, terms)?;
        algebra.narrow(node, Range::BOOL);
        Ok(node)
    }

    /// 1 where the number is `c`.
    pub(super) fn equals(&self, algebra: &mut Algebra, c: u64) -> Result<NodeId> {
        self.equal_segment(algebra, Segment { lo: 0, hi: self.bits.len() }, c)
    }

    fn build(&mut self, algebra: &mut Algebra, segment: Segment, c: u64) -> Result<NodeId> {
        let own = segment.of(c);
        if own == 0 {
            return algebra.constant(1);
        }
        if segment.len() == 1 {
            return self.bit(algebra, segment.lo);
        }
        if own == segment.all_ones() {
            return self.equal_segment(algebra, segment, c);
        }
        let cut = self.price(segment, c).1;
        let (low, high) = (Segment { lo: segment.lo, hi: cut }, Segment { lo: cut, hi: segment.hi });
        let at_least_high = self.build(algebra, high, c)?;
        if low.of(c) == 0 {
            return Ok(at_least_high);
        }
        let equal_high = self.equal_segment(algebra, high, c)?;
        let at_least_low = self.build(algebra, low, c)?;
        if high.of(c) == high.all_ones() {
            return algebra.mul(equal_high, at_least_low);
        }
        let less_low = algebra.not(at_least_low)?;
        let product = algebra.mul(equal_high, less_low)?;
        let node = algebra.linear(0, [(1, at_least_high), (-1, product)])?;
        algebra.narrow(node, Range::BOOL);
        Ok(node)
    }

    /// The cheapest cut of a segment for this constant.
    fn price(&mut self, segment: Segment, c: u64) -> (Price, usize) {
        let own = segment.of(c);
        if own == 0 || segment.len() == 1 {
            return ((0, 0), segment.hi);
        }
        if own == segment.all_ones() {
            return (equal_price(segment), segment.hi);
        }
        if let Some(&known) = self.prices.get(&(segment, own)) {
            return known;
        }
        let mut best = ((u32::MAX, u32::MAX), segment.hi);
        for cut in segment.lo + 1..segment.hi {
            let (low, high) = (Segment { lo: segment.lo, hi: cut }, Segment { lo: cut, hi: segment.hi });
            let high_price = self.price(high, c).0;
            let price = if low.of(c) == 0 {
                high_price
            } else {
                let (low_price, equal) = (self.price(low, c).0, equal_price(high));
                // The equality of the high half shares most of its products with the comparison.
                let depth = (low_price.0.max(equal.0) + 1).max(high_price.0);
                (depth, high_price.1.max(equal.1) + low_price.1 + 1)
            };
            if price < best.0 {
                best = (price, cut);
            }
        }
        self.prices.insert((segment, own), best);
        best
    }

    fn equal_segment(&self, algebra: &mut Algebra, segment: Segment, c: u64) -> Result<NodeId> {
        if segment.len() == 1 {
            let bit = self.bit(algebra, segment.lo)?;
            return if segment.of(c) == 1 { Ok(bit) } else { algebra.not(bit) };
        }
        let cut = segment.lo + segment.len() / 2;
        let low = self.equal_segment(algebra, Segment { lo: segment.lo, hi: cut }, c)?;
        let high = self.equal_segment(algebra, Segment { lo: cut, hi: segment.hi }, c)?;
        algebra.mul(low, high)
    }

    fn bit(&self, algebra: &mut Algebra, index: usize) -> Result<NodeId> {
        match self.bits.get(index) {
            Some(&bit) => Ok(bit),
            None => algebra.constant(0),
        }
    }
}

fn equal_price(segment: Segment) -> Price {
    let factors = u32::try_from(segment.len()).unwrap_or(u32::MAX);
    (factors.next_power_of_two().trailing_zeros(), factors.saturating_sub(1))
}
