//! How much of the text goes with a mistake: a result, a clause, a column, or a whole declaration.

use crate::lexis::{CLAUSES, DECLARATIONS, RESERVED, Token, TokenKind, is_plain_name};
use crate::remedy::{clause, expects_value};

/// The parser takes a word behind a finished value for the name of the next result and stops after it;
/// the mistake is the word.
pub(super) fn culprit(tokens: &[Token<'_>], index: usize) -> usize {
    let word = index.checked_sub(1).and_then(|at| tokens.get(at));
    let value = index.checked_sub(2).and_then(|at| tokens.get(at));
    // `age: 1..` takes the name of the next column for its bound.
    let colon = tokens.get(index).is_some_and(|token| token.text == ":");
    if colon && word.is_some_and(|word| word.first) && value.is_some_and(|value| expects_value(value.text)) {
        return index - 1;
    }
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
pub(super) fn is_boundary(tokens: &[Token<'_>], index: usize) -> bool {
    let Some(token) = tokens.get(index) else { return true };
    let next = tokens.get(index + 1).map_or("", |next| next.text);
    CLAUSES.contains(&token.text)
        || (token.first && DECLARATIONS.contains(&token.text))
        || matches!(token.text, "query" | "fn")
        || (token.first && token.kind == TokenKind::Word && matches!(next, "=" | ":"))
        || (token.first && matches!((token.text, next), ("rows", "<=") | ("release", "{")))
}

/// The bytes of the unit around a token: from its boundary to the next. A declaration's first line takes
/// the whole declaration with it.
pub(super) fn surroundings(tokens: &[Token<'_>], index: usize) -> (usize, usize) {
    let first = (0..=index.min(tokens.len().saturating_sub(1))).rev().find(|&at| is_boundary(tokens, at));
    // A faulty result leaves the clause it stands in.
    let first = first.unwrap_or(0);
    let heads = tokens.get(first).is_some_and(|token| matches!(token.text, "report" | "derive"));
    let first = if heads && first < index { first + 1 } else { first };
    let start = tokens.get(first).map_or(0, |token| token.start);
    let whole = declares(tokens, first);
    let last = (index + 1..tokens.len()).find(|&at| {
        let continues = at.checked_sub(1).and_then(|before| tokens.get(before)).is_some_and(|before| {
            // `secret param` and `extern fn` are one declaration; `from` ends an `extern fn`.
            matches!(before.text, "secret" | "extern")
        });
        !continues && if whole { declares(tokens, at) } else { is_boundary(tokens, at) }
    });
    if whole {
        let end = last.and_then(|at| tokens.get(at)).map_or(usize::MAX, |token| token.start);
        return (start, end);
    }
    balanced(tokens, first, last.unwrap_or(tokens.len()))
}

/// The bytes of `first..last`, moved so that brackets stay in pairs: what is opened inside is taken with what
/// closes it, and a bracket that closes one from before stays. A function without its value is no function,
/// so it goes as a whole.
fn balanced(tokens: &[Token<'_>], first: usize, last: usize) -> (usize, usize) {
    let byte = |at: usize| tokens.get(at).map_or(usize::MAX, |token| token.start);
    let mut depth = 0_usize;
    for (at, token) in tokens.iter().enumerate().skip(first) {
        if at >= last && depth == 0 {
            return (byte(first), byte(at));
        }
        match token.kind {
            TokenKind::Open => depth += 1,
            TokenKind::Close if depth == 0 => {
                let function = (0..first).rev().find(|&at| declares(tokens, at));
                let function = function.filter(|&at| tokens.get(at).is_some_and(|word| word.text == "fn"));
                return function.map_or((byte(first), token.start), |head| {
                    (
                        byte(head),
                        (first..tokens.len()).find(|&at| declares(tokens, at)).map_or(usize::MAX, byte),
                    )
                });
            }
            TokenKind::Close => depth -= 1,
            TokenKind::Word | TokenKind::Text | TokenKind::OpenText | TokenKind::Mark | TokenKind::Stray => {}
        }
    }
    (byte(first), usize::MAX)
}

/// The function that a token stands in, to the next declaration.
pub(super) fn function_around(tokens: &[Token<'_>], index: usize) -> Option<(usize, usize)> {
    let head = (0..=index).rev().find(|&at| declares(tokens, at))?;
    let token = tokens.get(head).filter(|token| token.text == "fn")?;
    let next = (head + 1..tokens.len()).find(|&at| declares(tokens, at)).and_then(|at| tokens.get(at));
    Some((token.start, next.map_or(usize::MAX, |next| next.start)))
}

/// Whether a declaration begins at this token.
fn declares(tokens: &[Token<'_>], at: usize) -> bool {
    tokens.get(at).is_some_and(|token| {
        (token.first && DECLARATIONS.contains(&token.text)) || matches!(token.text, "query" | "fn")
    })
}
