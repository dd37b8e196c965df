//! Places in a row: as near as can be to where each should stand, without overlaps.

/// Of things in their order, each with the place that it wishes for and its width, the places with the least sum of
/// squared distances to the wishes that leave each its width. With the widths taken off the wishes this is an
/// isotonic regression, solved by pooling adjacent violators (Barlow and others, 1972).
pub(super) fn spread(wishes: &[(f64, f64)]) -> Vec<f64> {
    let mut offset = 0.0;
    let mut offsets = Vec::with_capacity(wishes.len());
    let mut last = 0.0;
    for (index, &(_, width)) in wishes.iter().enumerate() {
        if index > 0 {
            offset += f64::midpoint(last, width);
        }
        last = width;
        offsets.push(offset);
    }
    // Blocks of equal value: sum of wishes and their number.
    let mut blocks: Vec<(f64, f64, usize)> = Vec::new();
    for (&(wish, _), offset) in wishes.iter().zip(&offsets) {
        blocks.push((wish - offset, 1.0, 1));
        while let [.., (sum, weight, count), (other_sum, other_weight, other_count)] = blocks.as_slice()
            && sum / weight > other_sum / other_weight
        {
            let pooled = (sum + other_sum, weight + other_weight, count + other_count);
            blocks.truncate(blocks.len() - 2);
            blocks.push(pooled);
        }
    }
    let values = blocks.iter().flat_map(|&(sum, weight, count)| std::iter::repeat_n(sum / weight, count));
    values.zip(&offsets).map(|(value, offset)| value + offset).collect()
}

#[cfg(test)]
mod tests {
    use super::spread;

    #[test]
    fn wishes_that_fit_are_kept_and_others_share_the_way() {
        assert_eq!(spread(&[(0.0, 2.0), (10.0, 2.0)]), [0.0, 10.0]);
        assert_eq!(spread(&[(5.0, 2.0), (5.0, 2.0)]), [4.0, 6.0]);
        assert_eq!(spread(&[(5.0, 2.0), (5.0, 2.0), (4.0, 6.0)]), [2.0, 4.0, 8.0]);
        assert!(spread(&[]).is_empty());
    }
}
