//! Ranges, comprehensions, lists, records: unrolled at compile time.

use super::value::{At, ClearKind, Value};
use super::{Evaluator, MAX_AGGREGATES};
use crate::ast::{ArithmeticOp, Expr, Ident};
use crate::clear::Binary;
use crate::diagnostic::Code;
use crate::number::Decimal;
use crate::source::Span;
use crate::suggest::nearest;

impl<'a> Evaluator<'a> {
    /// `lo..hi step s` of constants.
    pub(super) fn range(&mut self, lo: &'a Expr, hi: &'a Expr, step: Option<&'a Expr>, span: Span) -> Value {
        let (lo, hi) = (self.at(lo), self.at(hi));
        let step = match step {
            Some(step) => self.at(step),
            None => At { value: Value::Number(Decimal::integer(1)), span },
        };
        if let (Value::Date(lo), Value::Date(hi)) = (&lo.value, &hi.value) {
            if lo > hi {
                return self.empty_range(span);
            }
            let (lo, hi) = (Decimal::integer(*lo), Decimal::integer(*hi));
            return Value::Range { lo, hi, step: Decimal::integer(1), dates: true };
        }
        let mut numbers = Vec::with_capacity(3);
        for at in [&lo, &hi, &step] {
            match &at.value {
                Value::Number(number) => numbers.push(*number),
                Value::Poison => return Value::Poison,
                other => {
                    let message = format!("`{}` is {}.", self.text(at.span), other.describe());
                    let help = "The bounds of a range are constants or public parameters.";
                    return self.fail(Code::NotConstant, at.span, message, help);
                }
            }
        }
        match numbers.as_slice() {
            [lo, hi, _] if lo.compare(*hi).is_gt() => self.empty_range(span),
            [_, _, step] if step.value <= 0 => self.fail(
                Code::NotConstant,
                span,
                "The step of a range is not above 0.",
                "Write a positive step.",
            ),
            [lo, hi, step] => Value::Range { lo: *lo, hi: *hi, step: *step, dates: false },
            _ => Value::Poison,
        }
    }

    fn empty_range(&mut self, span: Span) -> Value {
        let message = format!("`{}` holds no value.", self.text(span));
        self.fail(Code::BadDomain, span, message, "Write the smaller bound first.")
    }

    /// A range as the list of its values; anything else as it is.
    pub(super) fn expand(&mut self, value: &Value, span: Span) -> Value {
        let Value::Range { lo, hi, step, dates } = value else { return value.clone() };
        let mut items = Vec::new();
        let mut at = *lo;
        while at.compare(*hi).is_le() {
            if items.len() >= MAX_AGGREGATES {
                let message = format!("`{}` has more than {MAX_AGGREGATES} values.", self.text(span));
                return self.fail(Code::TooComplex, span, message, "Use a shorter range.");
            }
            let day = i64::try_from(at.value).unwrap_or(0);
            items.push(if *dates { Value::Date(day) } else { Value::Number(at) });
            match at.checked_add(*step) {
                Some(next) => at = next,
                None => break,
            }
        }
        Value::List(items.into())
    }

    pub(super) fn comprehension(&mut self, body: &'a Expr, variable: &'a Ident, over: &'a Expr) -> Value {
        let values = self.eval(over);
        let values = self.expand(&values, over.span);
        let items = match values {
            Value::List(items) => items,
            Value::Poison => return Value::Poison,
            other => {
                let message = format!("`{}` is {}.", self.text(over.span), other.describe());
                let help = "Write a range, a list, `levels(x)` or `domain(x)` after `in`.";
                return self.fail(Code::TypeMismatch, over.span, message, help);
            }
        };
        let mut results = Vec::with_capacity(items.len());
        for item in items.iter() {
            if self.stopped {
                return Value::Poison;
            }
            let words = item.words();
            self.locals.push((variable.text.clone(), item.clone()));
            self.variables.push((variable.text.clone(), words));
            let value = self.eval(body);
            self.variables.pop();
            self.locals.pop();
            if value.is_poison() {
                return Value::Poison;
            }
            results.push(value);
        }
        Value::List(results.into())
    }

    /// `list[k]`, from 1.
    pub(super) fn index(&mut self, base: &'a Expr, index: &'a Expr, span: Span) -> Value {
        let (base, index) = (self.at(base), self.at(index));
        let list = match self.expand(&base.value, base.span) {
            Value::List(items) => items,
            Value::Poison => return Value::Poison,
            other => {
                let message = format!("`{}` is {}, not a list.", self.text(base.span), other.describe());
                return self.fail(Code::TypeMismatch, base.span, message, "Only lists have an `[index]`.");
            }
        };
        let position = match &index.value {
            Value::Poison => return Value::Poison,
            other => other.number().and_then(Decimal::to_integer),
        };
        let Some(position) = position else {
            let message = format!("`{}` is not a constant whole number.", self.text(index.span));
            return self.fail(Code::NotConstant, index.span, message, "Index a list with 1, 2, …");
        };
        let item =
            usize::try_from(position).ok().and_then(|at| at.checked_sub(1)).and_then(|at| list.get(at));
        match item {
            Some(item) => item.clone(),
            None => {
                let message = format!("The list has {} values, there is no value {position}.", list.len());
                self.fail(Code::ListLength, span, message, "The first value of a list is `[1]`.")
            }
        }
    }

    pub(super) fn field(&mut self, value: Value, span: Span, field: &Ident) -> Value {
        match value {
            Value::Record(fields) => {
                if let Some((_, value)) = fields.iter().find(|(name, _)| *name == field.text) {
                    return value.clone();
                }
                let names: Vec<&str> = fields.iter().map(|(name, _)| name.as_str()).collect();
                let message = format!("There is no field `{}`.", field.text);
                let help = match nearest(&field.text, names.iter().copied()) {
                    Some(near) => format!("Did you mean `{near}`?"),
                    None => format!("The fields are {}.", names.join(", ")),
                };
                self.fail(Code::UnknownField, field.span, message, help)
            }
            Value::Poison => Value::Poison,
            other => {
                let message = format!("`{}` is {}, not a record.", self.text(span), other.describe());
                self.fail(Code::TypeMismatch, field.span, message, "Only records have fields.")
            }
        }
    }

    /// `total(list)`
    pub(super) fn total(&mut self, arg: &At, span: Span) -> Value {
        match self.running(ArithmeticOp::Add, arg, "total", span) {
            Value::List(items) => items.last().cloned().unwrap_or(Value::Number(Decimal::integer(0))),
            other => other,
        }
    }

    /// Running sums or products of a list.
    pub(super) fn running(&mut self, op: ArithmeticOp, arg: &At, name: &str, span: Span) -> Value {
        let items = match self.expand(&arg.value, arg.span) {
            Value::List(items) => items,
            Value::Poison => return Value::Poison,
            other => return self.not_list(&At { value: other, span: arg.span }, name),
        };
        let mut results: Vec<Value> = Vec::with_capacity(items.len());
        for item in items.iter() {
            let next = match results.last() {
                None => item.clone(),
                Some(last) => {
                    let last = At { value: last.clone(), span: arg.span };
                    self.arithmetic(op, &last, &At { value: item.clone(), span: arg.span }, span)
                }
            };
            results.push(next);
        }
        Value::List(results.into())
    }

    fn not_list(&mut self, at: &At, name: &str) -> Value {
        let message = format!("`{}` is {}, not a list.", self.text(at.span), at.value.describe());
        let help = match (&at.value, name) {
            (Value::Row(_), "total") => "To add up over patients write `sum(…)`.".to_owned(),
            _ => format!("`{name}` works on a list, as in `{name}([count(age == k) for k in 1..3])`."),
        };
        self.fail(Code::TypeMismatch, at.span, message, help)
    }

    /// `min(list)` and `max(list)`
    pub(super) fn extreme_of(&mut self, op: Binary, name: &str, arg: &At, span: Span) -> Value {
        let items = match self.expand(&arg.value, arg.span) {
            Value::List(items) if !items.is_empty() => items,
            Value::Poison => return Value::Poison,
            other => return self.not_list(&At { value: other, span: arg.span }, name),
        };
        let mut result: Option<Value> = None;
        for item in items.iter() {
            let item = At { value: item.clone(), span: arg.span };
            result = Some(match result {
                None => item.value,
                Some(best) => self.extreme(op, &At { value: best, span: arg.span }, &item, span),
            });
        }
        result.unwrap_or(Value::Poison)
    }

    pub(super) fn length(&mut self, arg: &At) -> Value {
        match self.expand(&arg.value, arg.span) {
            Value::List(items) => {
                Value::Number(Decimal::integer(i64::try_from(items.len()).unwrap_or(i64::MAX)))
            }
            Value::Poison => Value::Poison,
            other => self.not_list(&At { value: other, span: arg.span }, "length"),
        }
    }

    /// `levels(x)` and `domain(x)`: all values of a row value's domain.
    pub(super) fn values_of(&mut self, arg: &At, name: &str) -> Value {
        let row = match &arg.value {
            Value::Row(row) => row.clone(),
            Value::Poison => return Value::Poison,
            Value::Clear(_, ClearKind::Number | ClearKind::Bool | ClearKind::Text) => {
                return self.aggregate_in_row(arg.span);
            }
            other => {
                let message = format!("`{}` is {}.", self.text(arg.span), other.describe());
                let help = format!("`{name}` lists the values of a column, as in `{name}(sex)`.");
                return self.fail(Code::TypeMismatch, arg.span, message, help);
            }
        };
        let domain = self.domain_of(&row);
        if domain.size() > MAX_AGGREGATES as u64 {
            let message = format!("`{}` has {} values.", self.text(arg.span), domain.size());
            return self.fail(
                Code::TooComplex,
                arg.span,
                message,
                "Cut it into bands first, as in `cut(age, [40, 60])`.",
            );
        }
        let levels = if let super::value::Kind::Levels(levels) = &row.kind { Some(levels) } else { None };
        let items: Vec<Value> =
            domain.codes().map(|code| Self::domain_value(&domain, levels, code)).collect();
        Value::List(items.into())
    }
}
