//! Reading a text that may be wrong: each mistake of form is reported, its surroundings are blanked, and
//! the rest is read again, so that several mistakes are found at once and good parts are still checked.

use crate::ast::File;
use crate::diagnostic::{Code, Diagnostic};
use crate::lexis::{CLAUSES, DECLARATIONS, RESERVED, Token, TokenKind, is_plain_name, scan};
use crate::parse::parse;
use crate::remedy::{after, clause, expects_value, hint, sql};
use crate::source::{FileId, Span};

/// Deepest nesting of brackets; keeps every later recursion shallow.
const MAX_DEPTH: usize = 40;
/// Most `not` or `-` in a row, and most mistakes of form reported per file.
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

    /// Characters that the language does not use, and texts that are not closed.
    fn marks(&mut self) {
        let text = self.text.clone();
        let tokens = scan(&text);
        let mut reported = 0;
        for (index, token) in tokens.iter().enumerate() {
            let next = tokens.get(index + 1);
            // The grammar reads on over some of them.
            let mut readable = false;
            let doubled = next.is_some_and(|next| next.text == token.text && next.start == token.end());
            let (code, message, help) = match (token.kind, token.text) {
                (TokenKind::OpenText, _) => (
                    Code::Unclosed,
                    "This text is not closed on its line.".to_owned(),
                    "Put a `\"` where it ends.".to_owned(),
                ),
                (TokenKind::Stray, "&" | "|") if doubled => {
                    readable = true;
                    let word = if token.text == "&" { "and" } else { "or" };
                    let message = format!("`{0}{0}` is not a word of hq.", token.text);
                    (Code::Syntax, message, format!("Write `{word}`."))
                }
                (TokenKind::Stray, "&" | "|")
                    if index
                        .checked_sub(1)
                        .and_then(|before| tokens.get(before))
                        .is_some_and(|before| before.text == token.text && before.end() == token.start) =>
                {
                    continue;
                }
                (TokenKind::Stray, "!") => {
                    (Code::Syntax, "`!` is not a word of hq.".to_owned(), "Write `not`.".to_owned())
                }
                (TokenKind::Stray, ";") => (
                    Code::Syntax,
                    "Nothing ends with `;` in hq.".to_owned(),
                    "Leave it out; the next name or clause ends an expression.".to_owned(),
                ),
                (TokenKind::Stray, "'" | "“" | "”" | "„" | "‘" | "’") => (
                    Code::Syntax,
                    format!("`{}` is not a quotation mark of hq.", token.text),
                    "Texts stand in straight double quotes, as in \"8th Grade\".".to_owned(),
                ),
                (TokenKind::Stray, "≤" | "≥" | "≠") => {
                    let op = match token.text {
                        "≤" => "<=",
                        "≥" => ">=",
                        _ => "!=",
                    };
                    readable = true;
                    (
                        Code::Syntax,
                        format!("`{}` is not an operator of hq.", token.text),
                        format!("Write `{op}`."),
                    )
                }
                (TokenKind::Stray, other) => (
                    Code::Syntax,
                    format!("The character `{other}` has no meaning in hq."),
                    "Leave it out, or put the text in quotes.".to_owned(),
                ),
                _ => continue,
            };
            if reported < MAX_MISTAKES {
                self.report(code, token.start, token.end(), message, help);
            }
            reported += 1;
            if !readable {
                self.blank(token.start, token.end());
            }
        }
    }

    /// Brackets that do not match (HQ005), and nesting beyond reason.
    fn brackets(&mut self) {
        let text = self.text.clone();
        let tokens = scan(&text);
        let mut open: Vec<usize> = Vec::new();
        let mut prefix_run = 0;
        for (index, token) in tokens.iter().enumerate() {
            prefix_run = if matches!(token.text, "not" | "-") { prefix_run + 1 } else { 0 };
            if prefix_run > MAX_DEPTH || open.len() > MAX_DEPTH {
                let message = format!("This is nested more than {MAX_DEPTH} deep.");
                self.report(Code::TooComplex, token.start, token.end(), message, "Name parts with `derive`.");
                let (start, _) = surroundings(&tokens, open.first().copied().unwrap_or(index));
                // Without its brackets the rest of the text has no structure to recover.
                self.blank(start, text.len());
                return;
            }
            let top = open.last().and_then(|&at| tokens.get(at));
            let inside = top.is_some_and(|top| top.text != "{");
            let starts_binding = token.first
                && token.kind == TokenKind::Word
                && tokens.get(index + 1).is_some_and(|next| next.text == "=")
                && !RESERVED.contains(&token.text);
            let starts_clause = CLAUSES.contains(&token.text) || matches!(token.text, "query" | "fn");
            let starts_declaration =
                token.first && DECLARATIONS.contains(&token.text) && at_margin(&text, token);
            if (inside && (starts_binding || starts_clause)) || (top.is_some() && starts_declaration) {
                let Some(top) = top.copied() else { continue };
                let shown = if starts_binding { format!("{} =", token.text) } else { token.text.to_owned() };
                self.unclosed(
                    &tokens,
                    &open,
                    &top,
                    &format!("before `{shown}` in line {}", line(&text, token)),
                );
                open.retain(|&at| !inside || tokens.get(at).is_some_and(|token| token.text == "{"));
                if starts_declaration {
                    open.clear();
                }
                self.blank_unit(&tokens, top.start, token.start);
            }
            match (token.kind, open.last().and_then(|&at| tokens.get(at)).copied()) {
                (TokenKind::Open, _) => open.push(index),
                (TokenKind::Close, Some(top)) if matching(top.text) == token.text => {
                    open.pop();
                }
                (TokenKind::Close, Some(top)) => {
                    let place = format!("before `{}` in line {}", token.text, line(&text, token));
                    self.unclosed(&tokens, &open, &top, &place);
                    self.blank_unit(&tokens, top.start, token.end());
                    // Close up to the bracket that this one matches, if there is one.
                    let partner = open.iter().rposition(|&at| {
                        tokens.get(at).is_some_and(|open| matching(open.text) == token.text)
                    });
                    open.truncate(partner.unwrap_or(open.len().saturating_sub(1)));
                }
                (TokenKind::Close, None) => {
                    self.report(
                        Code::Unclosed,
                        token.start,
                        token.end(),
                        format!("This `{}` closes nothing.", token.text),
                        "Remove it, or put the opening bracket where it belongs.",
                    );
                    self.blank(token.start, token.end());
                }
                _ => {}
            }
        }
        if let Some(top) = open.last().and_then(|&at| tokens.get(at)).copied() {
            self.unclosed(&tokens, &open, &top, "before the end of the file");
            self.blank_unit(&tokens, top.start, text.len());
        }
    }

    fn unclosed(&mut self, tokens: &[Token<'_>], _open: &[usize], top: &Token<'_>, place: &str) {
        let line = line(&self.text, top);
        let close = matching(top.text);
        let name = tokens.iter().rposition(|token| token.end() == top.start && token.kind == TokenKind::Word);
        let what = name
            .and_then(|at| tokens.get(at))
            .map_or_else(String::new, |name| format!(" of `{}`", name.text));
        self.report(
            Code::Unclosed,
            top.start,
            top.end(),
            format!("This `{}` in line {line} is not closed {place}.", top.text),
            format!("Put a `{close}` where the expression{what} ends."),
        );
    }

    /// Blanks from the start of the unit that holds `at` to `end`.
    fn blank_unit(&mut self, tokens: &[Token<'_>], at: usize, end: usize) {
        let index = tokens.iter().position(|token| token.start >= at).unwrap_or(0);
        let (start, _) = surroundings(tokens, index);
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
        if !hollow {
            self.explain(&tokens, index, unfinished);
        }
        let end = end.min(text.len());
        self.blank(start, end)
    }

    fn explain(&mut self, tokens: &[Token<'_>], index: usize, unfinished: bool) {
        let previous = index.checked_sub(1).and_then(|before| tokens.get(before));
        let nearby = [tokens.get(index), previous];
        for token in nearby.into_iter().flatten() {
            if let Some((message, help)) = sql(token.text) {
                self.report(Code::SqlWord, token.start, token.end(), message, help);
                return;
            }
        }
        let token = tokens.get(index);
        let (start, end) = token.or(previous).map_or((0, 0), |token| (token.start, token.end()));
        let next = tokens.get(index + 1).map_or("", |next| next.text);
        let before_name = index.checked_sub(2).and_then(|before| tokens.get(before));
        match (token, previous) {
            (Some(token), Some(previous))
                if RESERVED.contains(&token.text)
                    && matches!(
                        previous.text,
                        "query" | "derive" | "report" | "dataset" | "fn" | "param" | "use"
                    ) =>
            {
                let message = format!("`{}` is a word of the language and cannot be a name.", token.text);
                self.report(Code::ReservedWord, start, end, message, "Choose another name.");
            }
            (Some(token), _) if RESERVED.contains(&token.text) && matches!(next, "=" | ":") => {
                let message = format!("`{}` is a word of the language and cannot be a name.", token.text);
                self.report(Code::ReservedWord, start, end, message, "Choose another name.");
            }
            (Some(token), Some(previous)) if token.text == "=" && RESERVED.contains(&previous.text) => {
                let (start, end, token) = (previous.start, previous.end(), previous);
                let message = format!("`{}` is a word of the language and cannot be a name.", token.text);
                self.report(Code::ReservedWord, start, end, message, "Choose another name.");
            }
            (Some(token), Some(previous))
                if is_plain_name(previous.text)
                    && token.text != "="
                    && matches!(clause(tokens, index), "report" | "derive")
                    && (previous.first
                        || before_name.is_some_and(|word| matches!(word.text, "report" | "derive"))) =>
            {
                let message = format!("A `=` is missing after `{}`.", previous.text);
                self.report(Code::Syntax, previous.start, previous.end(), message, hint(tokens, index));
            }
            (Some(token), Some(_))
                if next == "="
                    && !unfinished
                    && matches!(clause(tokens, index), "from" | "where" | "by" | "sort" | "take") =>
            {
                let message = format!("`{} =` stands outside `report`.", token.text);
                let help = "Write `report` above the results, or `derive` above names of row values.";
                self.report(Code::Syntax, start, end, message, help);
            }
            (Some(token), Some(previous))
                if previous.text == "=" && token.text != "[" && clause(tokens, index) == "example" =>
            {
                let message = "The cells of a column stand in a list.".to_owned();
                self.report(
                    Code::Syntax,
                    start,
                    end,
                    message,
                    "Write them as in `x: 0..9 = [1, 2, missing]`.",
                );
            }
            (_, Some(previous)) if unfinished => {
                let message = match token {
                    Some(token) => {
                        format!("A value is missing between `{}` and `{}`.", previous.text, token.text)
                    }
                    None => format!("A value is missing after `{}`.", previous.text),
                };
                let (start, end) = (previous.start, previous.end());
                self.report(Code::Syntax, start, end, message, after(previous.text));
            }
            (Some(token), Some(previous)) => {
                let message = format!("`{}` does not fit after `{}`.", token.text, previous.text);
                self.report(Code::Syntax, start, end, message, hint(tokens, index));
            }
            (Some(token), None) => {
                let message = format!("A program does not begin with `{}`.", token.text);
                self.report(Code::Syntax, start, end, message, hint(tokens, index));
            }
            (None, Some(previous)) => {
                let message = format!("The text ends too early, after `{}`.", previous.text);
                self.report(Code::Syntax, start, end, message, after(previous.text));
            }
            (None, None) => {
                self.report(
                    Code::Syntax,
                    0,
                    0,
                    "The text is empty.".to_owned(),
                    "Write a `query` or a `dataset`.",
                );
            }
        }
    }
}

fn matching(open: &str) -> &'static str {
    match open {
        "(" => ")",
        "[" => "]",
        _ => "}",
    }
}

fn line(text: &str, token: &Token<'_>) -> usize {
    1 + text.get(..token.start).unwrap_or("").matches('\n').count()
}

fn at_margin(text: &str, token: &Token<'_>) -> bool {
    token.start == 0 || text.get(..token.start).is_some_and(|before| before.ends_with('\n'))
}

/// The parser takes a word behind a finished value for the name of the next result and stops after it;
/// the mistake is the word.
fn culprit(tokens: &[Token<'_>], index: usize) -> usize {
    let word = index.checked_sub(1).and_then(|at| tokens.get(at));
    let value = index.checked_sub(2).and_then(|at| tokens.get(at));
    let (Some(word), Some(value)) = (word, value) else { return index };
    let finished = match value.kind {
        TokenKind::Close | TokenKind::Text => true,
        TokenKind::Word => !RESERVED.contains(&value.text),
        TokenKind::OpenText | TokenKind::Open | TokenKind::Mark | TokenKind::Stray => false,
    };
    let named = tokens.get(index).is_some_and(|token| token.text == "=");
    let results = matches!(clause(tokens, index), "report" | "derive");
    if is_plain_name(word.text) && !word.first && finished && !named && results && !value.first {
        index - 1
    } else {
        index
    }
}

/// Whether something new begins at this token: a declaration, a clause, a binding or a column.
fn is_boundary(tokens: &[Token<'_>], index: usize) -> bool {
    let Some(token) = tokens.get(index) else { return true };
    let next = tokens.get(index + 1).map_or("", |next| next.text);
    CLAUSES.contains(&token.text)
        || (token.first && DECLARATIONS.contains(&token.text))
        || matches!(token.text, "query" | "fn")
        || (token.first && token.kind == TokenKind::Word && matches!(next, "=" | ":"))
}

/// The bytes of the unit around a token: from its boundary to the next. A declaration's first line takes
/// the whole declaration with it.
fn surroundings(tokens: &[Token<'_>], index: usize) -> (usize, usize) {
    let first = (0..=index.min(tokens.len().saturating_sub(1))).rev().find(|&at| is_boundary(tokens, at));
    // A faulty result leaves the clause it stands in.
    let first = first.unwrap_or(0);
    let heads = tokens.get(first).is_some_and(|token| matches!(token.text, "report" | "derive"));
    let first = if heads && first < index { first + 1 } else { first };
    let start = tokens.get(first).map_or(0, |token| token.start);
    let declares = |token: &Token<'_>| {
        (token.first && DECLARATIONS.contains(&token.text)) || matches!(token.text, "query" | "fn")
    };
    let whole = tokens.get(first).is_some_and(declares);
    let last = (index + 1..tokens.len()).find(|&at| {
        let continues = at.checked_sub(1).and_then(|before| tokens.get(before)).is_some_and(|before| {
            // `secret param` and `extern fn` are one declaration; `from` ends an `extern fn`.
            matches!(before.text, "secret" | "extern")
        });
        !continues && if whole { tokens.get(at).is_some_and(declares) } else { is_boundary(tokens, at) }
    });
    let end = last.and_then(|at| tokens.get(at)).map_or(usize::MAX, |token| token.start);
    (start, end)
}
