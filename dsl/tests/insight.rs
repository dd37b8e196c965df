//! What an editor asks, on programs as they are while they are written: cut, doubled, mixed.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a failing test may panic")]

mod support;

use hq_dsl::{FileId, Insight, compile, format};
use support::{Schemas, repository};

/// SplitMix64.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut word = self.0;
        word = (word ^ word >> 30).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        word = (word ^ word >> 27).wrapping_mul(0x94D0_49BB_1331_11EB);
        usize::try_from((word ^ word >> 31) % u64::try_from(bound.max(1)).unwrap()).unwrap()
    }

    fn place(&mut self, text: &str) -> usize {
        let at = self.below(text.len() + 1);
        (0..=at).rev().find(|&at| text.is_char_boundary(at)).unwrap_or(0)
    }
}

fn programs() -> Vec<String> {
    let folders = [
        "stdlib",
        "data/examples",
        "tests/queries",
        "tests/schemas",
        "dsl/tests/programs",
        "dsl/tests/layouts",
    ];
    let mut texts = Vec::new();
    for folder in folders {
        let mut paths: Vec<_> =
            std::fs::read_dir(repository(folder)).unwrap().map(|entry| entry.unwrap().path()).collect();
        paths.retain(|path| path.extension().is_some_and(|extension| extension == "hq"));
        paths.sort();
        texts.extend(paths.iter().map(|path| std::fs::read_to_string(path).unwrap()));
    }
    texts
}

/// Asks everything at a place; what is answered lies in the texts.
fn ask(insight: &Insight, text: &str, offset: usize) {
    if let Some(hover) = insight.hover(offset) {
        assert!(
            text.get(hover.span.start_index()..hover.span.end_index()).is_some() && !hover.text.is_empty()
        );
    }
    if let Some(span) = insight.definition(offset) {
        let target = insight.sources().text(span.file);
        assert!(target.get(span.start_index()..span.end_index()).is_some());
    }
    for item in insight.completions(offset, &["nhanes".to_owned()]) {
        assert!(!item.text.is_empty());
    }
}

#[test]
fn every_place_of_every_program_can_be_asked_about() {
    for text in programs() {
        let insight = Insight::of("a.hq", &text, &[], &Schemas);
        assert_eq!(insight.diagnostics(), compile("a.hq", &text, &[], &Schemas).diagnostics);
        let step = 1 + text.len() / 400;
        for offset in (0..=text.len()).step_by(step).filter(|&offset| text.is_char_boundary(offset)) {
            ask(&insight, &text, offset);
        }
    }
}

#[test]
fn names_of_a_query_lead_somewhere() {
    // Every plain name in a query without mistakes is known; its definition has its text.
    let path = repository("tests/queries/P12.hq");
    let text = std::fs::read_to_string(path).unwrap();
    let insight = Insight::of("a.hq", &text, &[], &Schemas);
    let mut seen = 0;
    for name in ["is_case", "death", "time_days", "case_n", "control_rate", "age", "rate_ratio"] {
        for (at, _) in text.match_indices(name) {
            let whole = |c: Option<char>| c.is_none_or(|c| !c.is_alphanumeric() && c != '_' && c != '.');
            if !whole(text[..at].chars().next_back()) || !whole(text[at + name.len()..].chars().next()) {
                continue;
            }
            if text[..at].rsplit('\n').next().unwrap().contains(['#', '"']) {
                continue;
            }
            let span = insight.definition(at + 1).unwrap();
            assert_eq!(insight.sources().slice(span), name);
            assert!(insight.hover(at).is_some());
            seen += usize::from(span.file != FileId::default());
        }
    }
    assert!(seen > 10, "{seen} columns");
}

#[test]
fn damaged_programs_are_answered_and_never_change_in_layout() {
    let rounds: usize = std::env::var("HQ_ROUNDS").ok().and_then(|text| text.parse().ok()).unwrap_or(3);
    let mut random = Random(11);
    let programs = programs();
    let pieces = [
        "(",
        ")",
        "{",
        "}",
        "[",
        "]",
        "\"",
        "#",
        "\n",
        "=",
        "==",
        ".",
        "..",
        "?",
        "??",
        ",",
        ":",
        "->",
        " in ",
        " for ",
        " case { ",
        " else ",
        " not ",
        "fn f(",
        "query ",
        "use ",
        "from ",
        "by ",
        "report ",
        "- ",
        "𝛼",
        "ü",
        "\u{a0}",
        "1_0",
        "2010-01-01",
    ];
    for text in programs.iter().filter(|text| text.len() < 9000) {
        for _ in 0..rounds {
            let mut text = text.clone();
            for _ in 0..=random.below(3) {
                let at = random.place(&text);
                match random.below(4) {
                    0 => text.truncate(at),
                    1 => text.insert_str(at, pieces[random.below(pieces.len())]),
                    2 => {
                        let end = random.place(&text);
                        text.replace_range(at.min(end)..at.max(end), "");
                    }
                    _ => {
                        let from = random.place(&programs[0]);
                        let part: String = programs[0][from..].chars().take(random.below(60)).collect();
                        text.insert_str(at, &part);
                    }
                }
            }
            let insight = Insight::of("a.hq", &text, &[], &Schemas);
            for _ in 0..12 {
                ask(&insight, &text, random.place(&text));
            }
            if let Ok(laid_out) = format(&text) {
                assert_eq!(format(&laid_out).as_deref(), Ok(laid_out.as_str()), "{text}");
            } else {
                assert!(!insight.diagnostics().is_empty());
            }
        }
    }
}
