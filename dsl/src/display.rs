//! A checked query in readable form, for golden files and `explain`.
#![expect(
    clippy::wildcard_enum_match_arm,
    reason = "a notation is chosen for the few operations that have one"
)]

use std::fmt;

use crate::clear::{Binary, ClearId, ClearOp, Output, Unary};
use crate::domain::quote_level;
use crate::number::{Decimal, with_commas};
use crate::rows::{ColumnId, RowId, RowOp};
use crate::typed::{AggregateKind, Query, SortColumn};

/// Deepest nesting that is written out.
const MAX_DEPTH: usize = 40;

impl fmt::Display for Query {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "query {}", self.name)?;
        if !self.purpose.is_empty() {
            write!(f, " \"{}\"", self.purpose)?;
        }
        writeln!(f, "\nfrom {} (at most {} rows)", self.dataset.name, with_commas(self.dataset.rows.into()))?;
        for (name, value) in &self.params {
            writeln!(f, "param {name} = {value}")?;
        }
        for secret in &self.secrets {
            writeln!(f, "secret param {}: {}", secret.name, secret.domain)?;
        }
        writeln!(f, "filter {}", self.row_text(self.filter))?;
        for key in &self.by {
            writeln!(f, "by {}: {} = {}", key.name, key.labels, self.row_text(key.value))?;
        }
        writeln!(f, "aggregates")?;
        for aggregate in &self.aggregates {
            let function = match aggregate.kind {
                AggregateKind::Count => "count",
                AggregateKind::Sum => "sum",
            };
            let (lo, hi) = self.rows.get(aggregate.value).range;
            let value = self.row_text(aggregate.value);
            match aggregate.kind {
                AggregateKind::Count => writeln!(f, "  {} = {function}({value})", aggregate.name)?,
                AggregateKind::Sum => {
                    let bound = |value: i64| Decimal { value: value.into(), decimals: aggregate.decimals };
                    writeln!(
                        f,
                        "  {} = {function}({value})  # each {}..{}",
                        aggregate.name,
                        bound(lo),
                        bound(hi)
                    )?;
                }
            }
        }
        writeln!(f, "report")?;
        for column in &self.report {
            writeln!(f, "  {} = {}", column.name, self.output_text(&column.value))?;
        }
        for key in &self.sort {
            let name = match key.column {
                SortColumn::Key(index) => self.by.get(index).map(|key| key.name.as_str()),
                SortColumn::Report(index) => self.report.get(index).map(|column| column.name.as_str()),
            };
            writeln!(f, "sort {}{}", name.unwrap_or(""), if key.descending { " desc" } else { "" })?;
        }
        if let Some(take) = self.take {
            writeln!(f, "take {take}")?;
        }
        Ok(())
    }
}

impl Query {
    /// A row expression in the notation of the language.
    #[must_use]
    pub fn row_text(&self, id: RowId) -> String {
        self.row(id, 0, 0)
    }

    /// A clear expression in the notation of the language, over the names of aggregates.
    #[must_use]
    pub fn clear_text(&self, id: ClearId) -> String {
        self.clear(id, 0, 0)
    }

    /// `strength` is that of the operator around: 1 or, 2 and, 3 not, 4 comparison, 5 sum, 6 product.
    fn row(&self, id: RowId, strength: u8, depth: usize) -> String {
        if depth > MAX_DEPTH {
            return "…".to_owned();
        }
        let node = self.rows.get(id);
        let sub = |id: RowId, strength: u8| self.row(id, strength, depth + 1);
        let (own, text) = match &node.op {
            RowOp::Column(column) => (9, self.column_name(column.index())),
            RowOp::Known(column) => (9, format!("known({})", self.column_name(column.index()))),
            RowOp::Const(value) => {
                (9, Decimal { value: (*value).into(), decimals: node.decimals }.to_string())
            }
            RowOp::Add(left, right) => {
                (5, format!("{} + {}", self.chain(id, *left, 5, depth), sub(*right, 6)))
            }
            RowOp::Sub(left, right) => (5, format!("{} - {}", sub(*left, 5), sub(*right, 6))),
            RowOp::Mul(left, right) => (6, format!("{} * {}", sub(*left, 6), sub(*right, 7))),
            RowOp::Member { arg, set } => (4, format!("{} in {}", sub(*arg, 5), self.set_text(*arg, set))),
            RowOp::Less { left, right } => (4, format!("{} < {}", sub(*left, 5), sub(*right, 5))),
            RowOp::Equal { left, right } => (4, format!("{} == {}", sub(*left, 5), sub(*right, 5))),
            RowOp::Not(arg) => (3, format!("not {}", sub(*arg, 4))),
            RowOp::And(left, right) => {
                (2, format!("{} and {}", self.chain(id, *left, 2, depth), sub(*right, 3)))
            }
            RowOp::Or(left, right) => {
                (1, format!("{} or {}", self.chain(id, *left, 1, depth), sub(*right, 2)))
            }
            RowOp::Case { arms, otherwise } => {
                let arms: Vec<String> = arms
                    .iter()
                    .map(|&(condition, value)| format!("{} -> {}", sub(condition, 0), sub(value, 0)))
                    .collect();
                (9, format!("case {{ {} else -> {} }}", arms.join(" "), sub(*otherwise, 0)))
            }
        };
        if own < strength { format!("({text})") } else { text }
    }

    /// The left side of a chain of one operator, without deeper recursion for its length.
    fn chain(&self, id: RowId, left: RowId, strength: u8, depth: usize) -> String {
        let symbol = match &self.rows.get(id).op {
            RowOp::And(..) => " and ",
            RowOp::Or(..) => " or ",
            _ => " + ",
        };
        let same = |id: RowId| match (&self.rows.get(id).op, symbol) {
            (RowOp::And(left, right), " and ")
            | (RowOp::Or(left, right), " or ")
            | (RowOp::Add(left, right), " + ") => Some((*left, *right)),
            _ => None,
        };
        let mut parts = Vec::new();
        let mut head = left;
        while let Some((next, right)) = same(head) {
            parts.push(self.row(right, strength + 1, depth + 1));
            head = next;
        }
        parts.push(self.row(head, strength, depth + 1));
        parts.reverse();
        parts.join(symbol)
    }

    fn column_name(&self, index: usize) -> String {
        self.column(ColumnId::from_index(index)).map(|column| column.name.clone()).unwrap_or_default()
    }

    fn set_text(&self, arg: RowId, set: &[(i64, i64)]) -> String {
        let node = self.rows.get(arg);
        let label = |code: i64| match &node.op {
            RowOp::Column(column) => match self.column(*column) {
                Some(column) => quote_level(&column.domain.label(code)).replace('"', ""),
                None => code.to_string(),
            },
            _ => Decimal { value: code.into(), decimals: node.decimals }.to_string(),
        };
        let parts: Vec<String> = set
            .iter()
            .map(|&(lo, hi)| if lo == hi { label(lo) } else { format!("{}..{}", label(lo), label(hi)) })
            .collect();
        match parts.as_slice() {
            [one] if one.contains("..") => one.clone(),
            _ => format!("[{}]", parts.join(", ")),
        }
    }

    fn output_text(&self, output: &Output) -> String {
        match output {
            Output::Scalar(id) => self.clear_text(*id),
            Output::List(items) => {
                let items: Vec<String> = items.iter().map(|item| self.output_text(item)).collect();
                format!("[{}]", items.join(", "))
            }
            Output::Record(fields) => {
                let fields: Vec<String> = fields
                    .iter()
                    .map(|(name, value)| format!("{name}: {}", self.output_text(value)))
                    .collect();
                format!("{{{}}}", fields.join(", "))
            }
        }
    }

    fn clear(&self, id: ClearId, strength: u8, depth: usize) -> String {
        if depth > 12 {
            return "…".to_owned();
        }
        let sub = |id: ClearId, strength: u8| self.clear(id, strength, depth + 1);
        let (own, text) = match self.clears.get(id) {
            ClearOp::Aggregate(index) => {
                let name =
                    self.aggregates.get(*index).map(|aggregate| aggregate.name.clone()).unwrap_or_default();
                let plain = name.chars().all(|c| c.is_alphanumeric() || "_.[]".contains(c));
                (9, if plain { name } else { format!("`{name}`") })
            }
            ClearOp::Key(index) => (9, self.by.get(*index).map(|key| key.name.clone()).unwrap_or_default()),
            ClearOp::Cell(index) | ClearOp::Present(index) => {
                (9, self.dataset.columns.get(*index).map(|column| column.name.clone()).unwrap_or_default())
            }
            ClearOp::Number(number) => (9, number.to_string()),
            ClearOp::Real(bits) => (9, f64::from_bits(*bits).to_string()),
            ClearOp::Bool(value) => (9, value.to_string()),
            ClearOp::Text(text) => (9, format!("\"{text}\"")),
            ClearOp::Unary(function, arg) => match function {
                Unary::Negate => (6, format!("-{}", sub(*arg, 7))),
                Unary::Not => (3, format!("not {}", sub(*arg, 4))),
                Unary::Abs => (9, format!("abs({})", sub(*arg, 0))),
                Unary::Sqrt => (9, format!("sqrt({})", sub(*arg, 0))),
                Unary::Log => (9, format!("log({})", sub(*arg, 0))),
                Unary::Log10 => (9, format!("log10({})", sub(*arg, 0))),
                Unary::Exp => (9, format!("exp({})", sub(*arg, 0))),
                Unary::Floor => (9, format!("floor({})", sub(*arg, 0))),
            },
            ClearOp::Binary(function, left, right) => {
                let (own, symbol) = match function {
                    Binary::Min => return format!("min({}, {})", sub(*left, 0), sub(*right, 0)),
                    Binary::Max => return format!("max({}, {})", sub(*left, 0), sub(*right, 0)),
                    Binary::Round => return format!("round({}, {})", sub(*left, 0), sub(*right, 0)),
                    Binary::Add => (5, "+"),
                    Binary::Sub => (5, "-"),
                    Binary::Mul => (6, "*"),
                    Binary::Div => (6, "/"),
                    Binary::Rem => (6, "%"),
                    Binary::Pow => (7, "^"),
                    Binary::Equal => (4, "=="),
                    Binary::Less => (4, "<"),
                    Binary::LessEqual => (4, "<="),
                    Binary::And => (2, "and"),
                    Binary::Or => (1, "or"),
                };
                (own, format!("{} {symbol} {}", sub(*left, own), sub(*right, own + 1)))
            }
            ClearOp::Distribution(function, arguments) => {
                let arguments: Vec<String> = arguments.iter().map(|&argument| sub(argument, 0)).collect();
                (9, format!("{}({})", function.name(), arguments.join(", ")))
            }
            ClearOp::Function(table, arguments) => {
                let arguments: Vec<String> = arguments.iter().map(|&argument| sub(argument, 0)).collect();
                (9, format!("{}({})", table.function().name, arguments.join(", ")))
            }
            ClearOp::Solve { matrix, right, unknown } => {
                let list = |ids: &[ClearId]| ids.iter().map(|&id| sub(id, 0)).collect::<Vec<_>>().join(", ");
                let rows: Vec<String> =
                    matrix.chunks(right.len().max(1)).map(|row| format!("[{}]", list(row))).collect();
                (9, format!("solve([{}], [{}])[{}]", rows.join(", "), list(right), unknown + 1))
            }
            ClearOp::Case { arms, otherwise } => {
                let arms: Vec<String> = arms
                    .iter()
                    .map(|&(condition, value)| format!("{} -> {}", sub(condition, 0), sub(value, 0)))
                    .collect();
                (9, format!("case {{ {} else -> {} }}", arms.join(" "), sub(*otherwise, 0)))
            }
        };
        if own < strength { format!("({text})") } else { text }
    }
}
