//! The language's reference: every `hq` block is compiled, mistakes give the code that they are to show, and
//! what is said of them is compared. `HQ_BLESS=1` writes the messages anew.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a failing test may panic")]

mod support;

use std::sync::Arc;

use hq_dsl::{Compiled, ExternFunction, FunctionFault, Loader, compile, finish, render};
use support::{Schemas, group, repository};

const PAGE: &str = "docs/language/reference.md";

/// The dataset of the page.
struct Clinic(String);

impl Loader for Clinic {
    fn load(&self, module: &str) -> Option<(String, String)> {
        (module == "clinic").then(|| ("clinic.hq".to_owned(), self.0.clone()))
    }

    fn tabulate(&self, function: &ExternFunction) -> Result<Arc<[i64]>, FunctionFault> {
        Schemas.tabulate(function)
    }
}

/// A fenced block with the words behind its first fence.
struct Block<'a> {
    words: Vec<&'a str>,
    text: String,
}

/// The page as text and blocks in turn; the text before a block is first.
fn blocks(page: &str) -> Vec<(String, Option<Block<'_>>)> {
    let mut parts = Vec::new();
    let (mut text, mut open): (String, Option<Block<'_>>) = (String::new(), None);
    for line in page.lines() {
        match (&mut open, line.strip_prefix("```")) {
            (None, Some(words)) => {
                open = Some(Block { words: words.split_whitespace().collect(), text: String::new() });
            }
            (Some(_), Some(_)) => parts.push((std::mem::take(&mut text), open.take())),
            (Some(block), None) => block.text += &format!("{line}\n"),
            (None, None) => text += &format!("{line}\n"),
        }
    }
    assert!(open.is_none(), "a block is not closed");
    parts.push((text, None));
    parts
}

/// Compiles a block as what its words say it is.
fn compiled(block: &Block<'_>, clinic: &Clinic) -> Compiled {
    let program = match block.words.get(1) {
        Some(&"query") => format!("use clinic query q from clinic\n{}", block.text),
        Some(&"report") => format!("use clinic query q from clinic report\n{}", block.text),
        _ => block.text.clone(),
    };
    compile("example.hq", &program, &[], clinic)
}

#[test]
fn every_block_of_the_reference_is_true() {
    let page = std::fs::read_to_string(repository(PAGE)).unwrap();
    let parts = blocks(&page);
    let is_clinic = |block: &&Block<'_>| block.text.starts_with("dataset clinic ");
    let clinic = parts.iter().filter_map(|(_, block)| block.as_ref()).find(is_clinic).unwrap();
    let clinic = Clinic(clinic.text.clone());
    let (mut now, mut said, mut counted) = (String::new(), String::new(), (0, 0));
    for (text, block) in &parts {
        now += text;
        let Some(block) = block else { continue };
        let mut body = block.text.clone();
        match block.words.first().copied() {
            Some("hq") => {
                let found = compiled(block, &clinic);
                let codes: Vec<String> =
                    found.diagnostics.iter().map(|found| found.code.to_string()).collect();
                let wanted: Vec<&str> =
                    block.words.iter().copied().filter(|word| word.starts_with("HQ")).collect();
                let drawn =
                    found.diagnostics.iter().map(|found_one| render(found_one, &found.sources, false));
                let drawn: Vec<String> = drawn.collect();
                assert_eq!(codes, wanted, "{PAGE}:\n{}\n{}", block.text, drawn.join("\n"));
                let holds = !found.queries.is_empty() || !found.examples.is_empty();
                assert!(!wanted.is_empty() || holds || body.starts_with("dataset "));
                for example in &found.examples {
                    let rows = finish(&example.query, &[group(&example.query, &example.rows)]);
                    assert_eq!(example.mismatches(&rows), [], "{PAGE}:\n{}", block.text);
                }
                counted = (counted.0 + 1, counted.1 + wanted.len());
                said = drawn.join("\n");
            }
            Some("text") => body = std::mem::take(&mut said),
            other => panic!("a block of {other:?}: use `hq` or `text`"),
        }
        now += &format!("```{}\n{body}```\n", block.words.join(" "));
    }
    assert!(counted.0 >= 15 && counted.1 >= 5, "{counted:?}");
    if std::env::var_os("HQ_BLESS").is_some() {
        std::fs::write(repository(PAGE), now).unwrap();
    } else {
        assert!(now == page, "{PAGE} is now:\n{now}");
    }
}
