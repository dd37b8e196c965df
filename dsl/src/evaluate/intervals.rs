//! Unions of closed intervals of integers.

/// The part inside `bounds`, sorted, with overlapping and adjacent intervals merged.
pub(super) fn clip(set: &[(i64, i64)], (lo, hi): (i64, i64)) -> Vec<(i64, i64)> {
    let mut clipped: Vec<(i64, i64)> =
        set.iter().map(|&(from, to)| (from.max(lo), to.min(hi))).filter(|&(from, to)| from <= to).collect();
    clipped.sort_unstable();
    let mut merged: Vec<(i64, i64)> = Vec::with_capacity(clipped.len());
    for (from, to) in clipped {
        match merged.last_mut() {
            Some((_, end)) if from <= end.saturating_add(1) => *end = (*end).max(to),
            _ => merged.push((from, to)),
        }
    }
    merged
}

/// All values moved by `by`; `None` past 64 bits.
pub(super) fn shift(set: &[(i64, i64)], by: i64) -> Option<Vec<(i64, i64)>> {
    set.iter().map(|&(lo, hi)| Some((lo.checked_add(by)?, hi.checked_add(by)?))).collect()
}

/// The integers that times `factor` (above 0) lie in the set.
pub(super) fn divide(set: &[(i64, i64)], factor: i64) -> Vec<(i64, i64)> {
    let up = |value: i64| value.div_euclid(factor) + i64::from(value.rem_euclid(factor) != 0);
    set.iter().map(|&(lo, hi)| (up(lo), hi.div_euclid(factor))).filter(|&(lo, hi)| lo <= hi).collect()
}

/// The values of `set` that are not in `holes`; both are sorted and disjoint.
pub(super) fn without(set: &[(i64, i64)], holes: &[(i64, i64)]) -> Vec<(i64, i64)> {
    let mut left = Vec::with_capacity(set.len() + holes.len());
    for &(lo, hi) in set {
        let mut next = Some(lo);
        for &(from, to) in holes {
            let Some(start) = next.filter(|&start| start <= hi && from <= hi) else { break };
            if to < start {
                continue;
            }
            if let Some(end) = from.checked_sub(1).filter(|&end| start <= end) {
                left.push((start, end));
            }
            next = to.checked_add(1);
        }
        left.extend(next.filter(|&start| start <= hi).map(|start| (start, hi)));
    }
    left
}

#[cfg(test)]
mod tests {
    use super::*;

    fn holds(set: &[(i64, i64)], value: i64) -> bool {
        set.iter().any(|&(lo, hi)| lo <= value && value <= hi)
    }

    #[test]
    fn sets_agree_with_membership() {
        let (set, holes) = ([(-7, -3), (0, 4), (9, 20)], [(-5, -4), (2, 2), (4, 10), (19, 30)]);
        for value in -40..40 {
            assert_eq!(holds(&without(&set, &holes), value), holds(&set, value) && !holds(&holes, value));
            assert_eq!(holds(&divide(&set, 3), value), holds(&set, value * 3));
            assert_eq!(holds(&clip(&set, (-4, 9)), value), holds(&set, value) && (-4..=9).contains(&value));
        }
        assert_eq!(clip(&[(3, 5), (0, 2)], (0, 9)), [(0, 5)]);
        assert_eq!(shift(&set, i64::MAX), None);
    }
}
