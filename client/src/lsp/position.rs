//! Places in a text: bytes here, lines and UTF-16 units with the editor. Any place the editor names is
//! brought to one that exists.

use serde_json::{Value, json};

/// The byte of `{line, character}`; `None` if it is no place.
pub(super) fn offset(text: &str, position: &Value) -> Option<usize> {
    let number = |key: &str| {
        let number = position.get(key)?.as_u64()?;
        Some(usize::try_from(number).unwrap_or(usize::MAX))
    };
    let (line, character) = (number("line")?, number("character")?);
    let mut start = 0;
    for _ in 0..line {
        let Some(end) = text.get(start..).and_then(|rest| rest.find('\n')) else { return Some(text.len()) };
        start += end + 1;
    }
    let rest = text.get(start..).unwrap_or("");
    let line = rest.split('\n').next().unwrap_or("");
    let line = line.strip_suffix('\r').unwrap_or(line);
    let mut units = 0;
    for (at, c) in line.char_indices() {
        // A place inside a surrogate pair is the character's.
        if units + c.len_utf16() > character {
            return Some(start + at);
        }
        units += c.len_utf16();
    }
    Some(start + line.len())
}

/// `{line, character}` of a byte.
pub(super) fn position(text: &str, offset: usize) -> Value {
    let mut end = offset.min(text.len());
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    let before = text.get(..end).unwrap_or("");
    let line = before.matches('\n').count();
    let start = before.rfind('\n').map_or(0, |at| at + 1);
    let character: usize = before.get(start..).unwrap_or("").chars().map(char::len_utf16).sum();
    json!({"line": line, "character": character})
}

/// `{start, end}` of some bytes.
pub(super) fn range(text: &str, start: usize, end: usize) -> Value {
    json!({"start": position(text, start), "end": position(text, end)})
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn units_are_those_of_utf16() {
        let text = "a\nµ𝛼b\r\nx";
        let at = |line: u64, character: u64| offset(text, &json!({"line": line, "character": character}));
        assert_eq!([at(0, 0), at(0, 1), at(0, 9)], [Some(0), Some(1), Some(1)]);
        assert_eq!([at(1, 1), at(1, 2), at(1, 3), at(1, 4), at(1, 7)], [4, 4, 8, 9, 9].map(Some));
        assert_eq!([at(2, 0), at(2, 5), at(7, 7)], [11, 12, 12].map(Some));
        assert_eq!(offset(text, &json!({"line": -1, "character": 0})), None);
        for (byte, _) in text.char_indices().filter(|(_, c)| !matches!(c, '\r' | '\n')) {
            assert_eq!(offset(text, &position(text, byte)), Some(byte));
        }
        assert_eq!(position(text, 5), json!({"line": 1, "character": 1}));
    }
}
