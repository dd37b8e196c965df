//! The meaning of a plan, row by row and exactly: the reference that every backend is compared with.
//! Relinearization, modulus switching and dropping leave a value as it is.

use crate::plan::{NodeId, Op, Plan};
use crate::table::Entry;

/// The plan's sums over all rows. `inputs[i]` holds the values of the plan's i-th input, one per row, all
/// of one length. The plan is one that `verify` accepts; on any other, what is not defined counts as 0.
#[must_use]
pub fn interpret(plan: &Plan, inputs: &[Vec<i64>]) -> Vec<i128> {
    let rows = inputs.first().map_or(0, Vec::len);
    let mut sums = vec![0_i128; plan.sums.len()];
    let mut row = Vec::with_capacity(inputs.len());
    for index in 0..rows {
        row.clear();
        row.extend(inputs.iter().map(|column| column.get(index).copied().unwrap_or(0)));
        let values = node_values(plan, &row);
        for (total, sum) in sums.iter_mut().zip(&plan.sums) {
            *total = total.saturating_add(value(&values, sum.node));
        }
    }
    sums
}

/// The value of every node in one row; `row[i]` is the value of the plan's i-th input.
#[must_use]
pub fn node_values(plan: &Plan, row: &[i64]) -> Vec<i128> {
    let mut values: Vec<i128> = Vec::with_capacity(plan.nodes().len());
    for op in plan.nodes() {
        let of = |node: NodeId| value(&values, node);
        let result = match op {
            Op::Input { input, .. } => row.get(input.index()).copied().unwrap_or(0).into(),
            Op::Member { arg, set } => i64::try_from(of(*arg)).is_ok_and(|arg| set.contains(arg)).into(),
            Op::Less { left, right } => (of(*left) < of(*right)).into(),
            Op::Equal { left, right } => (of(*left) == of(*right)).into(),
            Op::Linear(linear) => {
                linear.terms().iter().fold(i128::from(linear.constant()), |sum, &(coefficient, term)| {
                    sum.saturating_add(i128::from(coefficient).saturating_mul(of(term)))
                })
            }
            Op::Mul { left, right } => of(*left).saturating_mul(of(*right)),
            Op::Relinearize { arg } | Op::ModSwitch { arg } | Op::Drop { arg, .. } => of(*arg),
            Op::Lookup { arg, table } => {
                match i64::try_from(of(*arg)).ok().and_then(|value| table.entry(value)) {
                    Some(Entry::Value(value)) => value.into(),
                    Some(Entry::Input(input)) => row.get(input.index()).copied().unwrap_or(0).into(),
                    None => 0,
                }
            }
        };
        values.push(result);
    }
    values
}

fn value(values: &[i128], node: NodeId) -> i128 {
    values.get(node.index()).copied().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "the plan is written here")]

    use super::*;

    #[test]
    fn each_operation_means_what_it_says() {
        let plan = Plan::parse(
            "hq-plan 1\nrows 9\ninput a -9..9\ninput b 0..9\n%0 = input a\n%1 = input b\n\
             %2 = member %0 {-3..-2,5..5}\n%3 = less %0 %1\n%4 = equal %0 %1\n%5 = linear 7 -2*%0 3*%1\n\
             %6 = mul %5 %5\n%7 = linear 4\n%8 = lookup %1 0 [7,-2,a,0,a,9,1,1,1,1]\nsum %2 0..1\nsum %6 0..2704\nsum %7 4..4\n",
        )
        .unwrap();
        assert_eq!(node_values(&plan, &[-3, 4]), [-3, 4, 1, 1, 0, 25, 625, 4, -3]);
        assert_eq!(node_values(&plan, &[5, 5]), [5, 5, 1, 0, 1, 12, 144, 4, 9]);
        assert_eq!(interpret(&plan, &[vec![-3, 5], vec![4, 5]]), [2, 769, 8]);
        assert_eq!(interpret(&plan, &[vec![], vec![]]), [0, 0, 0]);
    }
}
