//! What an expression may be while a query is compiled.

use std::rc::Rc;

use super::table::Table;
use crate::clear::ClearId;
use crate::number::{Decimal, format_date};
use crate::rows::{ColumnId, RowId};
use crate::source::Span;

/// The kind of a row value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Bool,
    Number,
    Levels(Rc<Vec<String>>),
    Date,
}

/// A value per row, encrypted when the query runs.
#[derive(Clone, Debug)]
pub(super) struct RowValue {
    pub(super) id: RowId,
    pub(super) kind: Kind,
    pub(super) unit: Option<Rc<str>>,
    /// Columns without which it is missing.
    pub(super) missing: Rc<[ColumnId]>,
    /// The column it is, if it is one as it stands.
    pub(super) column: Option<ColumnId>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ClearKind {
    Number,
    Bool,
    Text,
}

#[derive(Clone, Debug)]
pub(super) enum Value {
    Number(Decimal),
    /// A constant that is not an exact decimal.
    Real(f64),
    Bool(bool),
    Text(Rc<str>),
    Date(i64),
    /// A level of a domain, by code.
    Level(Rc<Vec<String>>, i64),
    /// `lo..hi step s` of constant numbers or days.
    Range {
        lo: Decimal,
        hi: Decimal,
        step: Decimal,
        dates: bool,
    },
    List(Rc<[Value]>),
    Record(Rc<[(String, Value)]>),
    Row(RowValue),
    /// A number per row that is no exact decimal, such as a quotient, by the values it is computed from.
    Table(Rc<Table>),
    Clear(ClearId, ClearKind),
    /// A mistake was reported; anything computed from it is silent.
    Poison,
}

impl Value {
    pub(super) fn is_poison(&self) -> bool {
        matches!(self, Self::Poison)
    }

    /// What to call it in a message.
    pub(super) fn describe(&self) -> &'static str {
        match self {
            Self::Number(_) | Self::Real(_) => "a number",
            Self::Bool(_) => "true or false",
            Self::Text(_) => "a text",
            Self::Date(_) => "a date",
            Self::Level(..) => "a level",
            Self::Range { .. } => "a range",
            Self::List(_) => "a list",
            Self::Record(_) => "a record",
            Self::Row(row) => match row.kind {
                Kind::Bool => "a condition per patient",
                Kind::Number => "a number per patient",
                Kind::Levels(_) => "a level per patient",
                Kind::Date => "a date per patient",
            },
            Self::Table(_) => "a real number per patient",
            Self::Clear(_, ClearKind::Number) => "a number computed after decryption",
            Self::Clear(_, ClearKind::Bool) => "a condition on decrypted numbers",
            Self::Clear(_, ClearKind::Text) => "a text",
            Self::Poison => "a mistake",
        }
    }

    /// A constant in the words of the language.
    pub(super) fn words(&self) -> String {
        match self {
            Self::Number(number) => number.to_string(),
            Self::Real(value) => value.to_string(),
            Self::Bool(value) => value.to_string(),
            Self::Text(text) => text.to_string(),
            Self::Date(days) => format_date(*days),
            Self::Level(levels, code) => {
                usize::try_from(*code).ok().and_then(|code| levels.get(code).cloned()).unwrap_or_default()
            }
            Self::Range { lo, hi, .. } => format!("{lo}..{hi}"),
            Self::List(_)
            | Self::Record(_)
            | Self::Row(_)
            | Self::Table(_)
            | Self::Clear(..)
            | Self::Poison => String::new(),
        }
    }

    /// A constant number; `true` and `false` count as 1 and 0.
    pub(super) fn number(&self) -> Option<Decimal> {
        match self {
            Self::Number(number) => Some(*number),
            Self::Bool(value) => Some(Decimal::integer(i128::from(*value))),
            Self::Real(_)
            | Self::Text(_)
            | Self::Date(_)
            | Self::Level(..)
            | Self::Range { .. }
            | Self::List(_)
            | Self::Record(_)
            | Self::Row(_)
            | Self::Table(_)
            | Self::Clear(..)
            | Self::Poison => None,
        }
    }

    /// As [`Self::number`], as a double, for inexact constants too.
    pub(super) fn real(&self) -> Option<f64> {
        if let Self::Real(value) = self { Some(*value) } else { self.number().map(Decimal::to_f64) }
    }
}

/// A value with the place of its expression.
#[derive(Clone, Debug)]
pub(super) struct At {
    pub(super) value: Value,
    pub(super) span: Span,
}

/// The unit in a column's description: what stands before the first comma, if it is made of unit symbols.
pub(crate) fn unit(description: &str) -> Option<Rc<str>> {
    const SYMBOLS: &[&str] = &[
        "%", "mmHg", "kPa", "mmol", "umol", "µmol", "nmol", "pmol", "mol", "kg", "g", "mg", "ug", "µg", "ng",
        "pg", "L", "l", "dL", "dl", "mL", "ml", "uL", "µL", "fL", "m", "cm", "mm", "km", "in", "ft", "lb",
        "oz", "year", "years", "month", "months", "week", "weeks", "day", "days", "hour", "hours", "h",
        "min", "minute", "minutes", "s", "sec", "second", "seconds", "ms", "bpm", "beats", "breaths", "°C",
        "°F", "C", "F", "USD", "EUR", "IU", "U", "mEq", "mOsm", "kcal", "kJ", "cells", "person", "persons",
    ];
    let head = description.split(',').next().unwrap_or("").trim();
    let symbols = head.split(['/', '*', '·', ' ']);
    let known = |symbol: &str| {
        let bare = symbol.trim_start_matches(|c: char| c == '^' || c.is_ascii_digit());
        let bare = bare.trim_end_matches(|c: char| c.is_ascii_digit() || matches!(c, '^' | '²' | '³'));
        bare.is_empty() || SYMBOLS.contains(&bare)
    };
    let has_symbol = head.chars().any(|c| c.is_alphabetic() || c == '%' || c == '°');
    (has_symbol && symbols.into_iter().all(known)).then(|| head.into())
}
