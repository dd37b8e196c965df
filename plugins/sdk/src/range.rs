//! Intervals of integers and unions of them: the set of values that a node may take.

use std::fmt;

/// A non-empty closed interval `lo..=hi` of integers; printed `lo..hi`, as in the language.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Range {
    lo: i64,
    hi: i64,
}

impl Range {
    /// The values a boolean takes.
    pub const BOOL: Self = Self { lo: 0, hi: 1 };

    /// `None` when `lo > hi`.
    #[must_use]
    pub const fn new(lo: i64, hi: i64) -> Option<Self> {
        if lo <= hi { Some(Self { lo, hi }) } else { None }
    }

    /// The interval that holds one value.
    #[must_use]
    pub const fn single(value: i64) -> Self {
        Self { lo: value, hi: value }
    }

    /// Smallest value.
    #[must_use]
    pub const fn lo(self) -> i64 {
        self.lo
    }

    /// Largest value.
    #[must_use]
    pub const fn hi(self) -> i64 {
        self.hi
    }

    /// How many values it holds.
    #[must_use]
    pub const fn size(self) -> u64 {
        self.hi.abs_diff(self.lo).saturating_add(1)
    }

    /// Whether `value` lies in it.
    #[must_use]
    pub const fn contains(self, value: i64) -> bool {
        self.lo <= value && value <= self.hi
    }

    /// The smallest interval that holds both.
    #[must_use]
    pub fn hull(self, other: Self) -> Self {
        Self { lo: self.lo.min(other.lo), hi: self.hi.max(other.hi) }
    }

    /// The values in both, `None` if there are none.
    #[must_use]
    pub fn intersect(self, other: Self) -> Option<Self> {
        Self::new(self.lo.max(other.lo), self.hi.min(other.hi))
    }

    /// The range of `a * b`; `None` where it leaves 64 bits.
    #[must_use]
    #[expect(clippy::should_implement_trait, reason = "the operator could not tell of an overflow")]
    pub fn mul(self, other: Self) -> Option<Self> {
        let corners = [
            self.lo.checked_mul(other.lo)?,
            self.lo.checked_mul(other.hi)?,
            self.hi.checked_mul(other.lo)?,
            self.hi.checked_mul(other.hi)?,
        ];
        Some(Self { lo: corners.into_iter().min()?, hi: corners.into_iter().max()? })
    }

    /// The range of `a + b`; `None` where it leaves 64 bits.
    #[must_use]
    #[expect(clippy::should_implement_trait, reason = "the operator could not tell of an overflow")]
    pub fn add(self, other: Self) -> Option<Self> {
        Some(Self { lo: self.lo.checked_add(other.lo)?, hi: self.hi.checked_add(other.hi)? })
    }
}

impl fmt::Display for Range {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}..{}", self.lo, self.hi)
    }
}

/// A union of disjoint, non-adjacent intervals in rising order; printed `{1..3,7..7}`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub struct RangeSet {
    ranges: Vec<Range>,
}

impl RangeSet {
    /// The union of any intervals, sorted and merged.
    #[must_use]
    pub fn from_ranges(ranges: impl IntoIterator<Item = Range>) -> Self {
        let mut sorted: Vec<Range> = ranges.into_iter().collect();
        sorted.sort_unstable();
        let mut merged: Vec<Range> = Vec::with_capacity(sorted.len());
        for range in sorted {
            match merged.last_mut() {
                Some(last) if range.lo <= last.hi.saturating_add(1) => last.hi = last.hi.max(range.hi),
                _ => merged.push(range),
            }
        }
        Self { ranges: merged }
    }

    /// The intervals, in rising order.
    #[must_use]
    pub fn ranges(&self) -> &[Range] {
        &self.ranges
    }

    /// Whether it holds no value.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.ranges.is_empty()
    }

    /// Whether `value` lies in one of the intervals.
    #[must_use]
    pub fn contains(&self, value: i64) -> bool {
        self.ranges.iter().any(|range| range.contains(value))
    }

    /// The values in both.
    #[must_use]
    pub fn intersect(&self, other: &Self) -> Self {
        Self::from_ranges(
            self.ranges.iter().flat_map(|a| other.ranges.iter().filter_map(|b| a.intersect(*b))),
        )
    }

    /// The values of `domain` that are not in the set.
    #[must_use]
    pub fn complement(&self, domain: Range) -> Self {
        let mut gaps = Vec::new();
        let mut next = Some(domain.lo);
        for range in &self.ranges {
            let Some(start) = next else { break };
            if range.hi < start {
                continue;
            }
            if range.lo > domain.hi {
                break;
            }
            if let Some(end) = range.lo.checked_sub(1) {
                gaps.extend(Range::new(start, end.min(domain.hi)));
            }
            next = range.hi.checked_add(1);
        }
        if let Some(start) = next {
            gaps.extend(Range::new(start, domain.hi));
        }
        Self::from_ranges(gaps)
    }

    /// Whether every value of `domain` is in the set.
    #[must_use]
    pub fn covers(&self, domain: Range) -> bool {
        self.ranges.iter().any(|range| range.lo <= domain.lo && domain.hi <= range.hi)
    }
}

impl fmt::Display for RangeSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let parts: Vec<String> = self.ranges.iter().map(Range::to_string).collect();
        write!(f, "{{{}}}", parts.join(","))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(ranges: &[(i64, i64)]) -> RangeSet {
        RangeSet::from_ranges(ranges.iter().filter_map(|&(lo, hi)| Range::new(lo, hi)))
    }

    #[test]
    fn sets_agree_with_membership() {
        let domain = Range { lo: -3, hi: 20 };
        let a = set(&[(0, 4), (5, 6), (9, 12), (18, 40)]);
        let b = set(&[(-9, -1), (3, 10)]);
        for value in -3..=20 {
            assert_eq!(a.intersect(&b).contains(value), a.contains(value) && b.contains(value));
            assert_eq!(a.complement(domain).contains(value), !a.contains(value));
        }
        assert_eq!(a.to_string(), "{0..6,9..12,18..40}");
        assert!(set(&[(-5, 30)]).covers(domain));
    }
}
