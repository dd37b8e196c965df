//! `count` and `sum`: the wall between encrypted row values and clear totals.

use std::collections::HashSet;

use super::value::{At, ClearKind, Kind, Value};
use super::{Evaluator, MAX_AGGREGATES, Place};
use crate::ast::Expr;
use crate::clear::{Binary, ClearOp, Output};
use crate::diagnostic::Code;
use crate::number::Decimal;
use crate::rows::RowId;
use crate::source::Span;
use crate::typed::{Aggregate, AggregateKind, ReportColumn};

impl<'a> Evaluator<'a> {
    /// `count()`, `count(condition)`
    pub(super) fn count(&mut self, arguments: &'a [Expr], span: Span) -> Value {
        if !self.may_aggregate() {
            return self.aggregate_in_row(span);
        }
        let condition = match arguments {
            [] => At { value: Value::Bool(true), span },
            [condition] => self.inside(condition),
            _ => return self.argument_count("count", "no or one argument", arguments.len(), span),
        };
        match &condition.value {
            Value::Poison => Value::Poison,
            Value::Row(row) if row.kind != Kind::Bool => {
                let text = self.text(condition.span);
                let message = format!("`{text}` is {}, not a condition.", condition.value.describe());
                let help = if row.missing.is_empty() {
                    "Count rows with `count()`, or rows for which a condition holds, as in `count(age > 3)`."
                        .to_owned()
                } else {
                    format!("To count the patients who have it, write `count(known({text}))`.")
                };
                self.fail(Code::TypeMismatch, condition.span, message, help)
            }
            _ => match self.row_condition(&condition) {
                Some(id) => self.aggregate(AggregateKind::Count, id, span),
                None => Value::Poison,
            },
        }
    }

    /// `sum(value)`
    pub(super) fn sum(&mut self, arguments: &'a [Expr], span: Span) -> Value {
        if !self.may_aggregate() {
            return self.aggregate_in_row(span);
        }
        let [argument] = arguments else {
            return self.argument_count("sum", "one argument", arguments.len(), span);
        };
        let value = self.inside(argument);
        if let Value::List(_) | Value::Clear(..) | Value::Range { .. } = value.value {
            let message = format!("`{}` is {}.", self.text(value.span), value.value.describe());
            let help = "`sum` adds up over patients; to add up a list of results write `total(…)`.";
            return self.fail(Code::TypeMismatch, value.span, message, help);
        }
        let Some((id, kind)) = self.row_operand(&value) else { return Value::Poison };
        match kind {
            Kind::Bool => self.aggregate(AggregateKind::Count, id, span),
            Kind::Number => self.aggregate(AggregateKind::Sum, id, span),
            Kind::Levels(_) | Kind::Date => {
                let message = format!("`{}` is {}.", self.text(value.span), value.value.describe());
                let help = "Sum numbers, as in `sum(age)`, or count with `count(sex == female)`.";
                self.fail(Code::TypeMismatch, value.span, message, help)
            }
        }
    }

    fn inside(&mut self, argument: &'a Expr) -> At {
        let place = std::mem::replace(&mut self.place, Place::Aggregate);
        let at = self.at(argument);
        self.place = place;
        at
    }

    fn aggregate(&mut self, kind: AggregateKind, value: RowId, span: Span) -> Value {
        // Constants need no sum of their own: `count(false)` is 0, `sum(3)` is `3 * count()`.
        if let Some(constant) = self.as_constant(value) {
            let decimals = self.decimals_of(value);
            if constant == 0 {
                return Value::Number(Decimal::integer(0));
            }
            if kind == AggregateKind::Sum {
                let one = self.constant(1, 0, span);
                let count = self.aggregate(AggregateKind::Count, one, span);
                let factor = Value::Number(Decimal { value: constant.into(), decimals });
                return self.clear_binary(
                    Binary::Mul,
                    &At { value: factor, span },
                    &At { value: count, span },
                );
            }
        }
        let next = self.aggregates.len();
        if next >= MAX_AGGREGATES && !self.aggregate_ids.contains_key(&(kind, value)) {
            if !self.stopped {
                self.stopped = true;
                let message = format!("This report asks for more than {MAX_AGGREGATES} numbers.");
                self.fail(Code::TooComplex, span, message, "Use shorter comprehensions.");
            }
            return Value::Poison;
        }
        let index = *self.aggregate_ids.entry((kind, value)).or_insert(next);
        if index == next {
            let name = self.aggregate_text(span);
            let decimals = self.decimals_of(value);
            self.aggregates.push(Aggregate { name, kind, value, decimals, span });
        }
        self.clear(ClearOp::Aggregate(index), ClearKind::Number)
    }

    /// Source text, after that of the call it stands in, with the values of comprehension variables.
    fn aggregate_text(&self, span: Span) -> String {
        let mut name = self.text(span);
        if let Some(call) = self.calls.first() {
            let text = self.text(call.span);
            let place = if text.chars().count() <= 32 { text } else { call.name.clone() };
            name = format!("{place}: {name}");
        }
        let variables: Vec<String> =
            self.variables.iter().map(|(name, value)| format!("{name} = {value}")).collect();
        if variables.is_empty() { name } else { format!("{name} for {}", variables.join(", ")) }
    }

    /// Gives aggregates that stand in the report as they are the name of their place there, and makes all
    /// names unique.
    pub(super) fn name_aggregates(&mut self, report: &[ReportColumn]) {
        let mut named = vec![false; self.aggregates.len()];
        for column in report {
            self.name_outputs(&column.name, &column.value, &mut named);
        }
        let mut taken: HashSet<String> = HashSet::new();
        for (aggregate, _) in self.aggregates.iter().zip(&named).filter(|(_, named)| **named) {
            taken.insert(aggregate.name.clone());
        }
        for (aggregate, _) in self.aggregates.iter_mut().zip(&named).filter(|(_, named)| !**named) {
            let mut count = 1;
            let base = aggregate.name.clone();
            while !taken.insert(aggregate.name.clone()) {
                count += 1;
                aggregate.name = format!("{base} #{count}");
            }
        }
    }

    fn name_outputs(&mut self, path: &str, output: &Output, named: &mut [bool]) {
        match output {
            Output::Scalar(id) => {
                if let ClearOp::Aggregate(index) = self.clears.get(*id)
                    && let (Some(aggregate), Some(named)) =
                        (self.aggregates.get_mut(*index), named.get_mut(*index))
                    && !*named
                {
                    path.clone_into(&mut aggregate.name);
                    *named = true;
                }
            }
            Output::List(items) => {
                for (index, item) in items.iter().enumerate() {
                    self.name_outputs(&format!("{path}[{}]", index + 1), item, named);
                }
            }
            Output::Record(fields) => {
                for (field, value) in fields {
                    self.name_outputs(&format!("{path}.{field}"), value, named);
                }
            }
        }
    }
}
