//! The grammar of the editors, run over the programs of the tree: what the language reserves is shown so,
//! and every token gets a name that fits it.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a failing test may panic")]

use std::collections::HashMap;
use std::path::Path;

use regex::Regex;
use serde_json::Value;

use super::{RESERVED, TokenKind, scan};
use crate::evaluate::BUILTINS;

/// A pattern of the grammar: a match, or a begin with the patterns up to its end.
struct Pattern {
    matched: Regex,
    name: Option<String>,
    captures: HashMap<usize, String>,
    inside: Option<(Regex, Option<String>, Vec<Pattern>)>,
}

struct Grammar(Vec<Pattern>);

fn root() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/.."))
}

fn text(value: &Value) -> Option<String> {
    value.as_str().map(str::to_owned)
}

fn captures(value: &Value) -> HashMap<usize, String> {
    let entries = value.as_object().into_iter().flatten();
    entries.map(|(index, capture)| (index.parse().unwrap(), text(&capture["name"]).unwrap())).collect()
}

fn patterns(list: &Value, repository: &Value) -> Vec<Pattern> {
    let mut all = Vec::new();
    for item in list.as_array().unwrap() {
        if let Some(name) = item["include"].as_str() {
            let included = &repository[name.trim_start_matches('#')]["patterns"];
            all.extend(patterns(included, repository));
            continue;
        }
        let regex = |key: &str| Regex::new(item[key].as_str().unwrap()).unwrap();
        let begins = item.get("begin").is_some();
        all.push(Pattern {
            matched: regex(if begins { "begin" } else { "match" }),
            name: text(&item["name"]),
            captures: captures(&item[if begins { "beginCaptures" } else { "captures" }]),
            inside: begins.then(|| {
                let end_name = text(&item["endCaptures"]["0"]["name"]);
                (regex("end"), end_name, patterns(&item["patterns"], repository))
            }),
        });
    }
    all
}

impl Grammar {
    fn read() -> Self {
        let path = root().join("editors/vscode/syntaxes/hq.tmLanguage.json");
        let json: Value = serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
        Self(patterns(&json["patterns"], &json["repository"]))
    }

    /// The name that each byte of a text gets, line by line as an editor does it.
    fn names(&self, text: &str) -> Vec<String> {
        let mut names: Vec<String> = vec![String::new(); text.len()];
        let mut open: Vec<&(Regex, Option<String>, Vec<Pattern>)> = Vec::new();
        let mut start = 0;
        for line in text.split_inclusive('\n') {
            let body = line.trim_end_matches('\n');
            let mut at = 0;
            while at <= body.len() {
                let current = open.last().map_or(self.0.as_slice(), |inside| inside.2.as_slice());
                let end = open.last().and_then(|inside| inside.0.find_at(body, at));
                let found = current
                    .iter()
                    .filter_map(|pattern| pattern.matched.captures_at(body, at).map(|found| (pattern, found)))
                    .min_by_key(|(_, found)| found.get(0).unwrap().start());
                let ends = end.filter(|end| {
                    found.as_ref().is_none_or(|(_, found)| end.start() <= found.get(0).unwrap().start())
                });
                if let Some(end) = ends {
                    let name = open.pop().unwrap().1.clone().unwrap_or_default();
                    names[start + end.start()..start + end.end()].fill(name);
                    at = end.end();
                    continue;
                }
                let Some((pattern, found)) = found else { break };
                let whole = found.get(0).unwrap();
                assert!(!whole.is_empty(), "an empty match in {body}");
                names[start + whole.start()..start + whole.end()]
                    .fill(pattern.name.clone().unwrap_or_default());
                for (index, name) in &pattern.captures {
                    if let Some(group) = found.get(*index) {
                        names[start + group.start()..start + group.end()].fill(name.clone());
                    }
                }
                open.extend(pattern.inside.as_ref());
                at = whole.end();
            }
            start += line.len();
        }
        names
    }

    fn name_of(&self, text: &str, part: &str) -> String {
        self.names(text)[text.find(part).unwrap()].clone()
    }
}

/// What a reserved word is shown as.
fn is_word(name: &str) -> bool {
    ["keyword.", "storage.", "constant.language."].iter().any(|start| name.starts_with(start))
}

#[test]
fn every_reserved_word_and_builtin_function_is_covered() {
    let grammar = Grammar::read();
    for word in RESERVED {
        for text in [format!("  {word} x"), format!("a = b {word} (c)"), format!("f({word})")] {
            assert!(is_word(&grammar.name_of(&text, word)), "`{word}` in `{text}`");
        }
        let longer = format!("x = {word}s + 1");
        assert_eq!(grammar.name_of(&longer, word), "variable.other.hq", "`{longer}`");
    }
    for name in BUILTINS {
        let text = format!("  a = {name}(x)");
        assert!(grammar.name_of(&text, name).starts_with("support.function"), "`{text}`");
    }
}

#[test]
fn words_where_they_stand() {
    let grammar = Grammar::read();
    for (text, part, name) in [
        ("use actg175", "use", "keyword.control.import.hq"),
        ("secret param p: 0..9", "secret", "storage.modifier.hq"),
        ("dataset d \"t\" {", "dataset", "storage.type.hq"),
        ("  rows <= 25_000, one per person", "25_000", "constant.numeric.hq"),
        ("  rows <= 25_000, one per person", "per", "keyword.other.hq"),
        ("  release { min_cell 11 }", "release", "keyword.other.hq"),
        ("  release { min_cell 11 encrypted }", "encrypted", "keyword.other.hq"),
        ("  release { min_cell 11 encrypted }", "11", "constant.numeric.hq"),
        ("  a = encrypted + 1", "encrypted", "variable.other.hq"),
        ("  sex: {female, \"not known\"} ?", "female", "constant.other.level.hq"),
        ("  sex: {female, \"not known\"} ?", "\"not", "string.quoted.double.hq"),
        ("  a = x in {b, c}", "c}", "constant.other.level.hq"),
        ("  day: 2009-01-01..2012-12-31", "2012-12-31", "constant.numeric.date.hq"),
        ("  k: 0..100 step 10", "step", "keyword.other.hq"),
        ("  a = step * k", "step", "variable.other.hq"),
        ("  smoker: bool ?", "bool", "storage.type.hq"),
        ("  n = stats.mean(x) # mean", "stats", "entity.name.function.hq"),
        ("  n = stats.mean(x) # mean", "# mean", "comment.line.number-sign.hq"),
        ("  sort n desc, a", "desc", "keyword.other.hq"),
        ("fn stats.mean(x) = sum(x)", "stats.mean", "entity.name.function.hq"),
        ("extern fn f(x: 0..9) -> 0..9 from \"p\"", "extern", "storage.modifier.hq"),
        ("  rate = a / b", "rate", "variable.other.definition.hq"),
        ("  rate = a / b", "/", "keyword.operator.hq"),
    ] {
        assert_eq!(grammar.name_of(text, part), name, "`{part}` in `{text}`");
    }
}

#[test]
fn every_token_of_the_programs_of_the_tree_gets_a_fitting_name() {
    let grammar = Grammar::read();
    let mut seen = 0;
    for folder in ["stdlib", "data", "data/examples", "tests/queries", "tests/schemas", "dsl/tests/programs"]
    {
        for entry in std::fs::read_dir(root().join(folder)).unwrap() {
            let path = entry.unwrap().path();
            if path.extension().is_none_or(|extension| extension != "hq") {
                continue;
            }
            let text = std::fs::read_to_string(&path).unwrap();
            let names = grammar.names(&text);
            for token in scan(&text) {
                let name = &names[token.start];
                let fits = match token.kind {
                    TokenKind::Word if RESERVED.contains(&token.text) => {
                        is_word(name) || name.starts_with("variable.other.property")
                    }
                    TokenKind::Word if token.text.starts_with(|c: char| c.is_ascii_digit()) => {
                        name.starts_with("constant.numeric")
                    }
                    TokenKind::Word => !name.is_empty() && !name.starts_with("constant.numeric"),
                    TokenKind::Text => name.starts_with("string."),
                    TokenKind::Open | TokenKind::Close | TokenKind::Mark => true,
                    TokenKind::OpenText | TokenKind::Stray => false,
                };
                assert!(fits, "{}: `{}` is `{name}`", path.display(), token.text);
                seen += 1;
            }
        }
    }
    assert!(seen > 3000, "{seen} tokens");
}
