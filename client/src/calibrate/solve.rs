//! Costs of kernels from times of plans: non-negative least squares of relative errors.

/// Sweeps of coordinate descent; it converges in a few hundred.
const SWEEPS: usize = 5000;

/// Weight of what the backend says of itself, against one measurement: kernels that no plan tells apart keep their
/// proportions.
const PRIOR: f64 = 0.05;

/// Times below this tell nothing.
const LEAST_NS: f64 = 20_000.0;

/// What fits best.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Fit {
    pub(super) costs: Vec<f64>,
    /// Measurements that took part.
    pub(super) rows: u32,
    /// The sum of their squared relative errors.
    pub(super) squares: f64,
}

/// Fits `time = sum of count * cost` over rows of counts and times. `prior` is a first guess up to a factor.
pub(super) fn fit(rows: &[(Vec<f64>, f64)], prior: &[f64]) -> Fit {
    let dot = |counts: &[f64], costs: &[f64]| {
        counts.iter().zip(costs).map(|(count, cost)| count * cost).sum::<f64>()
    };
    let rows: Vec<(&[f64], f64)> = rows
        .iter()
        .filter(|(counts, time)| *time >= LEAST_NS && dot(counts, prior) > 0.0)
        .map(|(counts, time)| (counts.as_slice(), *time))
        .collect();
    let mut ratios: Vec<f64> = rows.iter().map(|(counts, time)| time / dot(counts, prior)).collect();
    ratios.sort_by(f64::total_cmp);
    let scale = ratios.get(ratios.len() / 2).copied().unwrap_or(1.0);
    // Unknowns are factors to the scaled first guess, rows are divided by their times.
    let guess: Vec<f64> = prior.iter().map(|cost| cost * scale).collect();
    let relative: Vec<Vec<f64>> = rows
        .iter()
        .map(|(counts, time)| counts.iter().zip(&guess).map(|(count, cost)| count * cost / time).collect())
        .collect();
    let mut factors = vec![1.0_f64; prior.len()];
    for _ in 0..SWEEPS {
        for at in 0..factors.len() {
            let (mut above, mut below) = (PRIOR, PRIOR);
            for row in &relative {
                let own = row.get(at).copied().unwrap_or(0.0);
                let others = dot(row, &factors) - own * factors.get(at).copied().unwrap_or(0.0);
                above += own * (1.0 - others);
                below += own * own;
            }
            if let Some(factor) = factors.get_mut(at) {
                *factor = (above / below).max(0.0);
            }
        }
    }
    let squares = relative.iter().map(|row| (dot(row, &factors) - 1.0).powi(2)).sum();
    Fit {
        costs: guess.iter().zip(&factors).map(|(cost, factor)| cost * factor).collect(),
        rows: u32::try_from(rows.len()).unwrap_or(u32::MAX),
        squares,
    }
}

#[cfg(test)]
mod tests {
    use super::fit;

    #[test]
    fn costs_that_explain_all_times_are_found() {
        let costs = [3.0, 0.5, 40.0];
        let counts = [[1e6, 0.0, 0.0], [1e5, 4e6, 1e3], [0.0, 2e6, 5e4], [3e5, 3e5, 3e4]];
        let rows: Vec<(Vec<f64>, f64)> = counts
            .iter()
            .map(|counts| (counts.to_vec(), counts.iter().zip(&costs).map(|(a, b)| a * b).sum()))
            .collect();
        let fit = fit(&rows, &[1.0, 1.0, 10.0]);
        assert!(
            fit.costs.iter().zip(&costs).all(|(found, cost)| (found / cost - 1.0).abs() < 0.1),
            "{fit:?}"
        );
    }

    #[test]
    fn no_cost_is_negative_and_what_was_not_measured_keeps_its_proportion() {
        let rows = vec![(vec![1e6, 0.0, 0.0], 4e6), (vec![1e6, 1e6, 0.0], 3e6)];
        let fit = fit(&rows, &[2.0, 2.0, 1.0]);
        assert!(fit.costs.iter().all(|&cost| cost >= 0.0), "{fit:?}");
        assert!(fit.costs.get(2).is_some_and(|cost| *cost > 0.3 && *cost < 3.0), "{fit:?}");
    }
}
