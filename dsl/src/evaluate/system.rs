//! `first`, `append`, `solve` and the distribution functions: the clear part of statistics modules.

use super::value::{At, ClearKind, Value};
use super::{Evaluator, MAX_AGGREGATES};
use crate::clear::{ClearId, ClearOp};
use crate::diagnostic::Code;
use crate::distribution::Distribution;
use crate::source::Span;

/// Largest system of equations.
const MAX_UNKNOWNS: usize = 40;

impl Evaluator<'_> {
    /// `first(values, conditions)`: the first value whose condition holds; undefined if none does.
    pub(super) fn first(&mut self, values: &At, conditions: &At, span: Span) -> Value {
        let (Some(values), Some(conditions)) = (self.items(values, "first"), self.items(conditions, "first"))
        else {
            return Value::Poison;
        };
        if values.len() != conditions.len() {
            let message = format!("{} values stand beside {} conditions.", values.len(), conditions.len());
            let help = "`first(values, conditions)` takes two lists of the same length.";
            return self.fail(Code::ListLength, span, message, help);
        }
        let mut arms = Vec::with_capacity(values.len());
        let mut kind = ClearKind::Number;
        for (value, condition) in values.iter().zip(&conditions) {
            let (Some((value, value_kind)), Some(condition)) = (
                self.clear_of(value),
                self.clear_of(condition).and_then(|_| self.clear_condition(condition)),
            ) else {
                return Value::Poison;
            };
            kind = value_kind;
            arms.push((condition, value));
        }
        let otherwise = self.clears.push(ClearOp::Real(f64::NAN.to_bits()));
        self.clear(ClearOp::Case { arms, otherwise }, kind)
    }

    /// `append(list, …)`: lists and values as one list.
    pub(super) fn append(&mut self, parts: &[At], span: Span) -> Value {
        let mut all = Vec::new();
        for part in parts {
            match self.expand(&part.value, part.span) {
                Value::List(items) => all.extend(items.iter().cloned()),
                Value::Poison => return Value::Poison,
                single => all.push(single),
            }
            if all.len() > MAX_AGGREGATES {
                let message = format!("The list has more than {MAX_AGGREGATES} values.");
                return self.fail(Code::TooComplex, span, message, "Use shorter lists.");
            }
        }
        Value::List(all.into())
    }

    /// `solve(rows, right)`: the x with `rows x = right`, as a list; undefined if there is not exactly one.
    pub(super) fn solve(&mut self, rows: &At, right: &At, span: Span) -> Value {
        let (Some(rows), Some(right)) = (self.items(rows, "solve"), self.items(right, "solve")) else {
            return Value::Poison;
        };
        let size = right.len();
        let mut matrix = Vec::with_capacity(size * size);
        for row in &rows {
            let Some(items) = self.items(row, "solve") else { return Value::Poison };
            if items.len() != size || rows.len() != size || size > MAX_UNKNOWNS {
                let message =
                    format!("A row of {} numbers, {} rows, {size} on the right.", items.len(), rows.len());
                let help = format!(
                    "`solve([[a, b], [c, d]], [e, f])` takes as many rows as numbers in each row and on the \
                     right, at most {MAX_UNKNOWNS}."
                );
                return self.fail(Code::ListLength, span, message, help);
            }
            for item in &items {
                let Some((id, _)) = self.clear_of(item) else { return Value::Poison };
                matrix.push(id);
            }
        }
        let mut side = Vec::with_capacity(size);
        for item in &right {
            let Some((id, _)) = self.clear_of(item) else { return Value::Poison };
            side.push(id);
        }
        let unknown = |this: &mut Self, unknown| {
            let op = ClearOp::Solve { matrix: matrix.clone(), right: side.clone(), unknown };
            this.clear(op, ClearKind::Number)
        };
        let items: Vec<Value> = (0..size).map(|index| unknown(self, index)).collect();
        Value::List(items.into())
    }

    /// A distribution function of clear numbers.
    pub(super) fn distribution(&mut self, function: Distribution, arguments: &[At], span: Span) -> Value {
        let wanted = function.arguments();
        if arguments.len() != wanted.len() {
            let takes = format!("{} ({})", wanted.len(), wanted.join(", "));
            return self.argument_count(function.name(), &takes, arguments.len(), span);
        }
        let mut ids = Vec::with_capacity(arguments.len());
        for argument in arguments {
            let Some((id, _)) = self.clear_of(argument) else { return Value::Poison };
            ids.push(id);
        }
        self.clear(ClearOp::Distribution(function, ids), ClearKind::Number)
    }

    /// The values of a list or range.
    fn items(&mut self, at: &At, name: &str) -> Option<Vec<At>> {
        match self.expand(&at.value, at.span) {
            Value::List(items) => {
                Some(items.iter().map(|item| At { value: item.clone(), span: at.span }).collect())
            }
            Value::Poison => None,
            other => {
                let message = format!("`{}` is {}, not a list.", self.text(at.span), other.describe());
                self.fail(Code::TypeMismatch, at.span, message, format!("`{name}` works on lists."));
                None
            }
        }
    }

    fn clear_of(&mut self, at: &At) -> Option<(ClearId, ClearKind)> {
        if let Some(operand) = self.clear_operand(at) {
            return Some(operand);
        }
        match &at.value {
            Value::Poison => {}
            Value::Row(_) => {
                self.row_in_report(at, at.span);
            }
            other => {
                let message = format!("`{}` is {}.", self.text(at.span), other.describe());
                self.fail(Code::TypeMismatch, at.span, message, "A number is needed here.");
            }
        }
        None
    }
}
