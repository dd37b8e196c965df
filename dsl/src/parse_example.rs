//! From text to syntax tree: examples.
#![expect(
    clippy::wildcard_enum_match_arm,
    reason = "pest names every token; those without meaning are passed over"
)]

use pest::iterators::Pair;

use crate::ast::{Cell, ColumnDecl, DataColumn, ExampleDecl, ExamplePart};
use crate::lexis::scan;
use crate::parse::{Builder, IntoInnerFirst, Rule, unquote};
use crate::source::Span;

impl Builder<'_> {
    pub(crate) fn example(&mut self, pair: Pair<'_, Rule>) -> Option<ExampleDecl> {
        let mut span = self.span(&pair);
        // What stands behind the last part, comments too, belongs to what follows.
        let tokens = scan(pair.as_str());
        let length = tokens.last().map_or(0, |token| token.end());
        span.end = Span::new(self.file, 0, span.start_index() + length).end;
        let (mut name, mut purpose, mut parts) = (None, String::new(), Vec::new());
        for part in pair.into_inner() {
            let here = self.span(&part);
            match part.as_rule() {
                Rule::path => name = Some(self.ident(&part)),
                Rule::text => unquote(part.as_str()).clone_into(&mut purpose),
                Rule::data_block => {
                    let columns = part.into_inner().filter_map(|column| self.data_column(column)).collect();
                    parts.push(ExamplePart::Data(columns, here));
                }
                Rule::expect_clause => {
                    let value = part.into_inner().find(|piece| piece.as_rule() == Rule::expr)?;
                    let value = self.expression(value);
                    let here = Span { end: value.span.end, ..here };
                    parts.push(ExamplePart::Expect(value, here));
                }
                Rule::where_clause | Rule::derive_clause => {
                    parts.extend(self.clause(part).map(ExamplePart::Clause));
                }
                _ => {}
            }
        }
        Some(ExampleDecl { name: name?, purpose, parts, span })
    }

    fn data_column(&mut self, pair: Pair<'_, Rule>) -> Option<DataColumn> {
        if pair.as_rule() != Rule::data_column {
            return None;
        }
        let span = self.span(&pair);
        let (mut name, mut domain, mut optional) = (None, None, false);
        let (mut description, mut cells, mut list) = (String::new(), Vec::new(), span);
        for part in pair.into_inner() {
            match part.as_rule() {
                Rule::name => name = Some(self.ident(&part)),
                Rule::domain => domain = self.domain(part),
                Rule::optional => optional = true,
                Rule::text => unquote(part.as_str()).clone_into(&mut description),
                Rule::cells => {
                    list = self.span(&part);
                    let list = part.into_inner().filter(|piece| piece.as_rule() == Rule::cell);
                    cells = list.filter_map(|cell| self.cell(cell)).collect();
                }
                _ => {}
            }
        }
        let column = ColumnDecl { name: name?, domain: domain?, optional, description, prepared: None };
        Some(DataColumn { column, cells, span: list })
    }

    fn cell(&self, pair: Pair<'_, Rule>) -> Option<Cell> {
        let span = self.span(&pair);
        let written = pair.as_str().trim_end();
        let text = match pair.into_inner_first()?.as_rule() {
            Rule::text => Some(unquote(written).to_owned()),
            Rule::number | Rule::minus => {
                Some(written.chars().filter(|c| !c.is_whitespace() && *c != '_').collect())
            }
            _ if written == "missing" => None,
            _ => Some(written.to_owned()),
        };
        Some(Cell { text, span })
    }
}
