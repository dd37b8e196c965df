//! Characters that the language does not use, and texts that are not closed.

use super::{MAX_MISTAKES, Reader};
use crate::diagnostic::Code;
use crate::lexis::{Token, TokenKind, scan};

/// Quotation marks of other kinds.
const QUOTES: &[&str] = &["'", "“", "”", "„", "‘", "’"];

impl Reader {
    /// Reports them, and puts spaces in their place unless the grammar reads on over them.
    pub(super) fn marks(&mut self) {
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
                (TokenKind::Stray, quote) if QUOTES.contains(&quote) => {
                    readable = true;
                    self.straighten(token);
                    let closes = tokens.get(..index).is_some_and(|before| {
                        let line = before.iter().rev().take_while(|other| {
                            !text.get(other.end()..token.start).is_some_and(|gap| gap.contains('\n'))
                        });
                        line.filter(|other| QUOTES.contains(&other.text)).count() % 2 == 1
                    });
                    if closes {
                        continue;
                    }
                    (
                        Code::Syntax,
                        format!("`{quote}` is not a quotation mark of hq."),
                        "Texts stand in straight double quotes, as in \"8th Grade\".".to_owned(),
                    )
                }
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

    /// Puts a quotation mark of hq where another kind stands, at the side of the text that it encloses.
    fn straighten(&mut self, token: &Token<'_>) {
        let width = token.text.len();
        let opening = matches!(token.text, "“" | "„" | "‘");
        let mark = if opening { format!("{:>width$}", '"') } else { format!("{:<width$}", '"') };
        self.text.replace_range(token.start..token.end(), &mark);
    }
}
