//! What stands at a place, in words (Markdown).

use super::symbol::Symbol;
use super::words;
use super::{Insight, Stage};
use crate::ast::{Binding, ClauseKind, External, Function};
use crate::evaluate::short_domain;
use crate::source::Span;
use crate::typed::{Column, Dataset};

/// What an editor shows for a place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hover {
    /// What it is about.
    pub span: Span,
    /// Markdown.
    pub text: String,
}

impl Insight {
    /// What stands at a byte.
    #[must_use]
    pub fn hover(&self, offset: usize) -> Option<Hover> {
        if let Some((span, symbol)) = self.symbol_at(offset)
            && let Some(text) = self.describe(span, &symbol)
        {
            return Some(Hover { span, text });
        }
        if super::scene::in_comment(self.text(), offset) {
            return None;
        }
        // The smallest expression around the place.
        let inside =
            |span: &Span| span.file.0 == 0 && span.start_index() <= offset && offset <= span.end_index();
        let (span, fact) = self
            .facts
            .iter()
            .filter(|(span, _)| inside(span))
            .min_by_key(|(span, _)| span.end - span.start)?;
        Some(Hover { span: *span, text: format!("{}\n\n{}", fact.about, fact.stage) })
    }

    fn describe(&self, span: Span, symbol: &Symbol<'_>) -> Option<String> {
        match symbol {
            Symbol::Dataset(dataset) => Some(about_dataset(dataset)),
            Symbol::Cohort(name) => {
                let cohort = self.program.cohorts.get(name)?;
                let source = self.cohort_source(name).unwrap_or_default();
                Some(paragraphs(&[&code(&format!("cohort {name} from {source}")), &cohort.purpose]))
            }
            Symbol::Module(name) => self.about_module(name),
            Symbol::Function(function) => Some(self.about_function(function)),
            Symbol::Builtin(name) => {
                words::builtin(name).map(|(call, words)| paragraphs(&[&code(call), words]))
            }
            Symbol::Column(dataset, column) => {
                let about = about_column(column);
                let owner = format!("Column of `{}`", dataset.name);
                let stage =
                    self.facts.get(&span).map_or(owner.clone(), |fact| format!("{owner}. {}", fact.stage));
                Some(paragraphs(&[&about, &stage]))
            }
            Symbol::Level(column, level) => {
                Some(paragraphs(&[&format!("Level `{level}` of `{}`", column.name), &about_column(column)]))
            }
            Symbol::Param(name) => {
                let param = self.program.params.iter().find(|param| param.name == *name)?;
                let value =
                    param.value.map_or_else(String::new, |code| format!(" = {}", param.domain.label(code)));
                let secret = if param.secret { "secret " } else { "" };
                let text = code(&format!("{secret}param {name}: {}{value}", short_domain(&param.domain)));
                let stage = if param.secret {
                    "Encrypted by the researcher, and used per row".to_owned()
                } else {
                    Stage::Public.to_string()
                };
                Some(paragraphs(&[&text, &stage]))
            }
            Symbol::Local { name, given, argument_of } => {
                Some(self.about_local(span, name, *given, argument_of))
            }
            Symbol::Word(word) => words::keyword(word).map(|words| paragraphs(&[&code(word), words])),
        }
    }

    fn about_local(&self, span: Span, name: &str, given: Span, argument_of: &Option<String>) -> String {
        if let Some(function) = argument_of {
            let domain = self.program.functions.get(function).and_then(|function| {
                let argument = function.parameters.iter().find(|argument| argument.name.text == name)?;
                Some(self.program.sources.slice(argument.domain.as_ref()?.span))
            });
            let typed = domain.map_or_else(|| name.to_owned(), |domain| format!("{name}: {domain}"));
            return paragraphs(&[&code(&typed), &format!("Argument of `{function}`")]);
        }
        let value = self.value_of(given);
        let fact = value.and_then(|value| self.facts.get(&value)).or_else(|| self.facts.get(&span));
        let written = value.map_or("", |value| self.program.sources.slice(value));
        let short = crate::schema::one_line(written);
        let shown = match short.chars().count() {
            0 => name.to_owned(),
            count if count <= 90 => format!("{name} = {short}"),
            _ => format!("{name} = {}…", short.chars().take(88).collect::<String>()),
        };
        match fact {
            Some(fact) => paragraphs(&[&code(&shown), &fact.about, &fact.stage.to_string()]),
            None => code(&shown),
        }
    }

    /// The value of the binding whose name stands at a place.
    fn value_of(&self, name: Span) -> Option<Span> {
        let clauses = self.queries.iter().chain(self.program.cohorts.values()).flat_map(|decl| &decl.clauses);
        let functions = self.program.functions.values();
        let bound = |binding: &Binding| (binding.name.span == name).then_some(binding.value.span);
        clauses
            .filter_map(|clause| match &clause.kind {
                ClauseKind::Derive(bindings) | ClauseKind::Report(bindings) => {
                    bindings.iter().find_map(bound)
                }
                ClauseKind::By(items) => items.iter().find_map(|(given, value)| {
                    given.as_ref().filter(|given| given.span == name).map(|_| value.span)
                }),
                ClauseKind::From(_) | ClauseKind::Where(_) | ClauseKind::Sort(_) | ClauseKind::Take(..) => {
                    None
                }
            })
            .chain(functions.filter_map(|function| function.bindings.iter().find_map(bound)))
            .next()
    }

    fn about_function(&self, function: &Function) -> String {
        paragraphs(&[&code(&self.signature(function)), &self.doc(function.name.span)])
    }

    /// `fn stats.mean(x)`
    pub(super) fn signature(&self, function: &Function) -> String {
        let parameters: Vec<String> = function
            .parameters
            .iter()
            .map(|parameter| match &parameter.domain {
                Some(domain) => {
                    format!("{}: {}", parameter.name.text, self.program.sources.slice(domain.span))
                }
                None => parameter.name.text.clone(),
            })
            .collect();
        let head = format!("fn {}({})", function.name.text, parameters.join(", "));
        match &function.external {
            Some(External { result, plugin }) => {
                let result = self.program.sources.slice(result.span);
                format!("extern {head} -> {result} from \"{}\"", plugin.text)
            }
            None => head,
        }
    }

    /// The comment right above the line of a declaration.
    pub(super) fn doc(&self, name: Span) -> String {
        let before = self.program.sources.text(name.file).get(..name.start_index()).unwrap_or("");
        let mut lines: Vec<&str> = Vec::new();
        for line in before.lines().rev().skip(1) {
            let Some(comment) = line.trim().strip_prefix('#') else { break };
            lines.push(comment.strip_prefix(' ').unwrap_or(comment).trim_end());
        }
        lines.reverse();
        // Line breaks of the comment stay.
        lines.join("  \n")
    }

    fn about_module(&self, name: &str) -> Option<String> {
        let start = self.declared(&Symbol::Module(name.to_owned()))?;
        let text = self.program.sources.text(start.file);
        let head: Vec<&str> = text.lines().map_while(|line| line.strip_prefix('#')).map(str::trim).collect();
        let prefix = format!("{name}.");
        let functions =
            self.program.functions.keys().filter(|function| function.starts_with(&prefix)).count();
        let count = if functions == 0 { String::new() } else { format!("{functions} functions") };
        Some(paragraphs(&[&code(&format!("use {name}")), &head.join("  \n"), &count]))
    }
}

fn about_dataset(dataset: &Dataset) -> String {
    let one_per = dataset.one_per.as_ref().map_or_else(String::new, |unit| format!(", one per {unit}"));
    let rows = crate::number::with_commas(dataset.rows.into());
    let rules = &dataset.release;
    let facts = format!(
        "At most {rows} rows{one_per}; {} columns. Released: at most {} numbers per query{}.",
        dataset.columns.len(),
        crate::number::with_commas(rules.max_cells.into()),
        if rules.min_cell > 1 {
            let decrypted = if rules.min_cell_encrypted { ", which nobody decrypts" } else { "" };
            format!(", no counts from 1 to {}{decrypted}", rules.min_cell - 1)
        } else {
            String::new()
        },
    );
    paragraphs(&[&code(&format!("dataset {}", dataset.name)), &dataset.title, &facts])
}

/// `age: 0..80`, its description, whether it may be missing, how it is prepared.
fn about_column(column: &Column) -> String {
    let optional = if column.optional { " ?" } else { "" };
    let head = code(&format!("{}: {}{optional}", column.name, short_domain(&column.domain)));
    let missing = if column.optional { "May be missing: meet it by `known(x)` or `x ?? value`." } else { "" };
    let prepared = column.prepared.as_ref().map_or_else(String::new, |prepared| {
        format!("Computed by the owner before encryption: `{}`", prepared.text)
    });
    paragraphs(&[&head, &column.description, missing, &prepared])
}

/// A code block of the language.
fn code(text: &str) -> String {
    format!("```hq\n{text}\n```")
}

fn paragraphs(parts: &[&str]) -> String {
    parts.iter().filter(|part| !part.is_empty()).copied().collect::<Vec<_>>().join("\n\n")
}
