//! Row values as functions of the columns beneath them, computed for given codes.

use std::collections::BTreeSet;

use super::Evaluator;
use crate::rows::{RowId, RowOp};

/// Most operations of a function.
const MAX_OPERATIONS: usize = 4096;

/// The operations from columns to some row values, operands before their users.
pub(super) struct Beneath {
    /// The columns.
    pub(super) columns: Vec<RowId>,
    steps: Vec<Step>,
    results: Vec<usize>,
}

struct Step {
    op: RowOp,
    /// Steps of the operands; of a column, its place among the columns.
    reads: Vec<usize>,
}

impl Evaluator<'_> {
    /// What lies beneath row values; `None` where it asks which cells are missing, or is too long.
    pub(super) fn beneath(&self, ids: &[RowId]) -> Option<Beneath> {
        let mut reached = BTreeSet::new();
        let mut open = ids.to_vec();
        while let Some(id) = open.pop() {
            if matches!(self.op(id), RowOp::Known(_)) || reached.len() > MAX_OPERATIONS {
                return None;
            }
            if reached.insert(id) {
                open.extend(self.op(id).operands());
            }
        }
        // Ids rise from operands to users.
        let order: Vec<RowId> = reached.into_iter().collect();
        let is_column = |id: &RowId| matches!(self.op(*id), RowOp::Column(_));
        let columns: Vec<RowId> = order.iter().copied().filter(is_column).collect();
        let at = |order: &[RowId], id: RowId| order.binary_search(&id).ok();
        let step = |&id: &RowId| {
            let op = self.op(id).clone();
            let reads = match op {
                RowOp::Column(_) => vec![at(&columns, id)?],
                _ => op.operands().into_iter().map(|operand| at(&order, operand)).collect::<Option<_>>()?,
            };
            Some(Step { op, reads })
        };
        let steps = order.iter().map(step).collect::<Option<Vec<_>>>()?;
        let results = ids.iter().map(|&id| at(&order, id)).collect::<Option<_>>()?;
        Some(Beneath { columns, steps, results })
    }
}

impl Beneath {
    /// The codes of the row values for codes of the columns; `None` inside where one leaves 64 bits. `scratch`
    /// serves from call to call.
    pub(super) fn values<'a>(
        &'a self,
        codes: &[i64],
        scratch: &'a mut Vec<Option<i64>>,
    ) -> impl Iterator<Item = Option<i64>> + 'a {
        scratch.clear();
        for step in &self.steps {
            let value = step.value(codes, scratch);
            scratch.push(value);
        }
        let scratch = &*scratch;
        self.results.iter().map(move |&at| scratch.get(at).copied().flatten())
    }
}

impl Step {
    fn value(&self, codes: &[i64], values: &[Option<i64>]) -> Option<i64> {
        let read = |at: usize| values.get(*self.reads.get(at)?).copied().flatten();
        Some(match &self.op {
            RowOp::Column(_) => *codes.get(*self.reads.first()?)?,
            RowOp::Known(_) => return None,
            RowOp::Const(value) => *value,
            RowOp::Add(..) => read(0)?.checked_add(read(1)?)?,
            RowOp::Sub(..) => read(0)?.checked_sub(read(1)?)?,
            RowOp::Mul(..) => read(0)?.checked_mul(read(1)?)?,
            RowOp::Member { set, .. } => {
                let value = read(0)?;
                i64::from(set.iter().any(|&(lo, hi)| lo <= value && value <= hi))
            }
            RowOp::Less { .. } => i64::from(read(0)? < read(1)?),
            RowOp::Equal { .. } => i64::from(read(0)? == read(1)?),
            RowOp::Not(_) => 1 - read(0)?,
            RowOp::And(..) => i64::from(read(0)? == 1 && read(1)? == 1),
            RowOp::Or(..) => i64::from(read(0)? == 1 || read(1)? == 1),
            RowOp::Case { arms, .. } => {
                // Conditions and values in turn, then the value if none holds.
                let taken = (0..arms.len()).find_map(|arm| match read(2 * arm) {
                    Some(0) => None,
                    Some(_) => Some(read(2 * arm + 1)),
                    None => Some(None),
                });
                taken.unwrap_or_else(|| read(2 * arms.len()))?
            }
        })
    }
}
