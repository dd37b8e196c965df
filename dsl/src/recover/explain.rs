//! What is wrong where the parser stopped, in words. The parser says at which token only; the rest is told
//! from the tokens around it.

use crate::diagnostic::Code;
use crate::lexis::{CLAUSES, DECLARATIONS, RESERVED, Token, TokenKind, is_plain_name};
use crate::remedy::{after, clause, hint, sql};
use crate::suggest::nearest;

/// A mistake with its place.
pub(super) struct Found {
    pub(super) code: Code,
    pub(super) start: usize,
    pub(super) end: usize,
    pub(super) message: String,
    pub(super) help: String,
}

/// Words of the language that may be misspelt in the middle of a line.
const INNER: &[&str] = &["and", "or", "not", "for", "else", "case", "desc", "asc", "step", "missing"];

/// The mistake at a token; `unfinished` if a value had to follow what stands before.
pub(super) fn explain(tokens: &[Token<'_>], index: usize, unfinished: bool) -> Found {
    let place = Place { tokens, index, unfinished };
    place
        .sql()
        .or_else(|| place.no_number())
        .or_else(|| place.nameless())
        .or_else(|| place.misspelt())
        .or_else(|| place.reserved())
        .or_else(|| place.headless())
        .or_else(|| place.without_equals())
        .or_else(|| place.outside_report())
        .or_else(|| place.arms())
        .or_else(|| place.domain())
        .or_else(|| place.no_comma())
        .unwrap_or_else(|| place.otherwise())
}

struct Place<'a> {
    tokens: &'a [Token<'a>],
    index: usize,
    unfinished: bool,
}

fn found(code: Code, token: &Token<'_>, message: String, help: impl Into<String>) -> Found {
    Found { code, start: token.start, end: token.end(), message, help: help.into() }
}

/// A name that is no word of the language.
fn is_free(token: &Token<'_>) -> bool {
    is_plain_name(token.text) && !DECLARATIONS.contains(&token.text)
}

impl<'a> Place<'a> {
    fn at(&self, steps_back: usize) -> Option<&'a Token<'a>> {
        self.tokens.get(self.index.checked_sub(steps_back)?)
    }

    fn next(&self) -> &'a str {
        self.tokens.get(self.index + 1).map_or("", |next| next.text)
    }

    fn clause(&self) -> &'a str {
        clause(self.tokens, self.index)
    }

    fn hint(&self) -> String {
        hint(self.tokens, self.index)
    }

    fn sql(&self) -> Option<Found> {
        [self.at(0), self.at(1)].into_iter().flatten().find_map(|token| {
            let at = self.tokens.iter().position(|other| other.start == token.start)?;
            let joined = self.tokens.get(at + 1).is_some_and(|next| next.text.eq_ignore_ascii_case("join"));
            // A column may well be called `left`.
            if matches!(token.text.to_ascii_lowercase().as_str(), "left" | "inner") && !joined {
                return None;
            }
            sql(token.text).map(|(message, help)| found(Code::SqlWord, token, message, help))
        })
    }

    /// `25x`
    fn no_number(&self) -> Option<Found> {
        let mixed = |token: &&Token<'_>| {
            token.text.starts_with(|c: char| c.is_ascii_digit()) && token.text.contains(char::is_alphabetic)
        };
        let token = [self.at(0), self.at(1)].into_iter().flatten().find(mixed)?;
        let message = format!("`{}` is neither a number nor a name.", token.text);
        Some(found(Code::Syntax, token, message, "Numbers have no letters; names begin with one."))
    }

    /// `use`, and the next declaration taken for its name; `= count()` without a name.
    fn nameless(&self) -> Option<Found> {
        let (token, previous) = (self.at(0), self.at(1)?);
        if let Some(head) = self.at(2)
            && previous.first
            && DECLARATIONS.contains(&previous.text)
            && matches!(head.text, "use" | "dataset" | "param" | "cohort")
            && head.first
        {
            let message = format!("A name is missing after `{}`.", head.text);
            return Some(found(Code::Syntax, head, message, hint(self.tokens, self.index - 1)));
        }
        let token = token.filter(|token| token.text == "=")?;
        if matches!(previous.text, "report" | "derive") || (previous.text == "," && self.clause() == "by") {
            let message = "A name is missing before `=`.".to_owned();
            return Some(found(Code::Syntax, token, message, self.hint()));
        }
        None
    }

    /// A word of the language with a wrong letter.
    fn misspelt(&self) -> Option<Found> {
        let heads = || CLAUSES.iter().chain(DECLARATIONS).copied();
        let near = |token: &Token<'_>| {
            let short = token.text.len() < 3;
            if !is_free(token) || (short && self.index > 0) {
                return None;
            }
            let head = if token.first { nearest(token.text, heads()) } else { None };
            // In the middle of a line `by` and `fn` are near to much that is a name.
            let inner = || INNER.iter().copied().chain(heads()).filter(|word| word.len() > 2);
            head.or_else(|| nearest(token.text, inner()))
        };
        let token = self.at(0);
        // The parser takes `srot` in front of `n desc` for the name of a result.
        let before = self.at(1).filter(|before| before.first && token.is_some_and(|token| token.text != "="));
        let candidates =
            [token.filter(|_| !self.unfinished && !matches!(self.next(), "=" | ":" | "(")), before];
        candidates.into_iter().flatten().find_map(|token| {
            let word = near(token)?;
            let message = format!("`{}` is not a word of hq.", token.text);
            Some(found(Code::Syntax, token, message, format!("Did you mean `{word}`?")))
        })
    }

    /// A word of the language as a name.
    fn reserved(&self) -> Option<Found> {
        let token = self.at(0)?;
        let names = |word: &str| {
            matches!(word, "query" | "derive" | "report" | "dataset" | "fn" | "param" | "use" | "cohort")
        };
        let here = RESERVED.contains(&token.text);
        let word = match self.at(1) {
            Some(previous) if here && names(previous.text) => token,
            _ if here && matches!(self.next(), "=" | ":") => token,
            Some(previous) if token.text == "=" && RESERVED.contains(&previous.text) => previous,
            _ => return None,
        };
        let message = format!("`{}` is a word of the language and cannot be a name.", word.text);
        Some(found(Code::ReservedWord, word, message, "Choose another name."))
    }

    /// A name and a text, in front of clauses, without `query`.
    fn headless(&self) -> Option<Found> {
        let (token, previous) = (self.at(0)?, self.at(1)?);
        let clauses = CLAUSES.contains(&self.next());
        if token.kind != TokenKind::Text || !clauses || !previous.first || !is_free(previous) {
            return None;
        }
        let message = format!("`{}` is not said to be a query.", previous.text);
        Some(found(Code::Syntax, previous, message, format!("Write `query {} …`.", previous.text)))
    }

    fn without_equals(&self) -> Option<Found> {
        let (token, previous) = (self.at(0)?, self.at(1)?);
        let opens = || self.at(2).is_some_and(|word| matches!(word.text, "report" | "derive"));
        let is = is_plain_name(previous.text)
            && token.text != "="
            && matches!(self.clause(), "report" | "derive")
            && (previous.first || opens());
        let message = format!("A `=` is missing after `{}`.", previous.text);
        is.then(|| found(Code::Syntax, previous, message, self.hint()))
    }

    fn outside_report(&self) -> Option<Found> {
        let token = self.at(0)?;
        let clause = matches!(self.clause(), "from" | "where" | "by" | "sort" | "take");
        let is = self.index > 0 && self.next() == "=" && !self.unfinished && clause;
        let help = "Write `report` above the results, or `derive` above names of row values.";
        is.then(|| found(Code::Syntax, token, format!("`{} =` stands outside `report`.", token.text), help))
    }

    /// `case` without braces.
    fn arms(&self) -> Option<Found> {
        let is_case = |token: &&Token<'_>| token.text == "case";
        let (word, next) = match (self.at(0).filter(is_case), self.at(1).filter(is_case)) {
            (Some(word), _) => (word, self.next()),
            (None, Some(word)) => (word, self.at(0).map_or("", |token| token.text)),
            (None, None) => return None,
        };
        let help = "Write `case { condition -> value else -> value }`.";
        let message = if next == "{" {
            "The arms of this `case` cannot be read.".to_owned()
        } else {
            "After `case` its arms stand in braces.".to_owned()
        };
        Some(found(Code::Syntax, word, message, help))
    }

    fn domain(&self) -> Option<Found> {
        let previous = self.at(1).filter(|previous| previous.text == ":")?;
        let body = || {
            let head = self.tokens.get(..self.index).unwrap_or_default().iter().rev();
            head.take_while(|token| token.text != "fn").any(|token| matches!(token.text, "{" | "="))
        };
        let declares = match self.clause() {
            "dataset" | "param" | "secret" | "extern" => true,
            "fn" => !body(),
            _ => false,
        };
        let help = "Domains are `bool`, `0..80`, `10.0..90.0`, `2009-01-01..2012-12-31` or `{a, b}`.";
        declares.then(|| found(Code::Syntax, previous, "After this `:` stands no domain.".to_owned(), help))
    }

    /// `f(a b)`: the parser comes back to `a`, which is a value in itself.
    fn no_comma(&self) -> Option<Found> {
        let (token, previous) = (self.at(0)?, self.at(1)?);
        let next = self.tokens.get(self.index + 1)?;
        let value = matches!(token.kind, TokenKind::Text) || is_plain_name(token.text);
        if !self.unfinished || !value || !matches!(previous.text, "," | "(" | "[" | "{") || token.first {
            return None;
        }
        let message = format!("`{}` does not fit after `{}`.", next.text, token.text);
        Some(found(Code::Syntax, next, message, "Put a comma between two values, or an operator."))
    }

    /// What can be said of any token.
    fn otherwise(&self) -> Found {
        let (token, previous) = (self.at(0), self.at(1));
        match (token, previous) {
            (Some(token), Some(previous))
                if previous.text == "=" && token.text != "[" && self.clause() == "example" =>
            {
                let message = "The cells of a column stand in a list.".to_owned();
                found(Code::Syntax, token, message, "Write them as in `x: 0..9 = [1, 2, missing]`.")
            }
            (_, Some(previous)) if self.unfinished => {
                let message = match token {
                    Some(token) => {
                        format!("A value is missing between `{}` and `{}`.", previous.text, token.text)
                    }
                    None => format!("A value is missing after `{}`.", previous.text),
                };
                found(Code::Syntax, previous, message, after(previous.text))
            }
            (Some(token), _) if DECLARATIONS.contains(&token.text) => {
                let message = format!("The head of this `{}` cannot be read.", token.text);
                found(Code::Syntax, token, message, crate::remedy::head(token.text))
            }
            (Some(token), Some(previous)) => {
                let message = format!("`{}` does not fit after `{}`.", token.text, previous.text);
                found(Code::Syntax, token, message, self.hint())
            }
            (Some(token), None) => {
                let message = format!("A program does not begin with `{}`.", token.text);
                found(Code::Syntax, token, message, self.hint())
            }
            (None, Some(previous)) => {
                let message = format!("The text ends too early, after `{}`.", previous.text);
                found(Code::Syntax, previous, message, after(previous.text))
            }
            (None, None) => Found {
                code: Code::Syntax,
                start: 0,
                end: 0,
                message: "The text is empty.".to_owned(),
                help: "Write a `query` or a `dataset`.".to_owned(),
            },
        }
    }
}
