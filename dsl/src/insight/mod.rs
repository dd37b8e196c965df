//! What an editor asks about a program: what stands at a place, where it was declared, what may be written
//! there. Works on programs with mistakes, as far as they can be read.
//!
//! | question | file |
//! |---|---|
//! | which declaration, clause and name stand at a place | `scene`, from tokens |
//! | what a name refers to | `symbol` |
//! | what is it | `hover`, `words` |
//! | what may follow | `complete` |

mod complete;
mod hover;
mod scene;
mod symbol;
mod words;

use crate::ast::QueryDecl;
use crate::diagnostic::Diagnostic;
use crate::evaluate::{Facts, check_query_noting};
use crate::example::check_example;
use crate::program::Program;
use crate::source::{FileId, Loader, Sources, Span};

pub use complete::{Completion, CompletionKind};
pub use hover::Hover;

/// When an expression is computed, and by whom it can be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Stage {
    /// Known when the query is compiled.
    Public,
    /// One value per row, encrypted.
    Row,
    /// One encrypted number per group, decrypted by the custodian.
    Total,
    /// Computed after decryption.
    Clear,
}

impl std::fmt::Display for Stage {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Public => "Public: known when the query is compiled",
            Self::Row => "Row: one value per row, encrypted",
            Self::Total => "Total: one number per group, computed encrypted and then decrypted",
            Self::Clear => "Clear: computed after decryption",
        })
    }
}

/// A program with what an editor may ask of it. Offsets are bytes of the program's own text.
#[derive(Debug)]
pub struct Insight {
    program: Program,
    queries: Vec<QueryDecl>,
    diagnostics: Vec<Diagnostic>,
    facts: Facts,
}

impl Insight {
    /// Reads and checks a program, as [`compile`](crate::compile) does.
    #[must_use]
    pub fn of(file_name: &str, text: &str, params: &[(String, String)], loader: &dyn Loader) -> Self {
        let (program, own, mut diagnostics) = Program::load(file_name, text, params, loader);
        let mut facts = Facts::default();
        for decl in &own.queries {
            diagnostics.extend(check_query_noting(&program, decl, loader, &mut facts));
        }
        for decl in &own.examples {
            diagnostics.extend(check_example(&program, decl, loader).1);
        }
        diagnostics.sort_by_key(|diagnostic| (diagnostic.span(), diagnostic.code));
        Self { program, queries: own.queries, diagnostics, facts }
    }

    /// Everything found, as [`compile`](crate::compile) reports it.
    #[must_use]
    pub fn diagnostics(&self) -> &[Diagnostic] {
        &self.diagnostics
    }

    /// The texts that spans point into; the program's own is the first.
    #[must_use]
    pub fn sources(&self) -> &Sources {
        &self.program.sources
    }

    /// Where what stands at a byte was declared, in any of the sources.
    #[must_use]
    pub fn definition(&self, offset: usize) -> Option<Span> {
        self.symbol_at(offset).and_then(|(_, symbol)| self.declared(&symbol))
    }

    fn text(&self) -> &str {
        self.program.sources.text(FileId::default())
    }
}
