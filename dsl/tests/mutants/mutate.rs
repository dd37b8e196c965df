//! Mistakes of every kind on every line of a text, the same ones in each run.

/// A kind of mistake.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// A token is left out.
    Delete,
    /// Two neighbours are exchanged.
    Swap,
    /// A word has a wrong letter.
    Misspell,
    /// A clause, or else a token, stands twice.
    Double,
    /// Another operator stands in place of one.
    Operator,
    /// A bracket is left out.
    Bracket,
    /// A number, text or truth value is changed.
    Literal,
}

pub(crate) const KINDS: [Kind; 7] =
    [Kind::Delete, Kind::Swap, Kind::Misspell, Kind::Double, Kind::Operator, Kind::Bracket, Kind::Literal];

/// A text with one mistake.
#[derive(Debug)]
pub(crate) struct Mutant {
    pub(crate) kind: Kind,
    /// From 1.
    pub(crate) line: usize,
    pub(crate) text: String,
}

const OPERATORS: [&str; 22] = [
    "==", "!=", "<", "<=", ">", ">=", "+", "-", "*", "/", "%", "^", "??", "..", "=", "->", ",", ":", "and",
    "or", "in", ".",
];

fn is_word(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
}

fn is_literal(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_digit() || c == '"') || matches!(text, "true" | "false")
}

/// Byte ranges of the tokens of a line, without its comment.
fn tokens(line: &str) -> Vec<(usize, usize)> {
    let bytes = line.as_bytes();
    let mut found = Vec::new();
    let mut at = 0;
    while at < bytes.len() && bytes[at] != b'#' {
        let class = |at: usize| match bytes.get(at) {
            Some(byte) if byte.is_ascii_alphanumeric() || *byte == b'_' => 1,
            Some(byte) if byte.is_ascii_whitespace() => 0,
            Some(_) => 2,
            None => 3,
        };
        let start = at;
        match class(at) {
            1 => {
                let decimal = |at: usize| {
                    bytes[start].is_ascii_digit()
                        && bytes[at] == b'.'
                        && bytes.get(at + 1).is_some_and(u8::is_ascii_digit)
                };
                while class(at) == 1 || (class(at) == 2 && decimal(at)) {
                    at += 1;
                }
            }
            2 if bytes[at] == b'"' => {
                at += 1 + line[at + 1..].find('"').map_or(line.len() - at - 1, |length| length + 1);
            }
            2 => {
                let double = line.get(at..at + 2).is_some_and(|two| OPERATORS.contains(&two));
                at += if double { 2 } else { 1 };
                while !line.is_char_boundary(at) {
                    at += 1;
                }
            }
            _ => at += 1,
        }
        if class(start) != 0 {
            found.push((start, at));
        }
    }
    found
}

fn misspelt(word: &str, way: usize) -> String {
    let middle = word.len() / 2;
    match way % 4 {
        0 if word.len() > 1 => format!("{}{}", &word[..middle], &word[middle + 1..]),
        1 if word.len() > 2 => {
            let mut letters: Vec<char> = word.chars().collect();
            letters.swap(middle - 1, middle);
            letters.into_iter().collect()
        }
        2 => word[..1].to_ascii_uppercase() + &word[1..],
        _ => format!("{}{}", word, &word[word.len() - 1..]),
    }
}

fn changed(literal: &str, way: usize) -> String {
    if literal.starts_with('"') {
        return match way % 3 {
            0 => literal.trim_end_matches('"').to_owned(),
            1 => literal.replace('"', "'"),
            _ => literal.trim_matches('"').to_owned(),
        };
    }
    if !literal.starts_with(|c: char| c.is_ascii_digit()) {
        return if literal == "true" { "yes" } else { "0" }.to_owned();
    }
    match way % 6 {
        0 => format!("{literal}000"),
        1 => format!("-{literal}"),
        2 => format!("{literal}.55"),
        3 => format!("\"{literal}\""),
        4 => format!("{literal}x"),
        _ => "0".to_owned(),
    }
}

/// The line with `from..to` replaced; `None` if that changes nothing.
fn replaced(line: &str, (from, to): (usize, usize), with: &str) -> Option<String> {
    (&line[from..to] != with).then(|| format!("{}{with}{}", &line[..from], &line[to..]))
}

/// One mistake of a kind on a line. `way` chooses among the possible ones.
fn mistaken(line: &str, kind: Kind, way: usize) -> Option<String> {
    let all = tokens(line);
    let text = |&(from, to): &(usize, usize)| &line[from..to];
    let pick = |test: &dyn Fn(&str) -> bool| {
        let fitting: Vec<(usize, usize)> = all.iter().filter(|token| test(text(token))).copied().collect();
        fitting.get(way.checked_rem(fitting.len())?).copied()
    };
    match kind {
        Kind::Delete => replaced(line, pick(&|_| true)?, ""),
        Kind::Swap => {
            let at = way.checked_rem(all.len().saturating_sub(1))?;
            let (left, right) = (all[at], all[at + 1]);
            let middle = &line[left.1..right.0];
            replaced(line, (left.0, right.1), &format!("{}{middle}{}", text(&right), text(&left)))
        }
        Kind::Misspell => {
            let word = pick(&is_word)?;
            replaced(line, word, &misspelt(text(&word), way))
        }
        Kind::Double => {
            let clauses =
                ["use", "from", "where", "derive", "by", "report", "sort", "take", "rows", "query", "fn"];
            if all.first().is_some_and(|first| clauses.contains(&text(first))) && way.is_multiple_of(2) {
                return Some(format!("{line}\n{line}"));
            }
            let token = pick(&|_| true)?;
            replaced(line, token, &format!("{0} {0}", text(&token)))
        }
        Kind::Operator => {
            let operator = pick(&|token| OPERATORS.contains(&token))?;
            replaced(line, operator, &format!(" {} ", OPERATORS[way * 5 % OPERATORS.len()]))
        }
        Kind::Bracket => replaced(line, pick(&|token| "()[]{}".contains(token))?, ""),
        Kind::Literal => {
            let literal = pick(&is_literal)?;
            replaced(line, literal, &changed(text(&literal), way))
        }
    }
}

/// `ways` mistakes of each kind on each line, as far as the line has room for them.
pub(crate) fn mutants(text: &str, ways: usize) -> Vec<Mutant> {
    let lines: Vec<&str> = text.lines().collect();
    let mut found: Vec<Mutant> = Vec::new();
    for (index, line) in lines.iter().enumerate() {
        for kind in KINDS {
            for way in 0..ways {
                let Some(wrong) = mistaken(line, kind, index * 3 + way * 7) else { continue };
                let before = lines[..index].iter().map(|line| format!("{line}\n"));
                let after = lines[index + 1..].iter().map(|line| format!("{line}\n"));
                let text: String = before.chain([format!("{wrong}\n")]).chain(after).collect();
                if !found.iter().rev().take(16).any(|other| other.text == text) {
                    found.push(Mutant { kind, line: index + 1, text });
                }
            }
        }
    }
    found
}
