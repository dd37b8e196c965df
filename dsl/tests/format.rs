//! The formatter: layouts as golden files, and what it promises on every program of the tree and on random
//! layouts of them.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a failing test may panic")]

mod support;

use std::path::PathBuf;

use hq_dsl::{compile, format};
use support::{Schemas, repository};

const FOLDERS: [&str; 9] = [
    "stdlib",
    "data",
    "data/examples",
    "tests/queries",
    "tests/schemas",
    "dsl/tests/programs",
    "dsl/tests/figures",
    "dsl/tests/diagnostics",
    "dsl/tests/layouts",
];

fn files(folder: &str, extension: &str) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(repository(folder)).unwrap();
    let mut paths: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    paths.retain(|path| path.extension().is_some_and(|other| other == extension));
    paths.sort();
    paths
}

/// Programs of the tree and of its documents, with their places.
fn programs() -> Vec<(String, String)> {
    let mut all = Vec::new();
    for path in FOLDERS.iter().flat_map(|folder| files(folder, "hq")).chain(files("dsl/tests/layouts", "in"))
    {
        all.push((path.display().to_string(), std::fs::read_to_string(&path).unwrap()));
    }
    for path in files("docs", "md").into_iter().chain([repository("README.md")]) {
        let text = std::fs::read_to_string(&path).unwrap();
        let blocks = text.split("```hq\n").skip(1).map(|rest| rest.split("```").next().unwrap().to_owned());
        all.extend(blocks.enumerate().map(|(at, block)| (format!("{} {at}", path.display()), block)));
    }
    all
}

/// A text without white space outside of texts and comments, and its comments.
fn essence(text: &str) -> (String, Vec<String>) {
    let (mut code, mut comments) = (String::new(), Vec::new());
    for line in text.lines() {
        let mut quoted = false;
        for (at, c) in line.char_indices() {
            match c {
                '#' if !quoted => {
                    comments.push(line[at..].trim_end().to_owned());
                    break;
                }
                '"' => quoted = !quoted,
                _ => {}
            }
            if quoted || !(c.is_whitespace() || c == '\u{feff}') {
                code.push(c);
            }
        }
    }
    (code, comments)
}

/// Formats, and checks what holds of every result.
fn checked(place: &str, text: &str) -> String {
    let once = format(text).unwrap_or_else(|found| panic!("{place}: {}\n{text}", found[0]));
    assert_eq!(essence(&once), essence(text), "{place}: tokens or comments differ\n{text}\n----\n{once}");
    assert_eq!(format(&once).as_deref(), Ok(once.as_str()), "{place}: not the last layout\n{text}");
    assert!(once.lines().all(|line| line.trim_end() == line), "{place}: spaces at the end of a line\n{once}");
    assert!(!once.contains("\n\n\n") && !once.starts_with('\n'), "{place}: empty lines\n{once}");
    assert!(once.is_empty() || (once.ends_with('\n') && !once.ends_with("\n\n")), "{place}: end\n{once}");
    once
}

#[test]
fn layouts() {
    let mut failures = Vec::new();
    for path in files("dsl/tests/layouts", "in") {
        let text = std::fs::read_to_string(&path).unwrap();
        let laid_out = checked(&path.display().to_string(), &text);
        let golden = path.with_extension("hq");
        if std::env::var_os("HQ_BLESS").is_some() {
            std::fs::write(&golden, laid_out).unwrap();
        } else if std::fs::read_to_string(&golden).unwrap_or_default() != laid_out {
            failures.push(format!("{} differs; it is now:\n{laid_out}", golden.display()));
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

#[test]
fn programs_of_the_tree_keep_their_tokens_comments_and_meaning() {
    let mut read = 0;
    for (place, text) in programs() {
        if let Err(found) = format(&text) {
            let is_wrong = place.contains("diagnostics") || place.contains(".md");
            assert!(is_wrong && found.iter().any(hq_dsl::Diagnostic::is_error), "{place}: {}", found[0]);
            continue;
        }
        read += 1;
        let laid_out = checked(&place, &text);
        let meaning = |text: &str| -> Vec<String> {
            let compiled = compile("a.hq", text, &[], &Schemas);
            // Names of aggregates are source text.
            let queries = compiled.queries.iter().map(|query| query.to_string().replace(' ', ""));
            let mut found: Vec<String> =
                compiled.diagnostics.iter().map(|diagnostic| diagnostic.code.to_string()).collect();
            found.sort();
            queries.chain(found).collect()
        };
        assert_eq!(meaning(&laid_out), meaning(&text), "{place}: another meaning");
    }
    assert!(read > 60, "only {read} programs were read");
}

#[test]
fn programs_of_the_project_are_laid_out() {
    for folder in ["data", "data/examples", "stdlib", "tests/queries", "tests/schemas"] {
        for path in files(folder, "hq") {
            let text = std::fs::read_to_string(&path).unwrap();
            assert!(format(&text).as_ref() == Ok(&text), "run `hq fmt {}`", path.display());
        }
    }
}

/// SplitMix64.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut word = self.0;
        word = (word ^ word >> 30).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        word = (word ^ word >> 27).wrapping_mul(0x94D0_49BB_1331_11EB);
        (word ^ word >> 31) % bound
    }

    /// White space between two tokens; with a line break or a comment if that may be.
    fn gap(&mut self, breaks: bool, comments: &mut usize, of: u64) -> String {
        if !breaks {
            return [" ", "  ", "\t"][usize::try_from(self.below(3)).unwrap()].to_owned();
        }
        let mut gap = String::new();
        for _ in 0..=self.below(2) {
            let piece = match self.below(of) {
                0 => "\n".to_owned(),
                1 => "\r\n\n\n".to_owned(),
                2 => {
                    *comments += 1;
                    format!(" # comment {comments} \"ü\"\n")
                }
                3 => {
                    *comments += 1;
                    format!("\n\n# comment {comments}\n    ")
                }
                4 => "\u{a0}".to_owned(),
                _ => "  ".to_owned(),
            };
            gap.push_str(&piece);
        }
        gap
    }
}

/// The same tokens with other white space between them, and more comments.
fn shaken(text: &str, random: &mut Random, of: u64) -> String {
    let (mut out, mut comments) = (String::new(), 0);
    let mut rest = text;
    while let Some(head) = rest.chars().next() {
        if head.is_whitespace() || head == '#' {
            // One run of white space and comments.
            let mut gap = 0;
            while let Some(c) = rest[gap..].chars().next().filter(|c| c.is_whitespace() || *c == '#') {
                gap +=
                    if c == '#' { rest[gap..].find('\n').unwrap_or(rest.len() - gap) } else { c.len_utf8() };
            }
            let after = rest[gap..].chars().next();
            let clings = matches!(after, Some('(' | '['));
            if clings && rest[..gap].contains('\n') {
                out.push('\n');
            }
            out.push_str(&random.gap(!clings, &mut comments, of));
            rest = &rest[gap..];
            continue;
        }
        let length = if head == '"' { rest[1..].find('"').unwrap() + 2 } else { head.len_utf8() };
        if matches!(head, ')' | ']' | '}' | ',') && random.below(4) == 0 {
            out.push_str(&random.gap(true, &mut comments, of));
        }
        out.push_str(&rest[..length]);
        if matches!(head, '(' | '{' | ',' | ':') && random.below(4) == 0 && !rest[1..].starts_with(['[', '('])
        {
            out.push_str(&random.gap(true, &mut comments, of));
        }
        rest = &rest[length..];
    }
    out
}

#[test]
fn random_layouts_keep_tokens_and_comments() {
    let rounds = std::env::var("HQ_ROUNDS").ok().and_then(|text| text.parse().ok()).unwrap_or(4_u64);
    let mut random = Random(7);
    for (place, text) in programs() {
        if text.len() > 12_000 || format(&text).is_err() {
            continue;
        }
        for round in 0..rounds {
            // From nothing but white space to comments nearly everywhere.
            let of = [2, 40, 12, 5][usize::try_from(round % 4).unwrap()];
            let shaken = shaken(&text, &mut random, of);
            checked(&format!("{place}, round {round}"), &shaken);
        }
    }
}

#[test]
fn what_does_not_parse_is_left_alone() {
    for text in ["query q from", "fn f(x = 1", "dataset d {", "\"", "x = 1", "query q where a = 1"] {
        let found = format(text).unwrap_err();
        assert!(found.iter().any(hq_dsl::Diagnostic::is_error), "{text}");
    }
}

#[test]
fn edges() {
    for (text, expected) in [
        ("", ""),
        ("\n \n", ""),
        ("\u{feff}# only a comment", "# only a comment\n"),
        ("use  a\r\nuse b", "use a\nuse b\n"),
        ("fn f(x)={a:x,}", "fn f(x) = { a: x, }\n"),
        ("fn f(x) {\n g = x\n (x)\n}", "fn f(x) {\n  g = x\n  (x)\n}\n"),
        ("fn f(x) = x- # less\n1", "fn f(x) =\n  x\n  -  # less\n  1\n"),
        ("query q from a report x=[]", "query q\n  from a\n  report x = []\n"),
    ] {
        assert_eq!(checked("edge", text), expected);
    }
}

#[test]
fn long_and_deep_programs_are_laid_out_in_little_time() {
    let terms = vec!["count(a > 1)"; 20_000].join(" + ");
    let deep = format!("{}x{}", "(".repeat(38), ")".repeat(38));
    let levels = (0..20_000).map(|level| format!("\"level {level}\"")).collect::<Vec<_>>().join(",");
    for text in [
        format!("query q from d report x = {terms}"),
        format!("fn f(x) = {deep}"),
        format!("dataset d {{ rows <= 5 a: {{{levels}}} }}"),
    ] {
        let start = std::time::Instant::now();
        checked("long", &text);
        assert!(start.elapsed().as_secs() < 20);
    }
}

#[test]
fn bindings_below_each_other_stay_so() {
    let text = "fn f(x) {\n  a = [count(x and y  and z == s) for s in l(x)]\n  \
                b = [count(x and not y and z == s) for s in l(x)]\n  c = 1 +  2\n  a + b\n}\n";
    let laid_out = checked("table", text);
    assert!(laid_out.contains("(x and y     and z == s)") && laid_out.contains("c = 1 + 2"), "{laid_out}");
}
