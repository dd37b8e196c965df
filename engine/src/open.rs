//! From opened sums to exact aggregates, under the ranges that the plan proves.

use hq_plugin_sdk::parameters::Parameters;
use hq_plugin_sdk::plan::{Aggregate, Plan, SumId};
use hq_plugin_sdk::range::Range;

/// Why opened numbers are not the result of the plan.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OpenError {
    /// Another number of sums than the plan has.
    #[error("{found} numbers were opened where the plan releases {wanted}: the result is of another plan")]
    Count {
        /// Opened.
        found: usize,
        /// In the plan.
        wanted: usize,
    },
    /// Another number of pads than the plan's gates let out.
    #[error(
        "{found} pads were opened where the plan's gates let out {wanted}: the result is of another plan"
    )]
    Pads {
        /// Opened.
        found: usize,
        /// In the plan.
        wanted: usize,
    },
    /// A number that the plan cannot produce.
    #[error(
        "sum {sum} opened as {value}, outside the proved {lo}..{hi}: the result was altered, or its table \
         has more rows than `rows <=` says"
    )]
    OutOfRange {
        /// The sum.
        sum: usize,
        /// Its value.
        value: i128,
        /// Least value.
        lo: i128,
        /// Largest value.
        hi: i128,
    },
}

/// The aggregates of the plan, in its order, from what a backend opened: residues modulo t in `0..t`, or
/// exact values.
///
/// # Errors
/// Numbers that this plan cannot have produced.
pub fn aggregates(plan: &Plan, opened: &[i64]) -> Result<Vec<i128>, OpenError> {
    let opened: Vec<Option<i64>> = opened.iter().copied().map(Some).collect();
    // Nothing is closed, so there is nothing that would be left out.
    Ok(open_aggregates(plan, &opened)?.into_iter().flatten().collect())
}

/// The same of a plan with gates, whose sums were opened under pads: `passed` has the pads that were let out, in the order of
/// [`Plan::padded`], and -1 where a cell is closed. What rests on a closed cell is `None`.
///
/// # Errors
/// As [`aggregates`].
pub fn gated_aggregates(plan: &Plan, opened: &[i64], passed: &[i64]) -> Result<Vec<Option<i128>>, OpenError> {
    let padded = plan.padded();
    if passed.len() != padded.len() {
        return Err(OpenError::Pads { found: passed.len(), wanted: padded.len() });
    }
    let mut sums: Vec<Option<i64>> = opened.iter().copied().map(Some).collect();
    for (&(_, sum), &pad) in padded.iter().zip(passed) {
        if let Some(slot) = sums.get_mut(sum.index()) {
            *slot = slot.and_then(|value| if pad < 0 { None } else { value.checked_sub(pad) });
        }
    }
    open_aggregates(plan, &sums)
}

/// What a plan's gates leave of its aggregates: `None` of those that rest on a closed cell, by the counts themselves.
#[must_use]
pub fn behind_gates(plan: &Plan, aggregates: &[i128]) -> Vec<Option<i128>> {
    let least = plan.gates.as_ref().map_or(0, |gates| gates.least);
    let mut closed = vec![false; plan.sums.len()];
    for cell in plan.cells() {
        let count = aggregates.get(cell.count.index()).copied().unwrap_or(0);
        if (1..i128::from(least)).contains(&count) {
            for sum in plan.sums_behind(cell) {
                closed.get_mut(sum.index()).into_iter().for_each(|closed| *closed = true);
            }
        }
    }
    let is_closed = |&(_, sum): &(i64, SumId)| closed.get(sum.index()).copied().unwrap_or(false);
    let shown =
        |(&value, aggregate): (&i128, &Aggregate)| (!aggregate.terms.iter().any(is_closed)).then_some(value);
    aggregates.iter().zip(&plan.aggregates).map(shown).collect()
}

/// The aggregates of sums, of which some may be closed.
fn open_aggregates(plan: &Plan, opened: &[Option<i64>]) -> Result<Vec<Option<i128>>, OpenError> {
    if opened.len() != plan.sums.len() {
        return Err(OpenError::Count { found: opened.len(), wanted: plan.sums.len() });
    }
    let modulus = match &plan.parameters {
        Some(Parameters::Rns(rns)) => Some(i128::from(rns.plaintext_modulus)),
        Some(Parameters::Tfhe(tfhe)) => Some(i128::from(tfhe.sum_modulus())),
        Some(Parameters::Clear { .. }) | None => None,
    };
    let mut sums = Vec::with_capacity(opened.len());
    for (index, (sum, &number)) in plan.sums.iter().zip(opened).enumerate() {
        let Some(number) = number else {
            sums.push(None);
            continue;
        };
        let hull = sum.range.hull(Range::single(0));
        let [lo, hi] = [hull.lo(), hull.hi()].map(|end| i128::from(end) * i128::from(plan.rows));
        let value = match modulus {
            // The certificate has hi - lo < t, so one value of the range has this residue.
            Some(modulus) => lo + (i128::from(number) - lo).rem_euclid(modulus),
            None => i128::from(number),
        };
        if value < lo || value > hi {
            return Err(OpenError::OutOfRange { sum: index, value, lo, hi });
        }
        sums.push(Some(value));
    }
    Ok(plan
        .aggregates
        .iter()
        .map(|aggregate| {
            aggregate
                .terms
                .iter()
                .map(|&(coefficient, sum)| {
                    Some(i128::from(coefficient) * sums.get(sum.index()).copied().flatten()?)
                })
                .sum()
        })
        .collect())
}
