//! What a name means: a local, a derived value, a column, a parameter, a level; and what was meant by one
//! that means nothing.

use std::rc::Rc;

use super::value::{Kind, RowValue, Value};
use super::{BUILTINS, Evaluator};
use crate::ast::{Expr, ExprKind, Ident};
use crate::diagnostic::{Code, Diagnostic};
use crate::domain::{Domain, quote_level};
use crate::rows::{ColumnId, RowOp};
use crate::source::Span;
use crate::suggest::nearest;
use crate::typed::Column;

impl<'a> Evaluator<'a> {
    /// `a` or `a.b.c`.
    pub(super) fn name(&mut self, path: &'a [Ident], span: Span) -> Value {
        let Some((first, rest)) = path.split_first() else { return Value::Poison };
        let (mut value, rest) = match (self.lookup(&first.text, first.span), rest) {
            (Some(value), rest) => (value, rest),
            // `nhanes.age` is the column `age`.
            (None, [column, rest @ ..]) if first.text == self.dataset.name && self.calls.is_empty() => {
                match self.column(&column.text, column.span) {
                    Some(value) => (value, rest),
                    None => return self.unknown_name(&column.text, column.span),
                }
            }
            (None, _) => return self.unknown_name(&first.text, first.span),
        };
        for field in rest {
            value = self.field(value, span, field);
        }
        value
    }

    /// The value of a name in scope. In a function only its own names are in scope.
    pub(super) fn lookup(&mut self, name: &str, span: Span) -> Option<Value> {
        if let Some(value) = self.local(name) {
            return Some(value);
        }
        if !self.calls.is_empty() {
            return None;
        }
        if let Some(value) = self.names.get(name) {
            return Some(value.clone());
        }
        self.column(name, span).or_else(|| self.param(name, span))
    }

    pub(super) fn local(&self, name: &str) -> Option<Value> {
        self.locals.iter().rev().find(|(local, _)| local == name).map(|(_, value)| value.clone())
    }

    fn column(&mut self, name: &str, span: Span) -> Option<Value> {
        let index = self.dataset.columns.iter().position(|column| column.name == name)?;
        let column = self.dataset.columns.get(index)?;
        let (domain, optional) = (column.domain.clone(), column.optional);
        if self.preparing {
            return Some(self.cell(index, span));
        }
        let id = ColumnId::from_index(index);
        let kind = match &domain {
            Domain::Bool => Kind::Bool,
            Domain::Int { .. } | Domain::Fixed { .. } => Kind::Number,
            Domain::Levels(levels) => Kind::Levels(Rc::new(levels.clone())),
            Domain::Date { .. } => Kind::Date,
        };
        let row = self.push(RowOp::Column(id), domain.range(), domain.decimals(), span);
        let missing: Rc<[ColumnId]> = if optional { Rc::from([id]) } else { Rc::default() };
        let unit = self.units.get(index).cloned().flatten();
        Some(Value::Row(RowValue { id: row, kind, unit, missing, column: Some(id) }))
    }

    fn param(&mut self, name: &str, span: Span) -> Option<Value> {
        let param = self.program.params.iter().find(|param| param.name == name)?;
        if param.secret {
            // In a query it stands among the columns.
            return Some(self.unsupported(
                span,
                format!("`{name}` is a secret parameter, which a prepared column cannot read."),
                "Use it in a query.",
            ));
        }
        let Some(code) = param.value else { return Some(Value::Poison) };
        Some(Self::domain_value(&param.domain, None, code))
    }

    pub(super) fn unsupported(&mut self, span: Span, message: String, help: &str) -> Value {
        self.fail(Code::Unsupported, span, message, help)
    }

    /// HQ010, or a more fitting message for words that come from elsewhere.
    fn unknown_name(&mut self, name: &str, span: Span) -> Value {
        if self.program.is_damaged(name, span) {
            return Value::Poison;
        }
        let in_function = !self.calls.is_empty();
        if let Some(help) = foreign(name) {
            let message = format!("`{name}` means nothing in hq.");
            return self.fail(Code::UnknownName, span, message, help);
        }
        let message = match (in_function, &self.place) {
            (true, _) => format!("The function knows no `{name}`."),
            (false, _) => format!("`{}` has no column `{name}`.", self.dataset.name),
        };
        let locals = self.locals.iter().map(|(local, _)| local.as_str());
        let near = if in_function {
            nearest(name, locals).map(str::to_owned)
        } else {
            let columns = self.dataset.columns.iter().map(|column| column.name.as_str());
            let derived = self.names.keys().map(String::as_str);
            let params = self.program.params.iter().map(|param| param.name.as_str());
            nearest(name, columns.chain(locals).chain(derived).chain(params)).map(str::to_owned)
        };
        let level_of = self.dataset.columns.iter().find(|column| {
            matches!(&column.domain, Domain::Levels(levels) if levels.iter().any(|level| level == name))
        });
        let help = match (near, level_of) {
            _ if self.program.modules.contains(name) => {
                format!("`{name}` is a module; its functions are written `{name}.…(x)`.")
            }
            _ if BUILTINS.contains(&name) || self.program.functions.contains_key(name) => {
                format!("`{name}` is a function: write `{name}(…)`.")
            }
            _ if self.glued(name).is_some() => {
                format!("Did you mean `{}`?", self.glued(name).unwrap_or_default())
            }
            (_, Some(column)) => format!(
                "`{name}` is a level of `{0}`: compare with it, as in `{0} == {1}`.",
                column.name,
                quote_level(name)
            ),
            (Some(near), None) => {
                let column = self.dataset.columns.iter().find(|column| column.name == near);
                let about = column.map_or_else(String::new, |column| format!(" ({})", about(column)));
                format!("Did you mean `{near}`{about}?")
            }
            (None, None) if in_function => {
                "A function sees its arguments and its own names only; pass the column as an argument."
                    .to_owned()
            }
            (None, None) => {
                let names: Vec<&str> = self
                    .dataset
                    .columns
                    .iter()
                    .take(self.table_columns.min(12))
                    .map(|column| column.name.as_str())
                    .collect();
                let more = if self.table_columns > 12 { ", …" } else { "" };
                format!("Its columns are {}{more}.", names.join(", "))
            }
        };
        self.fail(Code::UnknownName, span, message, help)
    }

    /// `countevent` as `count(event)`: a function and a name that lost the bracket between them.
    pub(super) fn glued(&self, name: &str) -> Option<String> {
        let functions = BUILTINS.iter().copied().chain(self.program.functions.keys().map(String::as_str));
        let known = |rest: &str| {
            self.local(rest).is_some()
                || self.names.contains_key(rest)
                || self.dataset.columns.iter().any(|column| column.name == rest)
        };
        functions
            .filter_map(|function| Some((function, name.strip_prefix(function)?)))
            .find(|(_, rest)| known(rest))
            .map(|(function, rest)| format!("{function}({rest})"))
    }

    /// The word of an expression that may be a level: a bare word that is no local name, or a text.
    pub(super) fn level_word(&self, expr: &Expr) -> Option<String> {
        match &expr.kind {
            ExprKind::Name(path) => match path.as_slice() {
                [word] if self.local(&word.text).is_none() => Some(word.text.clone()),
                _ => None,
            },
            ExprKind::Text(text) => Some(text.clone()),
            _ => None,
        }
    }

    /// The code of a level, or HQ011. `owner` is the expression whose domain it is.
    pub(super) fn level(
        &mut self,
        levels: &Rc<Vec<String>>,
        word: &str,
        span: Span,
        owner: Span,
    ) -> Option<i64> {
        if let Some(index) = levels.iter().position(|level| level == word) {
            return i64::try_from(index).ok();
        }
        let owner = self.text(owner);
        let mut shown: Vec<&str> = levels.iter().take(12).map(String::as_str).collect();
        if levels.len() > 12 {
            shown.push("…");
        }
        let message = format!("`{owner}` is one of {}; `{word}` is not.", shown.join(", "));
        let help = match nearest(word, levels.iter().map(String::as_str)) {
            Some(near) => format!("Did you mean `{}`?", quote_level(near)),
            None => "Write one of its levels.".to_owned(),
        };
        self.emit(Diagnostic::error(Code::UnknownLevel, span, message, help));
        None
    }
}

/// `40..260 mmHg`
pub(super) fn about(column: &Column) -> String {
    let domain = match &column.domain {
        Domain::Levels(levels) if levels.len() > 12 => format!("{} levels", levels.len()),
        domain => domain.to_string(),
    };
    if column.description.is_empty() {
        return domain;
    }
    match super::value::unit(&column.description) {
        Some(unit) => format!("{domain} {unit}"),
        None => format!("{domain}, {}", column.description),
    }
}

fn foreign(name: &str) -> Option<&'static str> {
    Some(match name.to_ascii_lowercase().as_str() {
        "null" | "na" | "nan" | "none" | "nil" => "Write `known(x)` or `not known(x)`, or `x ?? value`.",
        "select" => "In hq the results are listed under `report`.",
        "distinct" => "In hq count rows of a table with one row per person.",
        "t" | "yes" => "Write `true`.",
        "f" => "Write `false`.",
        _ => return None,
    })
}
