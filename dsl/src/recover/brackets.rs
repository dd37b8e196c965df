//! Brackets that do not match (HQ005), and nesting beyond reason.

use super::unit::surroundings;
use super::{Reader, at_margin, line};
use crate::diagnostic::Code;
use crate::lexis::{CLAUSES, DECLARATIONS, RESERVED, Token, TokenKind, scan};

/// Deepest nesting of brackets, and most `not` or `-` in a row; keeps every later recursion shallow.
const MAX_DEPTH: usize = 40;

impl Reader {
    /// Reports them and blanks what they stand in.
    pub(super) fn brackets(&mut self) {
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
            // `{` behind a colon holds levels; a column does not begin in there.
            let in_levels = top.is_some_and(|top| top.text == "{")
                && open
                    .last()
                    .and_then(|at| tokens.get(at.checked_sub(1)?))
                    .is_some_and(|before| before.text == ":");
            let starts_column = in_levels
                && token.first
                && token.kind == TokenKind::Word
                && tokens.get(index + 1).is_some_and(|next| next.text == ":");
            if starts_column {
                let Some(top) = top.copied() else { continue };
                let place = format!("before `{}:` in line {}", token.text, line(&text, token));
                self.unclosed(&tokens, &top, &place);
                self.blank_unit(&tokens, top.start, token.start);
                open.pop();
            } else if (inside && (starts_binding || starts_clause)) || (top.is_some() && starts_declaration) {
                let Some(top) = top.copied() else { continue };
                let shown = if starts_binding { format!("{} =", token.text) } else { token.text.to_owned() };
                let place = format!("before `{shown}` in line {}", line(&text, token));
                self.unclosed(&tokens, &top, &place);
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
                    let closes = |open: &Token<'_>| matching(open.text) == token.text;
                    let partner = open.iter().rposition(|&at| tokens.get(at).is_some_and(closes));
                    if partner.is_none() && closed_later(&tokens, index, top.text) {
                        self.stray(token);
                        continue;
                    }
                    let place = format!("before `{}` in line {}", token.text, line(&text, token));
                    self.unclosed(&tokens, &top, &place);
                    // What closes another bracket stays for it.
                    let end = if partner.is_some() { token.start } else { token.end() };
                    self.blank_unit(&tokens, top.start, end);
                    // Close up to the bracket that this one matches, if there is one.
                    open.truncate(partner.unwrap_or(open.len().saturating_sub(1)));
                }
                (TokenKind::Close, None) => self.stray(token),
                _ => {}
            }
        }
        if let Some(top) = open.last().and_then(|&at| tokens.get(at)).copied() {
            self.unclosed(&tokens, &top, "before the end of the file");
            self.blank_unit(&tokens, top.start, text.len());
        }
    }

    /// A closing bracket without a partner.
    fn stray(&mut self, token: &Token<'_>) {
        self.report(
            Code::Unclosed,
            token.start,
            token.end(),
            format!("This `{}` closes nothing.", token.text),
            "Remove it, or put the opening bracket where it belongs.",
        );
        self.blank(token.start, token.end());
    }

    fn unclosed(&mut self, tokens: &[Token<'_>], top: &Token<'_>, place: &str) {
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
}

fn matching(open: &str) -> &'static str {
    match open {
        "(" => ")",
        "[" => "]",
        _ => "}",
    }
}

/// Whether a bracket that is open at a token is closed later, before its declaration ends.
fn closed_later(tokens: &[Token<'_>], index: usize, open: &str) -> bool {
    let mut depth = 0_usize;
    for token in tokens.iter().skip(index + 1) {
        match token.kind {
            _ if token.first && DECLARATIONS.contains(&token.text) => return false,
            TokenKind::Open => depth += 1,
            TokenKind::Close if depth == 0 => return token.text == matching(open),
            TokenKind::Close => depth -= 1,
            // The brackets of an expression do not reach past its clause or result.
            TokenKind::Word if open != "{" && CLAUSES.contains(&token.text) => return false,
            TokenKind::Word | TokenKind::Text | TokenKind::OpenText | TokenKind::Mark | TokenKind::Stray => {}
        }
    }
    false
}
