//! Words and tokens: what is reserved, what is a plain name, and a scan of a text into tokens.

/// Words that can follow an expression, and so are never names.
pub(crate) const RESERVED: &[&str] = &[
    "fn", "query", "from", "where", "derive", "by", "report", "sort", "take", "and", "or", "not", "in",
    "for", "case", "else", "true", "false", "missing",
];

/// Whether a text can stand as a name: a letter or `_`, then letters, digits and `_`; not reserved.
#[must_use]
pub(crate) fn is_plain_name(text: &str) -> bool {
    let mut bytes = text.bytes();
    bytes.next().is_some_and(|first| first.is_ascii_alphabetic() || first == b'_')
        && bytes.all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
        && !RESERVED.contains(&text)
}

/// Words that begin a declaration at the start of a line.
pub(crate) const DECLARATIONS: &[&str] =
    &["use", "param", "secret", "dataset", "cohort", "query", "fn", "extern", "example"];

/// Words that begin a clause of a query.
pub(crate) const CLAUSES: &[&str] = &["from", "where", "derive", "by", "report", "sort", "take"];

/// What a token is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum TokenKind {
    /// A name, a reserved word or a number.
    Word,
    /// A text in quotes.
    Text,
    /// A quote that is not closed on its line.
    OpenText,
    /// `(`, `[` or `{`.
    Open,
    /// `)`, `]` or `}`.
    Close,
    /// An operator or other mark of the language.
    Mark,
    /// A character that the language does not use.
    Stray,
}

/// A token with its bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Token<'a> {
    pub(crate) kind: TokenKind,
    pub(crate) text: &'a str,
    pub(crate) start: usize,
    /// Whether it is the first on its line.
    pub(crate) first: bool,
}

impl Token<'_> {
    pub(crate) fn end(&self) -> usize {
        self.start + self.text.len()
    }
}

/// Bytes of a name or a number, with its decimals.
fn word_length(rest: &str) -> usize {
    let run = |text: &str| text.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(text.len());
    let length = run(rest);
    let number = rest.starts_with(|c: char| c.is_ascii_digit());
    let decimals = rest.get(length..).and_then(|rest| rest.strip_prefix('.'));
    match decimals.filter(|decimals| number && decimals.starts_with(|c: char| c.is_ascii_digit())) {
        Some(decimals) => length + 1 + run(decimals),
        None => length,
    }
}

const MARKS: &[&str] = &["==", "!=", "<>", "<=", ">=", "->", "??", ".."];

/// Cuts a text into tokens, without white space and comments. Never fails.
pub(crate) fn scan(text: &str) -> Vec<Token<'_>> {
    let mut tokens = Vec::new();
    let (mut at, mut first) = (0, true);
    while let Some(rest) = text.get(at..) {
        let Some(head) = rest.chars().next() else { break };
        let length_while = |test: fn(char) -> bool| rest.find(|c| !test(c)).unwrap_or(rest.len());
        if head == '\n' {
            first = true;
        }
        if head.is_whitespace() || head == '\u{feff}' {
            at += head.len_utf8();
            continue;
        }
        if head == '#' {
            at += length_while(|c| c != '\n');
            continue;
        }
        let (kind, length) = if head.is_alphanumeric() || head == '_' {
            (TokenKind::Word, word_length(rest))
        } else if head == '"' {
            let line = rest.find('\n').unwrap_or(rest.len());
            match rest.get(1..line).and_then(|body| body.find('"')) {
                Some(close) => (TokenKind::Text, close + 2),
                None => (TokenKind::OpenText, rest.get(..line).map_or(1, |line| line.trim_end().len())),
            }
        } else if matches!(head, '(' | '[' | '{') {
            (TokenKind::Open, 1)
        } else if matches!(head, ')' | ']' | '}') {
            (TokenKind::Close, 1)
        } else if MARKS.iter().any(|mark| rest.starts_with(mark)) {
            (TokenKind::Mark, 2)
        } else if "=<>+-*/%^.,:?".contains(head) {
            (TokenKind::Mark, 1)
        } else {
            (TokenKind::Stray, head.len_utf8())
        };
        tokens.push(Token { kind, text: rest.get(..length).unwrap_or(""), start: at, first });
        first = false;
        at += length.max(1);
    }
    tokens
}

#[cfg(test)]
mod tests;
