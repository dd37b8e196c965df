//! Solves the small systems of linear equations of a report: exactly where everything is exact.

use num_bigint::BigInt;
use num_rational::BigRational;
use num_traits::{Signed, ToPrimitive, Zero};

use crate::number::Decimal;

/// The solution x of `matrix x = right`, row by row, or `None` if there is not exactly one. Gaussian
/// elimination over the rationals: least squares on sums of squares loses no digit.
pub(crate) fn solve_exact(matrix: &[Decimal], right: &[Decimal]) -> Option<Vec<f64>> {
    let fraction = |number: &Decimal| {
        BigRational::new(BigInt::from(number.value), BigInt::from(10).pow(u32::from(number.decimals)))
    };
    let rows = augmented(matrix, right, fraction)?;
    let solution = eliminate(rows, |a, b| a.abs() > b.abs(), Zero::is_zero)?;
    solution.iter().map(ToPrimitive::to_f64).collect()
}

/// As [`solve_exact`] in doubles, with partial pivoting.
pub(crate) fn solve_real(matrix: &[f64], right: &[f64]) -> Option<Vec<f64>> {
    let rows = augmented(matrix, right, |&number| number)?;
    eliminate(rows, |a, b| a.abs() > b.abs(), |a| *a == 0.0 || !a.is_finite())
}

fn augmented<T, N>(matrix: &[T], right: &[T], number: impl Fn(&T) -> N) -> Option<Vec<Vec<N>>> {
    if right.is_empty() || matrix.len() != right.len().checked_mul(right.len())? {
        return None;
    }
    let rows = matrix.chunks(right.len()).zip(right);
    Some(rows.map(|(row, right)| row.iter().chain([right]).map(&number).collect()).collect())
}

fn eliminate<N>(
    mut rows: Vec<Vec<N>>,
    larger: impl Fn(&N, &N) -> bool,
    is_zero: impl Fn(&N) -> bool,
) -> Option<Vec<N>>
where
    N: Clone + std::ops::Mul<Output = N> + std::ops::Sub<Output = N> + std::ops::Div<Output = N>,
{
    let size = rows.len();
    for column in 0..size {
        let candidates = rows.iter().enumerate().skip(column);
        let pivot = candidates.fold(None, |best: Option<(usize, &N)>, (index, row)| {
            let value = row.get(column)?;
            match best {
                Some((_, known)) if !larger(value, known) => best,
                _ => Some((index, value)),
            }
        });
        let (pivot, value) = pivot?;
        if is_zero(value) {
            return None;
        }
        rows.swap(column, pivot);
        let pivot = rows.get(column)?.clone();
        let divisor = pivot.get(column)?.clone();
        for row in rows.iter_mut().enumerate().filter(|(index, _)| *index != column).map(|(_, row)| row) {
            let factor = row.get(column)?.clone() / divisor.clone();
            for (value, above) in row.iter_mut().zip(&pivot).skip(column) {
                *value = value.clone() - factor.clone() * above.clone();
            }
        }
    }
    rows.into_iter()
        .enumerate()
        .map(|(index, row)| Some(row.get(size)?.clone() / row.get(index)?.clone()))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn solves_and_refuses() {
        let whole = |values: &[i128]| values.iter().map(|&v| Decimal::integer(v)).collect::<Vec<_>>();
        let x = solve_exact(&whole(&[0, 2, 3, 4]), &whole(&[2, 10])).unwrap_or_default();
        assert_eq!(x, [2.0, 1.0]);
        assert_eq!(solve_real(&[0.0, 2.0, 3.0, 4.0], &[2.0, 10.0]), Some(vec![2.0, 1.0]));
        assert_eq!(solve_exact(&whole(&[1, 2, 2, 4]), &whole(&[1, 2])), None);
        assert_eq!(solve_exact(&whole(&[1, 2]), &whole(&[1])), None);
    }
}
