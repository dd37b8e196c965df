//! From text to checked queries.

use crate::diagnostic::{Code, Diagnostic};
use crate::evaluate::check_query;
use crate::example::{Example, check_example};
use crate::program::Program;
use crate::recover::read;
use crate::schema::check_dataset;
use crate::source::{Loader, Sources};
use crate::typed::{Dataset, Query};

/// What became of a program.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Compiled {
    /// The queries without errors, in order.
    pub queries: Vec<Query>,
    /// The examples without errors, in order.
    pub examples: Vec<Example>,
    /// Everything found, in order of place.
    pub diagnostics: Vec<Diagnostic>,
    /// The texts that spans point into.
    pub sources: Sources,
}

impl Compiled {
    /// Whether a diagnostic is an error.
    #[must_use]
    pub fn has_errors(&self) -> bool {
        self.diagnostics.iter().any(Diagnostic::is_error)
    }
}

/// Compiles a program; `params` are values of its public parameters by name.
#[must_use]
pub fn compile(file_name: &str, text: &str, params: &[(String, String)], loader: &dyn Loader) -> Compiled {
    let (program, main, mut diagnostics) = Program::load(file_name, text, params, loader);
    let mut queries = Vec::new();
    for decl in &main.queries {
        let (query, found) = check_query(&program, decl, loader);
        queries.extend(query);
        diagnostics.extend(found);
    }
    let mut examples = Vec::new();
    for decl in &main.examples {
        let (example, found) = check_example(&program, decl, loader);
        examples.extend(example);
        diagnostics.extend(found);
    }
    diagnostics.sort_by_key(|diagnostic| (diagnostic.span(), diagnostic.code));
    let diagnostics = merged(diagnostics, &program.sources);
    Compiled { queries, examples, diagnostics, sources: program.sources }
}

/// One name that is unknown, or may be missing, in many places is one mistake: told where it occurs first, with
/// the lines of the others. Nothing is told twice of one place.
fn merged(diagnostics: Vec<Diagnostic>, sources: &Sources) -> Vec<Diagnostic> {
    let mut kept: Vec<(Diagnostic, Vec<usize>)> = Vec::new();
    for found in diagnostics {
        let spreads = matches!(
            found.code,
            Code::UnknownName | Code::UnknownFunction | Code::UnknownField | Code::MissingNotHandled
        );
        let same = kept.iter_mut().find(|(other, _)| {
            other.code == found.code
                && other.message == found.message
                && other.span().file == found.span().file
                && (spreads || other.span() == found.span())
        });
        let line = sources.line(found.span());
        match same {
            Some((first, lines)) => {
                if sources.line(first.span()) != line && !lines.contains(&line) {
                    lines.push(line);
                }
            }
            None => kept.push((found, Vec::new())),
        }
    }
    let with_lines = |(diagnostic, lines): (Diagnostic, Vec<usize>)| match lines.as_slice() {
        [] => diagnostic,
        [line] => diagnostic.with_note(format!("So it is in line {line}.")),
        lines => {
            let lines: Vec<String> = lines.iter().map(usize::to_string).collect();
            diagnostic.with_note(format!("So it is in lines {}.", lines.join(", ")))
        }
    };
    kept.into_iter().map(with_lines).collect()
}

/// Names of the parameters that a program declares, as far as it can be read.
#[must_use]
pub fn parameters(text: &str) -> Vec<String> {
    let (tree, _) = read(Sources::default().add("", text), text);
    tree.params.into_iter().map(|param| param.name.text).collect()
}

/// Compiles a schema file alone: the first dataset in it.
#[must_use]
pub fn dataset(file_name: &str, text: &str) -> (Option<Dataset>, Vec<Diagnostic>, Sources) {
    let mut sources = Sources::default();
    let id = sources.add(file_name, text);
    let (tree, mut diagnostics) = read(id, text);
    let datasets: Vec<Dataset> = tree
        .datasets
        .iter()
        .map(|decl| check_dataset(decl, &tree.damaged, &sources, &mut diagnostics))
        .collect();
    let sound = !diagnostics.iter().any(Diagnostic::is_error);
    (datasets.into_iter().next().filter(|_| sound), diagnostics, sources)
}
