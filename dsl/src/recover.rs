//! Reading a text that may be wrong: each mistake of form is reported, its surroundings are blanked, and
//! the rest is read again, so that several mistakes are found at once and good parts are still checked.

use crate::ast::File;
use crate::diagnostic::{Code, Diagnostic};
use crate::lexis::{CLAUSES, DECLARATIONS, RESERVED, Token, TokenKind, scan};
use crate::parse::parse;
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
        let before = index.checked_sub(1);
        let previous = before.and_then(|before| tokens.get(before));
        let token = tokens.get(index);
        // An unfinished expression is the fault of what stands before.
        let unfinished = previous.is_some_and(|previous| expects_value(previous.text));
        let at_boundary = token.is_none_or(|_| is_boundary(&tokens, index));
        let blame = if (unfinished && at_boundary) || token.is_none() { before.unwrap_or(0) } else { index };
        let (start, end) = surroundings(&tokens, blame);
        let (start, end) = if start <= at || blame != index { (start, end) } else { (at, end) };
        // What follows may be gone because it was a mistake itself.
        let hollow = previous.is_some_and(|previous| {
            let next = token.map_or(text.len(), |token| token.start);
            let gone = |span: &Span| span.start_index() >= previous.end() && span.start_index() <= next;
            CLAUSES.contains(&previous.text) && self.damaged.iter().any(gone)
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
            (Some(token), _)
                if RESERVED.contains(&token.text)
                    && tokens.get(index + 1).is_some_and(|next| next.text == "=") =>
            {
                let message = format!("`{}` is a word of the language and cannot be a name.", token.text);
                self.report(Code::ReservedWord, start, end, message, "Choose another name.");
            }
            (Some(token), Some(previous)) if token.text == "=" && RESERVED.contains(&previous.text) => {
                let (start, end, token) = (previous.start, previous.end(), previous);
                let message = format!("`{}` is a word of the language and cannot be a name.", token.text);
                self.report(Code::ReservedWord, start, end, message, "Choose another name.");
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
    let first = first.unwrap_or(0);
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

fn expects_value(word: &str) -> bool {
    matches!(
        word,
        "=" | "=="
            | "!="
            | "<"
            | "<="
            | ">"
            | ">="
            | "+"
            | "-"
            | "*"
            | "/"
            | "%"
            | "^"
            | "??"
            | ".."
            | ","
            | "("
            | "["
            | "->"
            | ":"
            | "and"
            | "or"
            | "not"
            | "in"
            | "where"
            | "by"
            | "report"
            | "derive"
            | "sort"
            | "take"
            | "from"
            | "for"
            | "else"
            | "step"
    )
}

fn after(word: &str) -> String {
    match word {
        "where" => "Write a condition, as in `where age >= 18`.",
        "by" => "Write what to group by, as in `by sex`.",
        "report" => "Write results, as in `report n = count()`.",
        "derive" => "Write a name and a value, as in `derive old = age >= 65`.",
        "sort" => "Write a result to sort by, as in `sort n desc`.",
        "take" => "Write how many rows to show, as in `take 10`.",
        "from" => "Write the name of a dataset, as in `from nhanes`.",
        "," | "(" | "[" => "Complete the list, or close the bracket.",
        _ => return format!("Write what `{word}` applies to."),
    }
    .to_owned()
}

fn hint(tokens: &[Token<'_>], index: usize) -> String {
    let clause = (0..index)
        .rev()
        .filter_map(|at| tokens.get(at))
        .find(|token| CLAUSES.contains(&token.text) || DECLARATIONS.contains(&token.text))
        .map_or("", |token| token.text);
    match clause {
        "from" => "`from` takes the name of one dataset; `where`, `derive`, `by` or `report` follows.",
        "where" => "A condition is one expression; join several with `and`, or write a second `where`.",
        "derive" => "`derive` takes `name = value`.",
        "by" => "`by` takes values separated by commas; `report` follows.",
        "report" => "`report` takes results of the form `name = value`.",
        "sort" => "`sort` takes names of results, each with `asc` or `desc`, separated by commas.",
        "take" => "`take` takes one whole number.",
        "query" => "A query is `query name \"purpose\"`, then `from`, `where`, `by`, `report`.",
        "cohort" => "A cohort is `cohort name`, then `from`, `where`, `derive`.",
        "dataset" => {
            "A column is `name: domain`, then `?` if it may be missing, then a description in quotes."
        }
        "fn" => "A function is `fn name(a, b) = value`, or has bindings and a value in braces.",
        "param" | "secret" => "A parameter is `param name: 18..110 = 65`.",
        "use" => "`use` takes the name of one dataset or module.",
        "extern" => "An outside function is `extern fn name(x: 0..9) -> 0..9 from \"plugin\"`.",
        _ => "A program consists of `use`, `param`, `dataset`, `cohort`, `fn` and `query`.",
    }
    .to_owned()
}

fn sql(word: &str) -> Option<(String, &'static str)> {
    let lower = word.to_ascii_lowercase();
    let help = match lower.as_str() {
        "select" => "In hq the results are listed under `report`.",
        "group" => "In hq groups are written `by sex, age`.",
        "having" => "In hq conditions on rows are written `where`; there is none on results.",
        "order" => "In hq the order is written `sort n desc`.",
        "limit" => "In hq the number of rows is written `take 10`.",
        "join" | "inner" | "left" => {
            "hq reads one table per query; the owner joins tables before encryption."
        }
        "distinct" => "In hq count rows of a table with one row per person.",
        "as" => "In hq a result is named `name = value`.",
        "between" => "In hq a range is written `age in 18..79`.",
        "is" => "In hq presence is written `known(x)` or `not known(x)`.",
        "like" => "hq has no text search; compare with levels.",
        "union" => "hq has no such operation; write two queries.",
        _ => return None,
    };
    Some((format!("SQL word `{word}`."), help))
}
