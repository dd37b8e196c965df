//! Functions of a number that are constant on intervals: sets, thresholds, digits, and what is left of one of them
//! where the highest digit is known.

use hq_plugin_sdk::range::RangeSet;

/// A function of `0..=last`, as the points where it takes a new value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Steps {
    last: u64,
    /// Starts, rising from 0, with the value from there on; neighbours differ.
    steps: Vec<(u64, i64)>,
}

impl Steps {
    fn new(last: u64, steps: impl IntoIterator<Item = (u64, i64)>) -> Self {
        let mut merged: Vec<(u64, i64)> = Vec::new();
        for (start, value) in steps.into_iter().filter(|&(start, _)| start <= last) {
            if merged.last().is_none_or(|&(_, before)| before != value) {
                merged.push((start, value));
            }
        }
        Self { last, steps: merged }
    }

    /// Whether `base + x` lies in the set.
    pub(super) fn of_set(set: &RangeSet, base: i64, last: u64) -> Self {
        let offset = |value: i64| i128::from(value) - i128::from(base);
        let mut steps = vec![(0, 0)];
        for range in set.ranges() {
            let (from, above) = (offset(range.lo()).max(0), offset(range.hi()) + 1);
            if above <= 0 {
                continue;
            }
            let (Ok(from), Ok(above)) = (u64::try_from(from), u64::try_from(above)) else { continue };
            // A set that begins at 0 replaces the first step.
            steps.retain(|&(start, _)| start < from);
            steps.extend([(from, 1), (above, 0)]);
        }
        Self::new(last, steps)
    }

    /// The value at a point.
    pub(super) fn at(&self, x: u64) -> i64 {
        let after = self.steps.partition_point(|&(start, _)| start <= x);
        after.checked_sub(1).and_then(|index| self.steps.get(index)).map_or(0, |&(_, value)| value)
    }

    /// Of `low + weight * high` with `high` in `0..=most_high`: what has to be known of `low`, as a function of it to
    /// the numbers from 0 on, and the value for each `high` and each such number.
    pub(super) fn split(&self, last_low: u64, weight: u64, most_high: u64) -> (Self, Vec<Vec<i64>>) {
        let mut starts: Vec<u64> = vec![0];
        for high in 0..=most_high {
            let shift = weight.saturating_mul(high);
            starts.extend(self.steps.iter().filter_map(|&(start, _)| start.checked_sub(shift)));
        }
        starts.retain(|&start| start <= last_low);
        starts.sort_unstable();
        starts.dedup();
        let mut classes: Vec<Vec<i64>> = Vec::new();
        let mut steps = Vec::with_capacity(starts.len());
        for start in starts {
            let column: Vec<i64> = (0..=most_high)
                .map(|high| self.at(start.saturating_add(weight.saturating_mul(high))))
                .collect();
            let class = classes.iter().position(|known| *known == column).unwrap_or_else(|| {
                classes.push(column);
                classes.len() - 1
            });
            steps.push((start, i64::try_from(class).unwrap_or(i64::MAX)));
        }
        let high = usize::try_from(most_high).unwrap_or(usize::MAX);
        let values = (0..=high)
            .map(|high| classes.iter().map(|column| column.get(high).copied().unwrap_or(0)).collect())
            .collect();
        (Self::new(last_low, steps), values)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use hq_plugin_sdk::range::Range;

    #[test]
    fn splitting_keeps_the_function() {
        let range = |lo, hi| Range::new(lo, hi).unwrap_or(Range::BOOL);
        let set = RangeSet::from_ranges([range(-5, -2), range(3, 40), range(77, 99), range(200, 999)]);
        let steps = Steps::of_set(&set, -4, 230);
        for x in 0..=230_i32 {
            assert_eq!(
                steps.at(u64::from(x.unsigned_abs())),
                i64::from(set.contains(i64::from(x) - 4)),
                "{x}"
            );
        }
        // Also where low reaches beyond the weight, as sums do.
        for (last_low, weight, most_high) in [(15, 16, 13), (30, 16, 12), (6, 7, 32)] {
            let (class, values) = steps.split(last_low, weight, most_high);
            for low in 0..=last_low {
                for high in 0..=most_high {
                    let class = usize::try_from(class.at(low)).unwrap_or(usize::MAX);
                    let row = usize::try_from(high).unwrap_or(usize::MAX);
                    let value = values.get(row).and_then(|row| row.get(class)).copied();
                    assert_eq!(value, Some(steps.at(low + weight * high)), "{low} {high}");
                }
            }
        }
    }
}
