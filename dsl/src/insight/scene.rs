//! Where a place stands in a text, told from its tokens alone, so that it works while the text is wrong.

use crate::lexis::{CLAUSES, DECLARATIONS, Token, TokenKind, is_plain_name, scan};

/// A text's tokens.
pub(super) struct Scene<'a> {
    pub(super) tokens: Vec<Token<'a>>,
}

/// A declaration: its tokens, from its first word to before the next declaration.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Declaration<'a> {
    pub(super) word: &'a str,
    pub(super) start: usize,
    pub(super) end: usize,
}

/// A dotted name, or a part of one up to the word asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Path<'a> {
    pub(super) words: Vec<&'a str>,
    /// Index of its first token.
    pub(super) first: usize,
    /// Index of the token asked for.
    pub(super) last: usize,
    /// Bytes of its words up to the one asked for.
    pub(super) start: usize,
    pub(super) end: usize,
}

impl<'a> Scene<'a> {
    pub(super) fn of(text: &'a str) -> Self {
        Self { tokens: scan(text) }
    }

    pub(super) fn word(&self, index: usize) -> &'a str {
        self.tokens.get(index).map_or("", |token| token.text)
    }

    pub(super) fn before(&self, index: usize) -> &'a str {
        index.checked_sub(1).map_or("", |before| self.word(before))
    }

    fn is_name(&self, index: usize) -> bool {
        self.tokens.get(index).is_some_and(|token| token.kind == TokenKind::Word && is_plain_name(token.text))
    }

    /// The dotted name at a byte.
    pub(super) fn path_at(&self, offset: usize) -> Option<Path<'a>> {
        let found = self.tokens.iter().position(|token| {
            token.kind == TokenKind::Word && token.start <= offset && offset <= token.end()
        })?;
        let touches = |left: usize, right: usize| {
            self.tokens
                .get(left)
                .zip(self.tokens.get(right))
                .is_some_and(|(left, right)| left.end() == right.start)
        };
        let mut first = found;
        while let Some(before) = first.checked_sub(2) {
            let dotted =
                self.word(before + 1) == "." && touches(before, before + 1) && touches(before + 1, first);
            if !dotted || self.tokens.get(before)?.kind != TokenKind::Word {
                break;
            }
            first = before;
        }
        let words = (first..=found).step_by(2).map(|index| self.word(index)).collect();
        let (start, end) = (self.tokens.get(first)?.start, self.tokens.get(found)?.end());
        Some(Path { words, first, last: found, start, end })
    }

    /// Index of the first token that ends behind a byte: what is being written there, or what comes next.
    pub(super) fn index_at(&self, offset: usize) -> usize {
        let writing = |token: &Token<'_>| {
            token.kind == TokenKind::Word && token.start < offset && offset <= token.end()
        };
        self.tokens
            .iter()
            .position(|token| writing(token) || token.start >= offset)
            .unwrap_or(self.tokens.len())
    }

    fn declares(&self, index: usize) -> bool {
        let Some(token) = self.tokens.get(index) else { return false };
        let next = self.word(index + 1);
        token.first
            && DECLARATIONS.contains(&token.text)
            && !matches!(next, "=" | ":" | "." | "(" | ",")
            && !matches!(self.before(index), "secret" | "extern")
    }

    /// The declaration that the token of an index belongs to.
    pub(super) fn declaration(&self, index: usize) -> Option<Declaration<'a>> {
        let last = index.min(self.tokens.len().checked_sub(1)?);
        let start = (0..=last).rev().find(|&at| self.declares(at))?;
        let end = (start + 1..self.tokens.len()).find(|&at| self.declares(at)).unwrap_or(self.tokens.len());
        // `secret param` and `extern fn` are told by their second word.
        let word = match self.word(start) {
            "secret" | "extern" => self.word(start + 1),
            word => word,
        };
        Some(Declaration { word, start, end })
    }

    /// The clause that stands last before a token of a query: its word, and the index of that.
    pub(super) fn clause(&self, declaration: Declaration<'_>, index: usize) -> Option<(usize, &'a str)> {
        let at = (declaration.start + 1..index.min(declaration.end))
            .rev()
            .find(|&at| CLAUSES.contains(&self.word(at)) && self.word(at + 1) != ":")?;
        Some((at, self.word(at)))
    }

    /// What a query or cohort reads.
    pub(super) fn source(&self, declaration: Declaration<'_>) -> Option<&'a str> {
        let from = (declaration.start..declaration.end)
            .find(|&at| self.word(at) == "from" && self.is_name(at + 1))?;
        Some(self.word(from + 1))
    }

    /// Tokens at which names of a declaration are given: results, derived values, arguments, variables.
    pub(super) fn names(&self, declaration: Declaration<'_>) -> Vec<usize> {
        let body = declaration.start + 1..declaration.end;
        let mut open = 0_usize;
        let mut names = Vec::new();
        let mut in_head = declaration.word == "fn";
        for at in body {
            match self.word(at) {
                "(" | "[" | "{" => open += 1,
                ")" | "]" | "}" => {
                    open = open.saturating_sub(1);
                    in_head &= open > 0;
                }
                _ => {}
            }
            let argument = in_head && open == 1 && matches!(self.before(at), "(" | ",");
            let bound = self.word(at + 1) == "=" && declaration.word != "param";
            let variable = self.before(at) == "for";
            if self.is_name(at) && (argument || bound || variable) {
                names.push(at);
            }
        }
        names
    }

    /// The bracket that a token stands in, if it is not closed before.
    pub(super) fn bracket(&self, index: usize) -> Option<usize> {
        let mut closed = 0_usize;
        for at in (0..index.min(self.tokens.len())).rev() {
            match self.tokens.get(at)?.kind {
                TokenKind::Close => closed += 1,
                TokenKind::Open if closed == 0 => return Some(at),
                TokenKind::Open => closed -= 1,
                TokenKind::Word
                | TokenKind::Text
                | TokenKind::OpenText
                | TokenKind::Mark
                | TokenKind::Stray => {}
            }
        }
        None
    }

    /// The dotted name that ends right before a token.
    pub(super) fn path_before(&self, index: usize) -> Option<Path<'a>> {
        let token = self.tokens.get(index.checked_sub(1)?)?;
        self.path_at(token.start + 1)
    }
}

/// Whether a byte stands in a comment.
pub(super) fn in_comment(text: &str, offset: usize) -> bool {
    let start = text.get(..offset).and_then(|before| before.rfind('\n')).map_or(0, |at| at + 1);
    let mut quoted = false;
    text.get(start..offset).unwrap_or("").chars().any(|c| {
        quoted ^= c == '"';
        c == '#' && !quoted
    })
}
