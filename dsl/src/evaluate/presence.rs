//! Which columns a condition shows to be present.

use std::collections::BTreeSet;
use std::rc::Rc;

use super::Evaluator;
use crate::rows::{ColumnId, RowId, RowOp};

/// Columns that are present wherever a condition holds, and wherever it does not.
#[derive(Clone, Debug, Default)]
pub(super) struct Presence {
    pub(super) when_true: Rc<BTreeSet<ColumnId>>,
    pub(super) when_false: Rc<BTreeSet<ColumnId>>,
}

impl Presence {
    fn swapped(self) -> Self {
        Self { when_true: self.when_false, when_false: self.when_true }
    }
}

type Columns = Rc<BTreeSet<ColumnId>>;

fn union(left: &Columns, right: &Columns) -> Columns {
    if right.is_subset(left) {
        Rc::clone(left)
    } else if left.is_subset(right) {
        Rc::clone(right)
    } else {
        Rc::new(left.union(right).copied().collect())
    }
}

fn common(left: &Columns, right: &Columns) -> Columns {
    if left.is_subset(right) { Rc::clone(left) } else { Rc::new(left.intersection(right).copied().collect()) }
}

impl Evaluator<'_> {
    pub(super) fn presence(&self, id: RowId) -> Presence {
        self.presences.get(id.index()).cloned().unwrap_or_default()
    }

    pub(super) fn presence_of(&self, op: &RowOp) -> Presence {
        match op {
            RowOp::Known(column) => {
                Presence { when_true: Rc::new(BTreeSet::from([*column])), when_false: Columns::default() }
            }
            RowOp::Not(arg) => self.presence(*arg).swapped(),
            RowOp::And(left, right) => {
                let (left, right) = (self.presence(*left), self.presence(*right));
                Presence {
                    when_true: union(&left.when_true, &right.when_true),
                    when_false: common(&left.when_false, &right.when_false),
                }
            }
            RowOp::Or(left, right) => {
                let (left, right) = (self.presence(*left), self.presence(*right));
                Presence {
                    when_true: common(&left.when_true, &right.when_true),
                    when_false: union(&left.when_false, &right.when_false),
                }
            }
            RowOp::Case { arms, otherwise } => self.case_presence(arms, *otherwise),
            RowOp::Column(_)
            | RowOp::Const(_)
            | RowOp::Add(..)
            | RowOp::Sub(..)
            | RowOp::Mul(..)
            | RowOp::Member { .. }
            | RowOp::Less { .. }
            | RowOp::Equal { .. } => Presence::default(),
        }
    }

    /// A boolean `case` holds where one of its arms was taken and the arm's value holds.
    fn case_presence(&self, arms: &[(RowId, RowId)], otherwise: RowId) -> Presence {
        let outcome = |holds: bool| {
            let mut all: Option<Columns> = None;
            let values = arms.iter().map(|&(condition, value)| (Some(condition), value));
            for (condition, value) in values.chain([(None, otherwise)]) {
                if *self.op(value) == RowOp::Const(i64::from(!holds)) {
                    continue;
                }
                let presence = self.presence(value);
                let mut shown = if holds { presence.when_true } else { presence.when_false };
                if let Some(condition) = condition {
                    shown = union(&shown, &self.presence(condition).when_true);
                }
                all = Some(all.map_or(Rc::clone(&shown), |all| common(&all, &shown)));
            }
            all.unwrap_or_default()
        };
        Presence { when_true: outcome(true), when_false: outcome(false) }
    }
}
