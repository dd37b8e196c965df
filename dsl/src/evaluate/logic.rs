//! `and`, `or`, `not`, `known`, `??`: truth values, and what they show to be present.

use super::Evaluator;
use super::value::{At, ClearKind, Kind, Value};
use crate::ast::Expr;
use crate::clear::{Binary, ClearOp, Unary};
use crate::diagnostic::{Code, Diagnostic};
use crate::rows::{RowId, RowOp};
use crate::source::Span;

impl<'a> Evaluator<'a> {
    /// A chain of `and` (or `or`). Each operand is evaluated where those before it hold (do not hold).
    pub(super) fn and_or(&mut self, parts: &'a [Expr], all: bool) -> Value {
        let (before, within) = (self.known.clone(), self.within.len());
        let mut result: Option<At> = None;
        for part in parts {
            let right = self.at(part);
            self.learn(&right.value, all);
            result = Some(match result {
                None => right,
                Some(left) => {
                    let span = left.span.to(right.span);
                    At { value: self.join(&left, &right, all, span), span }
                }
            });
        }
        self.known = before;
        self.within.truncate(within);
        result.map_or(Value::Poison, |at| at.value)
    }

    /// From here on the condition holds (or, for `holds = false`, does not).
    pub(super) fn learn(&mut self, condition: &Value, holds: bool) {
        if let Value::Row(row) = condition {
            let presence = self.presence(row.id);
            let shown = if holds { presence.when_true } else { presence.when_false };
            self.known.extend(shown.iter());
            let sets = self.confinements(row.id, holds);
            self.within.extend(sets);
        }
    }

    fn join(&mut self, left: &At, right: &At, all: bool, span: Span) -> Value {
        match (&left.value, &right.value) {
            (Value::Poison, _) | (_, Value::Poison) => Value::Poison,
            (Value::Bool(left), Value::Bool(right)) => {
                Value::Bool(if all { *left && *right } else { *left || *right })
            }
            (Value::Row(_), Value::Row(_) | Value::Bool(_)) | (Value::Bool(_), Value::Row(_)) => {
                let (left, right) = (self.row_condition(left), self.row_condition(right));
                let (Some(left), Some(right)) = (left, right) else { return Value::Poison };
                let id = if all { self.and_row(left, right, span) } else { self.or_row(left, right, span) };
                Self::row_value(id, Kind::Bool)
            }
            (Value::Clear(..), Value::Clear(..) | Value::Bool(_)) | (Value::Bool(_), Value::Clear(..)) => {
                let op = if all { Binary::And } else { Binary::Or };
                let (Some(left), Some(right)) = (self.clear_condition(left), self.clear_condition(right))
                else {
                    return Value::Poison;
                };
                self.clear(ClearOp::Binary(op, left, right), ClearKind::Bool)
            }
            (Value::Row(_), Value::Clear(..)) => self.mixed(left, right, span),
            (Value::Clear(..), Value::Row(_)) => self.mixed(right, left, span),
            _ => {
                let word = if all { "and" } else { "or" };
                let wrong = if matches!(left.value, Value::Row(_) | Value::Bool(_) | Value::Clear(..)) {
                    right
                } else {
                    left
                };
                let message =
                    format!("`{}` is {}, not a condition.", self.text(wrong.span), wrong.value.describe());
                let help = format!("`{word}` joins conditions, as in `age >= 65 {word} male`.");
                self.fail(Code::TypeMismatch, wrong.span, message, help)
            }
        }
    }

    pub(super) fn clear_condition(&mut self, at: &At) -> Option<crate::clear::ClearId> {
        let (id, kind) = self.clear_operand(at)?;
        if kind == ClearKind::Bool {
            return Some(id);
        }
        let message = format!("`{}` is {}, not a condition.", self.text(at.span), at.value.describe());
        self.fail(Code::TypeMismatch, at.span, message, "Compare it, as in `rate > 0.5`.");
        None
    }

    pub(super) fn not(&mut self, arg: &'a Expr, span: Span) -> Value {
        let at = self.at(arg);
        match &at.value {
            Value::Poison => Value::Poison,
            Value::Bool(value) => Value::Bool(!value),
            Value::Clear(..) => match self.clear_condition(&at) {
                Some(id) => self.clear(ClearOp::Unary(Unary::Not, id), ClearKind::Bool),
                None => Value::Poison,
            },
            _ => match self.row_condition(&at) {
                Some(id) => {
                    let id = self.not_row(id, span);
                    Self::row_value(id, Kind::Bool)
                }
                None => Value::Poison,
            },
        }
    }

    /// `known(x)`: whether no column that `x` needs is missing.
    pub(super) fn is_known(&mut self, at: &At, span: Span) -> Value {
        match &at.value {
            Value::Poison => Value::Poison,
            Value::Row(row) => {
                let missing = row.missing.clone();
                if missing.is_empty() {
                    self.never_missing(at.span, span);
                    return Value::Bool(true);
                }
                let id = self.known_row(&missing, span);
                Self::row_value(id, Kind::Bool)
            }
            value if self.preparing => {
                let value = value.clone();
                self.cell_present(&value).unwrap_or(Value::Bool(true))
            }
            _ => {
                let message = format!("`{}` is {}.", self.text(at.span), at.value.describe());
                self.fail(
                    Code::TypeMismatch,
                    at.span,
                    message,
                    "`known` asks whether a patient's value is present.",
                )
            }
        }
    }

    fn known_row(&mut self, columns: &[crate::rows::ColumnId], span: Span) -> RowId {
        let mut all = self.constant(1, 0, span);
        for &column in columns {
            let one = self.push(RowOp::Known(column), (0, 1), 0, span);
            all = self.and_row(all, one, span);
        }
        all
    }

    fn never_missing(&mut self, value: Span, span: Span) {
        if self.is_literal_place() {
            let message = format!("`{}` is never missing.", self.text(value));
            let help = format!("Leave out `{}`.", self.text(span));
            self.emit(Diagnostic::warning(Code::ConstantCondition, span, message, help));
        }
    }

    /// `a ?? b ?? c`, from the right.
    pub(super) fn coalesce(&mut self, first: &'a Expr, rest: &'a [Expr]) -> Value {
        let mut parts: Vec<At> = Vec::with_capacity(rest.len() + 1);
        for part in std::iter::once(first).chain(rest) {
            let at = match parts.first().map(|first| first.value.clone()) {
                Some(Value::Row(row)) => {
                    let value = self.operand(part, &row.kind, first.span);
                    At { value, span: part.span }
                }
                _ => self.at(part),
            };
            parts.push(at);
        }
        let Some(mut value) = parts.pop() else { return Value::Poison };
        while let Some(left) = parts.pop() {
            let span = left.span.to(value.span);
            value = At { value: self.coalesce_two(&left, &value, span), span };
        }
        value.value
    }

    fn coalesce_two(&mut self, left: &At, right: &At, span: Span) -> Value {
        if let Some(Value::Clear(present, _)) = self.cell_present(&left.value) {
            let (Some((value, kind)), Some((otherwise, _))) =
                (self.clear_operand(left), self.clear_operand(right))
            else {
                return Value::Poison;
            };
            let op = ClearOp::Case { arms: vec![(present, value)], otherwise };
            return self.clear(op, kind);
        }
        let Value::Row(row) = &left.value else {
            if !left.value.is_poison() {
                let message = format!("`{}` is {}.", self.text(left.span), left.value.describe());
                let help = "`x ?? value` puts a value in the place of a patient's missing one.";
                return self.fail(Code::TypeMismatch, left.span, message, help);
            }
            return Value::Poison;
        };
        if row.missing.is_empty() {
            self.never_missing(left.span, span);
            return left.value.clone();
        }
        let Some((mut otherwise, kind)) = self.row_operand(right) else { return Value::Poison };
        let Some(kind) = self.unify(&row.kind, &kind, left, right) else { return Value::Poison };
        let mut id = row.id;
        let Some((scaled, other, _)) = self.common_scale(id, otherwise, span) else { return Value::Poison };
        (id, otherwise) = (scaled, other);
        let missing = row.missing.clone();
        let unit = row.unit.clone();
        let known = self.known_row(&missing, span);
        let id = self.case_row(vec![(known, id)], otherwise, span);
        match Self::row_value(id, kind) {
            Value::Row(row) => Value::Row(super::value::RowValue { unit, ..row }),
            other => other,
        }
    }

    /// The kind that two alternatives of one value share, or a message.
    pub(super) fn unify(&mut self, left: &Kind, right: &Kind, a: &At, b: &At) -> Option<Kind> {
        match (left, right) {
            (left, right) if left == right => Some(left.clone()),
            (Kind::Bool | Kind::Number, Kind::Bool | Kind::Number) => Some(Kind::Number),
            _ => {
                let (x, y) = (self.text(a.span), self.text(b.span));
                let message = format!("`{x}` is {}, `{y}` is {}.", a.value.describe(), b.value.describe());
                self.fail(Code::TypeMismatch, b.span, message, "Both must be of one kind.");
                None
            }
        }
    }
}
