//! Reading a text that may be wrong: each mistake of form is reported, its surroundings are blanked, and
//! the rest is read again, so that several mistakes are found at once and good parts are still checked.
//!
//! | concept | file |
//! |---|---|
//! | characters without a meaning, open texts | `marks` |
//! | brackets that do not match | `brackets` |
//! | what is wrong where the parser stopped | `explain` |
//! | how much of the text goes with a mistake | `unit` |

mod brackets;
mod explain;
mod marks;
mod unit;

use self::explain::explain;
use self::unit::{culprit, function_around, is_boundary, surroundings};
use crate::ast::File;
use crate::diagnostic::{Code, Diagnostic};
use crate::lexis::{CLAUSES, Token, scan};
use crate::parse::parse;
use crate::remedy::expects_value;
use crate::source::{FileId, Span};

/// Most mistakes of form reported per file.
const MAX_MISTAKES: usize = 25;

/// Parses a text as far as it can be read.
pub(crate) fn read(file: FileId, text: &str) -> (File, Vec<Diagnostic>) {
    let mut reader = Reader { file, text: text.to_owned(), diagnostics: Vec::new(), damaged: Vec::new() };
    reader.marks();
    reader.brackets();
    let mut tree = File::default();
    for _ in 0..=MAX_MISTAKES {
        match parse(file, &reader.text) {
            Ok((parsed, diagnostics)) => {
                tree = parsed;
                reader.diagnostics.extend(diagnostics);
                break;
            }
            Err(at) => {
                if !reader.mistake(at) {
                    break;
                }
            }
        }
    }
    tree.damaged = reader.damaged;
    (tree, reader.diagnostics)
}

struct Reader {
    file: FileId,
    text: String,
    diagnostics: Vec<Diagnostic>,
    damaged: Vec<Span>,
}

impl Reader {
    fn report(&mut self, code: Code, start: usize, end: usize, message: String, help: impl Into<String>) {
        let span = Span::new(self.file, start, end);
        self.diagnostics.push(Diagnostic::error(code, span, message, help));
    }

    /// Replaces bytes by spaces, keeping lines; false if there was nothing left to replace.
    fn blank(&mut self, start: usize, end: usize) -> bool {
        let mut changed = false;
        let blanked: String = self
            .text
            .char_indices()
            .map(|(at, c)| {
                if at < start || at >= end || c.is_whitespace() {
                    c.to_string()
                } else {
                    changed = true;
                    " ".repeat(c.len_utf8())
                }
            })
            .collect();
        self.text = blanked;
        self.damaged.push(Span::new(self.file, start, end));
        changed
    }

    /// Blanks from the start of the unit that holds `at` to `end`, or the function around it.
    fn blank_unit(&mut self, tokens: &[Token<'_>], at: usize, end: usize) {
        let index = tokens.iter().position(|token| token.start >= at).unwrap_or(0);
        let (start, end) = match function_around(tokens, index) {
            Some(function) => function,
            None => (surroundings(tokens, index).0, end),
        };
        self.blank(start, end);
    }

    /// Reports what is wrong at byte `at`, where the parser stopped, and blanks it. False when stuck.
    fn mistake(&mut self, at: usize) -> bool {
        let text = self.text.clone();
        let tokens = scan(&text);
        let index = tokens.iter().position(|token| token.end() > at).unwrap_or(tokens.len());
        let index = culprit(&tokens, index);
        let at = tokens.get(index).map_or(at, |token| token.start.min(at));
        let before = index.checked_sub(1);
        let previous = before.and_then(|before| tokens.get(before));
        let token = tokens.get(index);
        // An unfinished expression is the fault of what stands before.
        let unfinished = previous.is_some_and(|previous| expects_value(previous.text));
        let at_boundary = token.is_none_or(|_| is_boundary(&tokens, index));
        let blame = if (unfinished && at_boundary) || token.is_none() { before.unwrap_or(0) } else { index };
        let (start, end) = surroundings(&tokens, blame);
        let (start, end) = if start <= at || blame != index { (start, end) } else { (at, end) };
        // What is missing here, or does not fit, may be so because of a mistake that was blanked.
        let hollow = previous.is_some_and(|previous| {
            let next = token.map_or(text.len(), |token| token.start);
            let gone = |span: &Span| span.start_index() >= previous.end() && span.start_index() <= next;
            let doubtful = if unfinished { CLAUSES.contains(&previous.text) } else { at_boundary };
            doubtful && self.damaged.iter().any(gone)
        });
        let end = end.min(text.len());
        // A bracket of this unit that closes nothing was reported, and is the more likely cause.
        let torn = self.diagnostics.iter().any(|found| {
            let at = found.span().start_index();
            let bracket = found.span().end_index() == at + 1 && self.damaged.contains(&found.span());
            found.code == Code::Unclosed && bracket && start <= at && at < end
        });
        if !hollow && !torn {
            let found = explain(&tokens, index, unfinished);
            self.report(found.code, found.start, found.end, found.message, found.help);
        }
        self.blank(start, end)
    }
}

/// Line of a token, from 1.
fn line(text: &str, token: &Token<'_>) -> usize {
    1 + text.get(..token.start).unwrap_or("").matches('\n').count()
}

/// Whether a token begins its line without space before it.
fn at_margin(text: &str, token: &Token<'_>) -> bool {
    token.start == 0 || text.get(..token.start).is_some_and(|before| before.ends_with('\n'))
}
