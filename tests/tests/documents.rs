//! What the documents promise: links and anchors lead somewhere, every page is in the book, every test that a page names is there,
//! and every command stands on a page that a test does.
#![expect(clippy::unwrap_used, reason = "tests stop at the first surprise")]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Component, Path, PathBuf};

use pulldown_cmark::{CodeBlockKind, Event, LinkType, Options, Parser, Tag, TagEnd};

/// Pages whose commands no test does, and why not. Their blocks are `bash`; blocks of `sh` are done by `client/tests/pages`.
const SHOWN_ONLY: &[(&str, &str)] = &[
    ("CONTRIBUTING.md", "builds and tests"),
    ("README.md", "the first command is done by CI, the rest on the pages of docs"),
    ("bench/README.md", "measurements, of minutes each"),
    ("docs/README.md", "the build of what the test runs"),
    ("docs/plugins/backends.md", "client/tests/sessions/tutorial_plugin.rs follows the page"),
    ("docs/plugins/functions.md", "client/tests/sessions/tutorial_plugin.rs follows the page"),
    ("docs/plugins/registry.md", "needs minisign; client/tests/sessions/registry.rs signs by itself"),
    ("docs/releasing.md", "needs a release to be made"),
    ("docs/runbook.md", "needs a service in trouble"),
    ("docs/service.md", "the build, and a service that stays"),
    ("fuzz/README.md", "builds of another workspace"),
    ("scripts/README.md", "needs a cloud; what can be checked without one, `scripts/check` checks"),
];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

/// What a page holds.
#[derive(Default)]
struct Page {
    links: Vec<String>,
    anchors: BTreeSet<String>,
    code: Vec<String>,
    blocks: BTreeSet<String>,
}

/// The anchor of a heading, as GitHub and mdBook make it.
fn anchor(heading: &str) -> String {
    let kept = heading.trim().chars().filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_'));
    kept.map(|c| if c == ' ' { '-' } else { c }).collect::<String>().to_lowercase()
}

fn page(text: &str) -> Page {
    let mut page = Page::default();
    let mut heading: Option<String> = None;
    for event in Parser::new_ext(text, Options::ENABLE_TABLES) {
        match event {
            Event::Start(Tag::Heading { .. }) => heading = Some(String::new()),
            Event::End(TagEnd::Heading(_)) => {
                let plain = anchor(&heading.take().unwrap());
                let mut name = plain.clone();
                let mut again = 0;
                while !page.anchors.insert(name.clone()) {
                    again += 1;
                    name = format!("{plain}-{again}");
                }
            }
            Event::Start(Tag::Link { link_type, dest_url, .. }) if link_type != LinkType::Email => {
                page.links.push(dest_url.into_string());
            }
            Event::Start(Tag::Image { dest_url, .. }) => page.links.push(dest_url.into_string()),
            Event::Start(Tag::CodeBlock(CodeBlockKind::Fenced(language))) => {
                page.blocks.insert(language.into_string());
            }
            Event::Code(code) => {
                heading = heading.map(|text| text + &code);
                page.code.push(code.into_string());
            }
            Event::Text(text) => heading = heading.map(|before| before + &text),
            Event::Start(_)
            | Event::End(_)
            | Event::InlineMath(_)
            | Event::DisplayMath(_)
            | Event::Html(_)
            | Event::InlineHtml(_)
            | Event::FootnoteReference(_)
            | Event::SoftBreak
            | Event::HardBreak
            | Event::Rule
            | Event::TaskListMarker(_) => {}
        }
    }
    page
}

fn walk(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        if path.is_dir() {
            if !name.starts_with('.') && name != "target" && name != "node_modules" {
                walk(&path, found);
            }
        } else if name.ends_with(".md") {
            found.push(path);
        }
    }
}

/// Pages by their path in the repository.
fn pages() -> BTreeMap<String, Page> {
    let root = root();
    let mut found = Vec::new();
    walk(&root, &mut found);
    let read = |path: PathBuf| {
        let name = path.strip_prefix(&root).unwrap().to_string_lossy().into_owned();
        (name, page(&fs::read_to_string(&path).unwrap()))
    };
    let pages: BTreeMap<_, _> = found.into_iter().map(read).collect();
    assert!(pages.len() > 30, "{} pages", pages.len());
    pages
}

/// Where a link of a page leads: a path in the repository, without `..`.
fn target(page: &str, link: &str) -> Option<String> {
    let folder = Path::new(page).parent().unwrap();
    let mut parts = Vec::new();
    for part in folder.join(link).components() {
        match part {
            Component::ParentDir => drop(parts.pop()?),
            Component::Normal(name) => parts.push(name.to_string_lossy().into_owned()),
            Component::CurDir | Component::RootDir | Component::Prefix(_) => {}
        }
    }
    Some(parts.join("/"))
}

#[test]
fn links_lead_somewhere() {
    let pages = pages();
    let mut wrong = Vec::new();
    let mut followed = 0;
    for (name, page) in &pages {
        for link in page.links.iter().filter(|link| !link.contains("://") && !link.is_empty()) {
            followed += 1;
            let (path, anchor) = link.split_once('#').unwrap_or((link, ""));
            let to = if path.is_empty() { Some(name.clone()) } else { target(name, path) };
            let Some(to) = to.filter(|to| root().join(to).exists()) else {
                wrong.push(format!("{name}: {link} leads nowhere"));
                continue;
            };
            // The book is made of docs alone.
            if name.starts_with("docs/") && !to.starts_with("docs/") {
                wrong.push(format!("{name}: {link} leads out of the book: name the file without a link"));
            }
            let known = pages.get(&to).is_some_and(|page| page.anchors.contains(anchor));
            if !anchor.is_empty() && !known {
                wrong.push(format!("{name}: {to} has no heading for #{anchor}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(followed > 60, "{followed} links");
}

#[test]
fn every_page_is_in_the_book() {
    let pages = pages();
    let summary = pages.get("docs/SUMMARY.md").unwrap();
    let listed: BTreeSet<String> = summary.links.iter().map(|link| format!("docs/{link}")).collect();
    let missing: Vec<&String> = pages
        .keys()
        .filter(|name| name.starts_with("docs/") && *name != "docs/SUMMARY.md" && !listed.contains(*name))
        .collect();
    assert!(missing.is_empty(), "not in docs/SUMMARY.md: {missing:?}");
}

/// `path.rs::name` in a page is a test, or a function, of that file.
#[test]
fn tests_that_pages_name_are_there() {
    let mut named = 0;
    let mut wrong = Vec::new();
    for (name, page) in pages() {
        for code in &page.code {
            let Some((file, test)) = code.split_once(".rs::") else { continue };
            let text = fs::read_to_string(root().join(format!("{file}.rs"))).unwrap_or_default();
            if !text.contains(&format!("fn {test}(")) {
                wrong.push(format!("{name}: there is no {code}"));
            }
            named += 1;
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(named > 40, "{named} tests are named");
}

#[test]
fn commands_stand_on_pages_that_are_done() {
    let done = fs::read_to_string(root().join("client/tests/pages/main.rs")).unwrap();
    let shown: BTreeMap<&str, &str> = SHOWN_ONLY.iter().copied().collect();
    let pages = pages();
    for (name, page) in &pages {
        if page.blocks.contains("sh") {
            assert!(done.contains(&format!("path: \"{name}\"")), "{name} has commands that no test does");
        }
        let only = shown.contains_key(name.as_str());
        assert!(!page.blocks.contains("bash") || only, "{name} has commands that are only shown");
        assert!(!only || page.blocks.contains("bash"), "{name} has none: take it off SHOWN_ONLY");
    }
    for name in shown.keys() {
        assert!(pages.contains_key(*name), "{name} is gone: take it off SHOWN_ONLY");
    }
}
