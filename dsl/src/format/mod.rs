//! Laying a program out: `format` gives the one layout of a text, with every token and comment it had.
//!
//! | step | file |
//! |---|---|
//! | text -> concrete tree: leaves with their comments | `tree` |
//! | tree -> document: where lines may break | `declaration`, `binding`, `expression` |
//! | columns of a table of bindings that the author aligned | `align` |
//! | document -> lines of at most 100 characters | `document`, `printer` |

mod align;
mod binding;
mod declaration;
mod document;
mod expression;
mod layout;
mod printer;
mod tree;

use crate::diagnostic::{Code, Diagnostic};
use crate::recover::read;
use crate::source::{FileId, Span};
use tree::{Tree, fingerprint};

/// Longest line, in characters. What cannot be broken may be longer.
const WIDTH: usize = 100;

/// Most rounds until the layout stands. One is enough for all but comments in odd places.
const MAX_ROUNDS: usize = 5;

/// Lays a program or schema out. The result parses to the same tree, and holds the same comments.
///
/// # Errors
/// What is wrong with the form of a text that does not parse; it is then to be left alone.
pub fn format(text: &str) -> Result<String, Vec<Diagnostic>> {
    let (_, diagnostics) = read(FileId::default(), text);
    if diagnostics.iter().any(Diagnostic::is_error) {
        return Err(diagnostics);
    }
    let before = fingerprint(text);
    let mut current = text.to_owned();
    for _ in 0..MAX_ROUNDS {
        let Some(tree) = Tree::of(&current) else { break };
        let next = declaration::file(tree);
        if fingerprint(&next) != before {
            return Err(vec![unfaithful(text)]);
        }
        if next == current {
            break;
        }
        current = next;
    }
    Ok(current)
}

/// The promise of this module was about to be broken; the text stays as it is.
fn unfaithful(text: &str) -> Diagnostic {
    let span = Span::new(FileId::default(), 0, text.find('\n').unwrap_or(text.len()));
    let message = "This file cannot be laid out without changing what it says.";
    let help = "It was left alone; please report it, as this is a mistake of the formatter.";
    Diagnostic::error(Code::TooComplex, span, message, help)
}
