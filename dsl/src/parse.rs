//! From text to syntax tree: declarations and clauses. Expressions are in `parse_expression`.
#![expect(
    clippy::wildcard_enum_match_arm,
    reason = "pest names every token; those without meaning are passed over"
)]

use pest::Parser;
use pest::iterators::{Pair, Pairs};

use crate::ast::{
    Binding, Bound, Clause, ClauseKind, ColumnDecl, DatasetDecl, DatasetItem, DomainExpr, DomainKind, Expr,
    ExprKind, External, File, Function, Ident, ParamDecl, Parameter, QueryDecl, ReleaseRule, SortItem,
};
use crate::diagnostic::{Code, Diagnostic};
use crate::number::Decimal;
use crate::source::{FileId, Span};

#[derive(pest_derive::Parser)]
#[grammar = "hq.pest"]
struct Grammar;

/// Parses a whole text, or says at which byte it stops making sense.
pub(crate) fn parse(file: FileId, text: &str) -> Result<(File, Vec<Diagnostic>), usize> {
    match Grammar::parse(Rule::file, text) {
        Ok(pairs) => {
            let mut builder = Builder { file, text, diagnostics: Vec::new() };
            let tree = builder.file(pairs);
            Ok((tree, builder.diagnostics))
        }
        Err(error) => Err(match error.location {
            pest::error::InputLocation::Pos(at) | pest::error::InputLocation::Span((at, _)) => at,
        }),
    }
}

/// What the grammar makes of a text, for those who need every token of it.
pub(crate) fn pairs(text: &str) -> Option<Pairs<'_, Rule>> {
    Grammar::parse(Rule::file, text).ok()
}

pub(crate) struct Builder<'a> {
    pub(crate) file: FileId,
    pub(crate) text: &'a str,
    pub(crate) diagnostics: Vec<Diagnostic>,
}

impl Builder<'_> {
    pub(crate) fn span(&self, pair: &Pair<'_, Rule>) -> Span {
        let span = pair.as_span();
        let length = pair.as_str().trim_end().len();
        Span::new(self.file, span.start(), span.start() + length)
    }

    pub(crate) fn ident(&self, pair: &Pair<'_, Rule>) -> Ident {
        Ident { text: pair.as_str().to_owned(), span: self.span(pair) }
    }

    pub(crate) fn number(&mut self, pair: &Pair<'_, Rule>) -> Decimal {
        Decimal::parse(pair.as_str()).unwrap_or_else(|| {
            self.diagnostics.push(Diagnostic::error(
                Code::Syntax,
                self.span(pair),
                format!("`{}` has too many digits.", pair.as_str()),
                "Numbers have at most 18 digits after the point and 38 in all.",
            ));
            Decimal::integer(0)
        })
    }

    fn file(&mut self, pairs: Pairs<'_, Rule>) -> File {
        let mut tree = File::default();
        for pair in pairs.flat_map(Pair::into_inner) {
            match pair.as_rule() {
                Rule::use_decl => tree.uses.extend(self.words(pair)),
                Rule::dataset_decl => tree.datasets.extend(self.dataset(pair)),
                Rule::param_decl => tree.params.extend(self.param(pair, false)),
                Rule::secret_decl => tree.params.extend(self.param(pair, true)),
                Rule::cohort_decl => tree.cohorts.extend(self.query(pair)),
                Rule::query_decl => tree.queries.extend(self.query(pair)),
                Rule::fn_decl => tree.functions.extend(self.function(pair)),
                Rule::example_decl => tree.examples.extend(self.example(pair)),
                Rule::extern_decl => tree.functions.extend(self.external(pair)),
                _ => {}
            }
        }
        tree
    }

    fn words(&self, pair: Pair<'_, Rule>) -> Vec<Ident> {
        pair.into_inner()
            .filter(|part| matches!(part.as_rule(), Rule::name | Rule::path))
            .map(|part| self.ident(&part))
            .collect()
    }

    fn param(&mut self, pair: Pair<'_, Rule>, secret: bool) -> Option<ParamDecl> {
        let (mut name, mut domain, mut default) = (None, None, None);
        for part in pair.into_inner() {
            match part.as_rule() {
                Rule::name => name = Some(self.ident(&part)),
                Rule::domain => domain = self.domain(part),
                Rule::bound => default = Some(self.bound(&part)),
                _ => {}
            }
        }
        Some(ParamDecl { name: name?, domain: domain?, default, secret })
    }

    fn bound(&self, pair: &Pair<'_, Rule>) -> Bound {
        let text = pair.as_str().trim_end();
        let plain = unquote(text).to_owned();
        let plain = if plain.starts_with('-') { plain.replace([' ', '\t', '\n', '\r'], "") } else { plain };
        Bound { text: plain, span: self.span(pair) }
    }

    pub(crate) fn domain(&mut self, pair: Pair<'_, Rule>) -> Option<DomainExpr> {
        let span = self.span(&pair);
        let part = pair.into_inner().next()?;
        let kind = match part.as_rule() {
            Rule::levels => DomainKind::Levels(
                part.into_inner()
                    .map(|level| Ident { text: unquote(level.as_str()).to_owned(), span: self.span(&level) })
                    .collect(),
            ),
            Rule::bounds => {
                let (mut bounds, mut step) = (Vec::new(), None);
                for piece in part.into_inner() {
                    match piece.as_rule() {
                        Rule::bound => bounds.push(self.bound(&piece)),
                        Rule::number => step = Some(self.number(&piece)),
                        _ => {}
                    }
                }
                let mut bounds = bounds.into_iter();
                DomainKind::Bounds { lo: bounds.next()?, hi: bounds.next()?, step }
            }
            _ => DomainKind::Bool,
        };
        Some(DomainExpr { kind, span })
    }

    fn dataset(&mut self, pair: Pair<'_, Rule>) -> Option<DatasetDecl> {
        let (mut name, mut title, mut items) = (None, String::new(), Vec::new());
        for part in pair.into_inner() {
            match part.as_rule() {
                Rule::name => name = Some(self.ident(&part)),
                Rule::text => unquote(part.as_str()).clone_into(&mut title),
                Rule::rows_item => items.extend(self.rows_item(part)),
                Rule::release_item => items.push(self.release_item(part)),
                Rule::column => {
                    items.extend(self.column(part).map(|column| DatasetItem::Column(Box::new(column))))
                }
                _ => {}
            }
        }
        Some(DatasetDecl { name: name?, title, items })
    }

    fn rows_item(&mut self, pair: Pair<'_, Rule>) -> Option<DatasetItem> {
        let span = self.span(&pair);
        let (mut limit, mut one_per) = (None, None);
        for part in pair.into_inner() {
            match part.as_rule() {
                Rule::number => limit = Some(self.number(&part)),
                Rule::name => one_per = Some(self.ident(&part)),
                _ => {}
            }
        }
        Some(DatasetItem::Rows { limit: limit?, one_per, span })
    }

    fn release_item(&mut self, pair: Pair<'_, Rule>) -> DatasetItem {
        let span = self.span(&pair);
        let mut rules = Vec::new();
        for rule in pair.into_inner().filter(|part| part.as_rule() == Rule::release_rule) {
            let mut parts = rule.into_inner();
            if let (Some(name), Some(number)) = (parts.next(), parts.next()) {
                let encrypted = parts.next().map(|word| self.span(&word));
                rules.push(ReleaseRule { name: self.ident(&name), number: self.number(&number), encrypted });
            }
        }
        DatasetItem::Release(rules, span)
    }

    pub(crate) fn column(&mut self, pair: Pair<'_, Rule>) -> Option<ColumnDecl> {
        let (mut name, mut domain, mut optional) = (None, None, false);
        let (mut description, mut prepared) = (String::new(), None);
        for part in pair.into_inner() {
            match part.as_rule() {
                Rule::name => name = Some(self.ident(&part)),
                Rule::domain => domain = self.domain(part),
                Rule::optional => optional = true,
                Rule::text => unquote(part.as_str()).clone_into(&mut description),
                Rule::expr => prepared = Some(self.expression(part)),
                _ => {}
            }
        }
        Some(ColumnDecl { name: name?, domain: domain?, optional, description, prepared })
    }

    fn function(&mut self, pair: Pair<'_, Rule>) -> Option<Function> {
        let span = self.span(&pair);
        let (mut name, mut parameters, mut bindings, mut value) = (None, Vec::new(), Vec::new(), None);
        for part in pair.into_inner() {
            match part.as_rule() {
                Rule::path => name = Some(self.ident(&part)),
                Rule::parameter => parameters.extend(self.parameter(part)),
                Rule::expr => value = Some(self.expression(part)),
                Rule::fn_block => {
                    for piece in part.into_inner() {
                        match piece.as_rule() {
                            Rule::binding => bindings.extend(self.binding(piece)),
                            Rule::expr => value = Some(self.expression(piece)),
                            _ => {}
                        }
                    }
                }
                _ => {}
            }
        }
        let value = value.unwrap_or(Expr { kind: ExprKind::Poison, span });
        Some(Function { name: name?, parameters, bindings, value, external: None, span })
    }

    fn external(&mut self, pair: Pair<'_, Rule>) -> Option<Function> {
        let span = self.span(&pair);
        let (mut name, mut parameters, mut result, mut plugin) = (None, Vec::new(), None, None);
        for part in pair.into_inner() {
            match part.as_rule() {
                Rule::path => name = Some(self.ident(&part)),
                Rule::parameter => parameters.extend(self.parameter(part)),
                Rule::domain => result = self.domain(part),
                Rule::text => {
                    let text = unquote(part.as_str()).to_owned();
                    plugin = Some(Ident { text, span: self.span(&part) });
                }
                _ => {}
            }
        }
        let external = Some(External { result: result?, plugin: plugin? });
        let value = Expr { kind: ExprKind::Poison, span };
        Some(Function { name: name?, parameters, bindings: Vec::new(), value, external, span })
    }

    fn parameter(&mut self, pair: Pair<'_, Rule>) -> Option<Parameter> {
        let (mut name, mut domain) = (None, None);
        for part in pair.into_inner() {
            match part.as_rule() {
                Rule::name => name = Some(self.ident(&part)),
                Rule::domain => domain = self.domain(part),
                _ => {}
            }
        }
        Some(Parameter { name: name?, domain })
    }

    pub(crate) fn binding(&mut self, pair: Pair<'_, Rule>) -> Option<Binding> {
        let mut parts = pair.into_inner().filter(|part| part.as_rule() != Rule::assign);
        let name = self.ident(&parts.next()?);
        let value = self.expression(parts.next()?);
        let span = name.span.to(value.span);
        Some(Binding { name, value, span })
    }

    fn query(&mut self, pair: Pair<'_, Rule>) -> Option<QueryDecl> {
        let span = self.span(&pair);
        let (mut name, mut purpose, mut clauses) = (None, String::new(), Vec::new());
        for part in pair.into_inner() {
            match part.as_rule() {
                Rule::name => name = Some(self.ident(&part)),
                Rule::text => unquote(part.as_str()).clone_into(&mut purpose),
                Rule::kw_query | Rule::kw_cohort => {}
                _ => clauses.extend(self.clause(part)),
            }
        }
        Some(QueryDecl { name: name?, purpose, clauses, span })
    }

    pub(crate) fn clause(&mut self, pair: Pair<'_, Rule>) -> Option<Clause> {
        let span = self.span(&pair);
        let rule = pair.as_rule();
        let mut parts = pair.into_inner();
        let word = self.span(&parts.next()?);
        let kind = match rule {
            Rule::from_clause => ClauseKind::From(self.ident(&parts.next()?)),
            Rule::where_clause => ClauseKind::Where(self.expression(parts.next()?)),
            Rule::derive_clause => ClauseKind::Derive(parts.filter_map(|part| self.binding(part)).collect()),
            Rule::report_clause => ClauseKind::Report(parts.filter_map(|part| self.binding(part)).collect()),
            Rule::by_clause => ClauseKind::By(
                parts
                    .filter_map(Pair::into_inner_first)
                    .filter_map(|part| match part.as_rule() {
                        Rule::binding => self.binding(part).map(|item| (Some(item.name), item.value)),
                        _ => Some((None, self.expression(part))),
                    })
                    .collect(),
            ),
            Rule::sort_clause => ClauseKind::Sort(parts.filter_map(|part| self.sort_item(part)).collect()),
            Rule::take_clause => {
                let number = parts.next()?;
                ClauseKind::Take(self.number(&number), self.span(&number))
            }
            _ => return None,
        };
        Some(Clause { kind, word, span })
    }

    fn sort_item(&self, pair: Pair<'_, Rule>) -> Option<SortItem> {
        let mut parts = pair.into_inner();
        let name = self.ident(&parts.next()?);
        let descending = parts.any(|part| part.as_rule() == Rule::kw_desc);
        Some(SortItem { name, descending })
    }
}

/// Words in quotes without the quotes.
pub(crate) fn unquote(text: &str) -> &str {
    let text = text.trim_end();
    text.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')).unwrap_or(text)
}

pub(crate) trait IntoInnerFirst<'i> {
    fn into_inner_first(self) -> Option<Pair<'i, Rule>>;
}

impl<'i> IntoInnerFirst<'i> for Pair<'i, Rule> {
    fn into_inner_first(self) -> Option<Pair<'i, Rule>> {
        self.into_inner().next()
    }
}
