//! What an expression of a query is, in words for an editor: its stage, and its values where they are known.

use std::collections::HashMap;

use super::Evaluator;
use super::value::{ClearKind, RowValue, Value};
use crate::clear::ClearOp;
use crate::domain::Domain;
use crate::insight::Stage;
use crate::number::{Decimal, with_commas};
use crate::source::Span;
use crate::typed::AggregateKind;

/// What is known of an expression.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Fact {
    pub(crate) stage: Stage,
    /// Its values, in a few words.
    pub(crate) about: String,
}

/// Facts by the place of the expression.
pub(crate) type Facts = HashMap<Span, Fact>;

/// Longest text of a domain.
const MAX_DOMAIN_CHARS: usize = 160;

impl Evaluator<'_> {
    /// Notes what an expression of the query's own text is. What is unrolled is noted once.
    pub(super) fn note(&mut self, span: Span, value: &Value) {
        let wanted =
            self.calls.is_empty() && self.noted.as_ref().is_some_and(|noted| !noted.contains_key(&span));
        let fact = if wanted { self.fact(value) } else { None };
        if let (Some(noted), Some(fact)) = (&mut self.noted, fact) {
            noted.insert(span, fact);
        }
    }

    fn fact(&self, value: &Value) -> Option<Fact> {
        let fact = |stage, about: String| Some(Fact { stage, about });
        match value {
            Value::Row(row) => fact(Stage::Row, self.about_row(row)),
            Value::Table(_) => fact(Stage::Row, "real number, to be compared, cut or rounded".to_owned()),
            Value::Clear(id, kind) => {
                let op = self.clears.get(*id);
                if let ClearOp::Aggregate(index) = op {
                    return fact(Stage::Total, self.about_total(*index));
                }
                let words = match (kind, op) {
                    (_, ClearOp::Key(_)) => "the group's value",
                    (ClearKind::Number, _) => "number",
                    (ClearKind::Bool, _) => "truth value",
                    (ClearKind::Text, _) => "text",
                };
                fact(Stage::Clear, words.to_owned())
            }
            Value::List(items) => {
                let first = items.first().and_then(|item| self.fact(item));
                let stages = items.iter().filter_map(|item| self.fact(item)).map(|item| item.stage);
                let each = first.map_or_else(String::new, |first| format!(", the first: {}", first.about));
                fact(stages.max().unwrap_or(Stage::Public), format!("list of {}{each}", items.len()))
            }
            Value::Record(fields) => {
                let stages = fields.iter().filter_map(|(_, field)| self.fact(field)).map(|field| field.stage);
                let names: Vec<&str> = fields.iter().map(|(name, _)| name.as_str()).collect();
                fact(stages.max().unwrap_or(Stage::Public), format!("record of {}", names.join(", ")))
            }
            Value::Poison => None,
            Value::Number(_)
            | Value::Real(_)
            | Value::Bool(_)
            | Value::Text(_)
            | Value::Date(_)
            | Value::Level(..)
            | Value::Range { .. } => fact(Stage::Public, format!("`{}`", value.words())),
        }
    }

    fn about_row(&self, row: &RowValue) -> String {
        let mut about = format!("`{}`", short_domain(&self.domain_of(row)));
        if let Some(unit) = &row.unit {
            about.push(' ');
            about.push_str(unit);
        }
        if row.missing.iter().any(|column| !self.known.contains(column)) {
            about.push_str(", may be missing");
        }
        about
    }

    fn about_total(&self, index: usize) -> String {
        let Some(aggregate) = self.aggregates.get(index) else { return String::new() };
        let rows = i128::from(self.dataset.rows);
        match aggregate.kind {
            AggregateKind::Count => {
                format!("`0..{}`, a count of rows", with_commas(self.dataset.rows.into()))
            }
            AggregateKind::Sum => {
                let (lo, hi) = self.rows.get(aggregate.value).range;
                let bound = |end: i64| {
                    let value = i128::from(end).saturating_mul(rows);
                    Decimal { value, decimals: aggregate.decimals }
                };
                format!("`{}..{}`, a sum over rows", bound(lo.min(0)), bound(hi.max(0)))
            }
        }
    }
}

/// A domain, cut where it has many levels.
pub(crate) fn short_domain(domain: &Domain) -> String {
    let text = domain.to_string();
    if text.chars().count() <= MAX_DOMAIN_CHARS {
        return text;
    }
    let head: String = text.chars().take(MAX_DOMAIN_CHARS).collect();
    format!("{head}…}} ({} levels)", domain.size())
}
