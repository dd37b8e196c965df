//! Words and tokens: what is reserved, what is a plain name, and a scan of a text into tokens.

/// Words that can follow an expression, and so are never names.
pub(crate) const RESERVED: &[&str] = &[
    "fn", "query", "from", "where", "derive", "by", "report", "sort", "take", "and", "or", "not", "in", "for",
    "case", "else", "true", "false", "missing",
];

/// Whether a text can stand as a name: a letter or `_`, then letters, digits and `_`; not reserved.
#[must_use]
pub(crate) fn is_plain_name(text: &str) -> bool {
    let mut bytes = text.bytes();
    bytes.next().is_some_and(|first| first.is_ascii_alphabetic() || first == b'_')
        && bytes.all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
        && !RESERVED.contains(&text)
}
