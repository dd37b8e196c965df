//! The tutorial, done by a reader: its files are written, its commands run in a shell in the order of the page,
//! and its outputs and picture compared; times, sizes and digests are masked. `HQ_BLESS=1` writes the outputs
//! anew. Without the plugins it says so and passes.
#![cfg(unix)]
#![expect(clippy::unwrap_used, clippy::panic, reason = "a failing test may panic")]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

const PAGE: &str = "docs/language/tutorial.md";

fn repository(path: &str) -> PathBuf {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/..")).join(path)
}

fn has_plugins() -> bool {
    let folder = Path::new(env!("CARGO_BIN_EXE_hq")).parent().unwrap();
    let found = ["bgv", "clear"].iter().all(|name| {
        let prefix = std::env::consts::DLL_PREFIX;
        folder.join(format!("{prefix}hq_plugin_{name}{}", std::env::consts::DLL_SUFFIX)).is_file()
    });
    if !found {
        eprintln!("skipped: plugins are not built");
    }
    found
}

/// Numbers that differ from run to run, behind words that they follow.
fn masked(line: &str) -> String {
    let words: Vec<&str> = line.split(' ').collect();
    let unit =
        |word: &str| matches!(word.trim_end_matches([',', '.', ';', ')']), "s" | "B" | "kB" | "MB" | "GB");
    let number =
        |word: &str| word.chars().all(|c| c.is_ascii_digit() || ".,(".contains(c)) && !word.is_empty();
    let shown = words.iter().enumerate().map(|(index, word)| {
        let before_unit = words.get(index + 1).is_some_and(|next| unit(next));
        let digest = word.len() >= 16 && word.chars().all(|c| c.is_ascii_hexdigit());
        if (number(word) && before_unit) || digest { "…" } else { word }
    });
    shown.collect::<Vec<_>>().join(" ").trim_end().to_owned()
}

/// What a shell prints for the commands, standard error after standard output of each.
fn run(folder: &Path, commands: &str) -> String {
    let programs = Path::new(env!("CARGO_BIN_EXE_hq")).parent().unwrap();
    let path = format!("{}:{}", programs.display(), std::env::var("PATH").unwrap_or_default());
    let mut text = String::new();
    for command in commands.lines() {
        let command = command.strip_prefix("$ ").unwrap_or_else(|| panic!("`{command}` is no command"));
        let output = Command::new("sh")
            .args(["-c", command])
            .current_dir(folder)
            .env("PATH", &path)
            .env("HQ_PLUGIN_DIR", programs)
            .env("NO_COLOR", "1")
            .output()
            .unwrap();
        for stream in [output.stdout, output.stderr] {
            for line in String::from_utf8(stream).unwrap().lines() {
                text += &format!("{}\n", masked(line));
            }
        }
    }
    text
}

/// One block of the page, or a line between blocks.
fn parts(page: &str) -> Vec<(Option<&str>, String)> {
    let mut parts: Vec<(Option<&str>, String)> = Vec::new();
    let mut open: Option<(&str, String)> = None;
    for line in page.lines() {
        match (&mut open, line.strip_prefix("```")) {
            (None, Some(word)) => open = Some((word, String::new())),
            (Some(_), Some(_)) => parts.extend(open.take().map(|(word, body)| (Some(word), body))),
            (Some((_, body)), None) => *body += &format!("{line}\n"),
            (None, None) => parts.push((None, line.to_owned())),
        }
    }
    parts
}

fn between<'a>(line: &'a str, head: &str) -> Option<&'a str> {
    line.strip_prefix("<!-- ")?.strip_prefix(head)?.strip_suffix(" -->")
}

#[test]
fn the_tutorial_goes_as_it_says() {
    if !has_plugins() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    fs::copy(repository("data/actg175.csv"), folder.path().join("actg175.csv")).unwrap();
    let page = fs::read_to_string(repository(PAGE)).unwrap();
    let bless = std::env::var_os("HQ_BLESS").is_some();
    let (mut now, mut name, mut printed, mut commands) = (String::new(), None, None, 0);
    for (word, body) in parts(&page) {
        let Some(word) = word else {
            if let Some(file) = between(&body, "file: ") {
                name = Some(file.to_owned());
            } else if let Some(edit) = between(&body, "edit: ") {
                let (file, edit) = edit.split_once(": ").unwrap();
                let (old, new) = edit.split_once(" -> ").unwrap();
                let path = folder.path().join(file);
                let text = fs::read_to_string(&path).unwrap();
                assert!(text.contains(old), "{file} has no `{old}`");
                fs::write(path, text.replace(old, new)).unwrap();
            } else if let Some(picture) = between(&body, "picture: ") {
                let (drawn, shown) = (folder.path().join(picture), repository("docs/language").join(picture));
                let drawn = fs::read_to_string(drawn).unwrap();
                if bless {
                    fs::write(&shown, &drawn).unwrap();
                }
                assert!(
                    fs::read_to_string(&shown).unwrap_or_default() == drawn,
                    "{} differs",
                    shown.display()
                );
            }
            now += &format!("{body}\n");
            continue;
        };
        let mut body = body;
        match word {
            "hq" => fs::write(folder.path().join(name.take().unwrap()), &body).unwrap(),
            "sh" => {
                commands += body.lines().count();
                printed = Some(run(folder.path(), &body));
            }
            "text" => body = printed.take().unwrap_or(body),
            other => panic!("a block of `{other}`"),
        }
        now += &format!("```{word}\n{body}```\n");
    }
    assert!(commands >= 12, "{commands}");
    assert!(!now.contains("panicked"), "{now}");
    if bless {
        fs::write(repository(PAGE), now).unwrap();
    } else {
        assert!(now == page, "{PAGE} is now:\n{now}");
    }
}
