//! Messages with a `Content-Length` before each. What is no message is told and passed over.

use std::io::{self, BufRead, Read, Write};

use serde_json::Value;

/// Largest message, in bytes.
const MAX_MESSAGE_BYTES: u64 = 64 << 20;
/// Longest line of a header.
const MAX_HEADER_BYTES: u64 = 4096;

/// What came.
#[derive(Debug, PartialEq)]
pub(super) enum Incoming {
    Message(Value),
    /// No message, and why.
    Garbage(String),
}

/// The next message; `None` at the end of the input.
pub(super) fn read(input: &mut impl BufRead) -> Option<Incoming> {
    let mut length: Option<u64> = None;
    loop {
        let mut line = Vec::new();
        let count = input.by_ref().take(MAX_HEADER_BYTES).read_until(b'\n', &mut line).ok()?;
        if count == 0 {
            return None;
        }
        let line = String::from_utf8_lossy(&line);
        match (line.trim(), length) {
            ("", Some(length)) => return body(input, length),
            ("", None) => {}
            (header, _) => {
                let (name, value) = header.split_once(':').unwrap_or((header, ""));
                if name.eq_ignore_ascii_case("content-length") {
                    length = value.trim().parse().ok();
                }
            }
        }
    }
}

fn body(input: &mut impl BufRead, length: u64) -> Option<Incoming> {
    if length > MAX_MESSAGE_BYTES {
        let passed = io::copy(&mut input.by_ref().take(length), &mut io::sink()).ok()?;
        let words = format!("a message of {length} bytes is too long");
        return (passed == length).then_some(Incoming::Garbage(words));
    }
    let mut bytes = Vec::new();
    let count = input.by_ref().take(length).read_to_end(&mut bytes).ok()?;
    if u64::try_from(count).ok() != Some(length) {
        return None;
    }
    Some(match serde_json::from_slice(&bytes) {
        Ok(message) => Incoming::Message(message),
        Err(error) => Incoming::Garbage(error.to_string()),
    })
}

/// Sends a message.
pub(super) fn write(output: &mut impl Write, message: &Value) -> io::Result<()> {
    let text = message.to_string();
    write!(output, "Content-Length: {}\r\n\r\n{text}", text.len())?;
    output.flush()
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a failing test may panic")]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn messages_come_back_and_garbage_is_passed_over() {
        let mut sent = Vec::new();
        write(&mut sent, &json!({"a": "ü"})).unwrap();
        sent.extend(b"\r\nnonsense\r\n\r\nContent-Length: x\r\n\r\ncontent-length: 3\r\n\r\n{]}");
        sent.extend(b"Content-Length: 99999999999999999999\r\nX: y\r\nContent-Length: 2\r\n\r\n{}");
        sent.extend(b"Content-Length: 50\r\n\r\n{}");
        let mut input = sent.as_slice();
        assert_eq!(read(&mut input), Some(Incoming::Message(json!({"a": "ü"}))));
        assert!(matches!(read(&mut input), Some(Incoming::Garbage(_))));
        assert_eq!(read(&mut input), Some(Incoming::Message(json!({}))));
        assert_eq!(read(&mut input), None);
    }
}
