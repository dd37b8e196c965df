//! `x in 18..79`, `x in [a, b]`, `x not in {a, b}`.

use super::Evaluator;
use super::value::{At, ClearKind, Kind, RowValue, Value};
use crate::ast::{CompareOp, Expr, ExprKind};
use crate::clear::{Binary, ClearOp, Unary};
use crate::diagnostic::Code;
use crate::number::Decimal;
use crate::source::Span;

impl<'a> Evaluator<'a> {
    /// `value in set`
    pub(super) fn membership(&mut self, value: &'a Expr, set: &'a Expr, negated: bool, span: Span) -> Value {
        let left = self.at(value);
        let kind = self.kind_of(&left.value);
        let right = match (&set.kind, &kind) {
            (ExprKind::List(items) | ExprKind::Set(items), Some(kind)) => {
                let items: Vec<Value> =
                    items.iter().map(|item| self.operand(item, kind, value.span)).collect();
                Value::List(items.into())
            }
            (ExprKind::Set(items), None) => {
                let items: Vec<Value> = items.iter().map(|item| self.eval(item)).collect();
                Value::List(items.into())
            }
            _ => self.eval(set),
        };
        let right = At { value: right, span: set.span };
        let result = match (&left.value, &right.value) {
            (Value::Poison, _) | (_, Value::Poison) => Value::Poison,
            (Value::Row(row), _) => {
                let row = row.clone();
                self.row_in((&row, left.span), &right, span)
            }
            (_, Value::Range { lo, hi, dates, .. }) => {
                let wrap = |number: &Decimal| {
                    if *dates {
                        Value::Date(i64::try_from(number.value).unwrap_or(0))
                    } else {
                        Value::Number(*number)
                    }
                };
                let (lo, hi) =
                    (At { value: wrap(lo), span: set.span }, At { value: wrap(hi), span: set.span });
                let above = self.compare(CompareOp::GreaterEqual, &left, &lo, span);
                let below = self.compare(CompareOp::LessEqual, &left, &hi, span);
                self.both(above, below, true, span)
            }
            (_, Value::List(items)) => {
                let mut any = Value::Bool(false);
                for item in items.iter() {
                    let item = At { value: item.clone(), span: set.span };
                    let equal = self.compare(CompareOp::Equal, &left, &item, span);
                    any = self.both(any, equal, false, span);
                }
                any
            }
            _ => return self.no_set(&right),
        };
        if negated { self.negated(result, span) } else { result }
    }

    fn no_set(&mut self, at: &At) -> Value {
        let message = format!("`{}` is {}.", self.text(at.span), at.value.describe());
        let help = "After `in` stands a range `18..79` or a list `[a, b]`.";
        self.fail(Code::TypeMismatch, at.span, message, help)
    }

    fn both(&mut self, left: Value, right: Value, all: bool, span: Span) -> Value {
        match (left, right) {
            (Value::Bool(a), b) if a == all => b,
            (a, Value::Bool(b)) if b == all => a,
            (Value::Row(a), Value::Row(b)) => {
                let id = if all { self.and_row(a.id, b.id, span) } else { self.or_row(a.id, b.id, span) };
                Self::row_value(id, Kind::Bool)
            }
            (Value::Clear(a, _), Value::Clear(b, _)) => {
                let op = if all { Binary::And } else { Binary::Or };
                self.clear(ClearOp::Binary(op, a, b), ClearKind::Bool)
            }
            (Value::Bool(_), _) | (_, Value::Bool(_)) => Value::Bool(!all),
            _ => Value::Poison,
        }
    }

    fn negated(&mut self, value: Value, span: Span) -> Value {
        match value {
            Value::Bool(value) => Value::Bool(!value),
            Value::Row(row) => {
                let id = self.not_row(row.id, span);
                Self::row_value(id, Kind::Bool)
            }
            Value::Clear(id, _) => self.clear(ClearOp::Unary(Unary::Not, id), ClearKind::Bool),
            other => other,
        }
    }

    fn row_in(&mut self, row: (&RowValue, Span), set: &At, span: Span) -> Value {
        let Some(id) = self.present(row.0, row.1) else { return Value::Poison };
        let intervals = match &set.value {
            Value::Range { lo, hi, step, dates } => {
                let wrap = |number: &Decimal| {
                    if *dates {
                        Value::Date(i64::try_from(number.value).unwrap_or(0))
                    } else {
                        Value::Number(*number)
                    }
                };
                let ends = [(wrap(lo), CompareOp::GreaterEqual), (wrap(hi), CompareOp::LessEqual)];
                let mut codes = Vec::new();
                for (value, op) in ends {
                    let end = At { value, span: set.span };
                    let Some(code) = self.constant_beside(op, row, &end, span) else { return Value::Poison };
                    codes.push(code);
                }
                match codes.as_slice() {
                    [lo, hi] if *step == Decimal::integer(1) => vec![(*lo, *hi)],
                    [lo, hi] => {
                        let step =
                            step.rescale(self.decimals_of(id)).and_then(|step| usize::try_from(step).ok());
                        (*lo..=*hi)
                            .step_by(step.unwrap_or(1).max(1))
                            .take(100_000)
                            .map(|at| (at, at))
                            .collect()
                    }
                    _ => return Value::Poison,
                }
            }
            Value::List(items) => {
                let mut intervals = Vec::with_capacity(items.len());
                for item in items.iter() {
                    if item.is_poison() {
                        return Value::Poison;
                    }
                    let item = At { value: item.clone(), span: set.span };
                    let Some(code) = self.constant_beside(CompareOp::Equal, row, &item, span) else {
                        return Value::Poison;
                    };
                    intervals.push((code, code));
                }
                intervals
            }
            _ => return self.no_set(set),
        };
        let result = self.member(id, &intervals, span);
        self.constant_condition(result, row, &set.value, span);
        Self::row_value(result, Kind::Bool)
    }
}
