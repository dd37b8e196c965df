//! Pages of the documentation, done by a reader: their files are written, their commands run in a shell in the order of the page,
//! and outputs and pictures compared; times, sizes, digests and ports are masked. `HQ_BLESS=1` writes the outputs anew. Without
//! the programs that a page needs it says so and passes.
#![cfg(unix)]
#![expect(clippy::unwrap_used, clippy::panic, reason = "a failing test may panic")]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// A page, and what its reader has at the beginning.
struct Page {
    path: &'static str,
    /// Files of the repository, laid into the reader's folder.
    files: &'static [&'static str],
    /// Whether it starts a service.
    service: bool,
    /// Commands on it, at least.
    commands: usize,
}

fn repository(path: &str) -> PathBuf {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/..")).join(path)
}

fn programs() -> PathBuf {
    Path::new(env!("CARGO_BIN_EXE_hq")).parent().unwrap().to_owned()
}

fn has_programs(page: &Page) -> bool {
    let (prefix, suffix) = (std::env::consts::DLL_PREFIX, std::env::consts::DLL_SUFFIX);
    let mut names: Vec<String> =
        ["bgv", "clear"].map(|name| format!("{prefix}hq_plugin_{name}{suffix}")).to_vec();
    if page.service {
        names.push("hq-server".to_owned());
    }
    let mut missing = names.iter().find(|name| !programs().join(name).is_file()).map(String::as_str);
    // Operators ask for metrics with it.
    if page.service && Command::new("curl").arg("--version").output().is_err() {
        missing = Some("curl");
    }
    if let Some(missing) = missing {
        eprintln!("skipped {}: no {missing}", page.path);
    }
    missing.is_none()
}

/// Numbers that differ from run to run: behind words that they follow, in digests, and in addresses of this machine.
fn masked(line: &str) -> String {
    let words: Vec<&str> = line.split(' ').collect();
    let unit = |word: &str| {
        matches!(word.trim_end_matches([',', '.', ';', ')']), "s" | "B" | "kB" | "MB" | "GB" | "bytes")
    };
    let number =
        |word: &str| word.chars().all(|c| c.is_ascii_digit() || ".,".contains(c)) && !word.is_empty();
    let shown = words.iter().enumerate().map(|(index, word)| {
        let before_unit = words.get(index + 1).is_some_and(|next| unit(next));
        let (bare, end) = word.split_at(word.trim_end_matches([',', '.', ':', ';']).len());
        let digest = bare.len() >= 16 && bare.chars().all(|c| c.is_ascii_hexdigit());
        match word.strip_prefix('(') {
            Some(inner) if number(inner) && before_unit => "(…".to_owned(),
            _ if number(word) && before_unit => "…".to_owned(),
            _ if bare.len() == 20
                && bare.ends_with('Z')
                && number(&bare.replace(['-', ':', 'T', 'Z'], "")) =>
            {
                format!("…{end}")
            }
            _ if digest => format!("…{end}"),
            _ if word.starts_with("http://127.0.0.1:") => format!("http://127.0.0.1:…{end}"),
            _ => (*word).to_owned(),
        }
    });
    shown.collect::<Vec<_>>().join(" ").trim_end().to_owned()
}

/// What a shell prints for the commands, standard error after standard output of each.
fn run(folder: &Path, commands: &str) -> String {
    let programs = programs();
    let path = format!("{}:{}", programs.display(), std::env::var("PATH").unwrap_or_default());
    let mut text = String::new();
    for command in commands.lines() {
        let command = command.strip_prefix("$ ").unwrap_or_else(|| panic!("`{command}` is no command"));
        let output = Command::new("sh")
            .args(["-c", command])
            .current_dir(folder)
            .env("PATH", &path)
            .env("HQ_PLUGIN_DIR", &programs)
            .env("HQ_LOGIN", folder.join("login.json"))
            .env("XDG_CONFIG_HOME", folder.join("config"))
            .env("NO_COLOR", "1")
            .output()
            .unwrap();
        for stream in [output.stdout, output.stderr] {
            let stream = String::from_utf8(stream).unwrap();
            let mut lines = stream.lines();
            while let Some(line) = lines.next() {
                // Where the line of costs is wrapped depends on the numbers.
                let costs = ["keys ", "opening ", "service "].iter().any(|head| line.starts_with(head));
                let rest = if costs { lines.next().unwrap_or("") } else { "" };
                text += &format!("{}\n", masked(&format!("{line} {rest}")));
            }
        }
    }
    text
}

/// Ends the service of a page that did not come to its end.
struct Reader(tempfile::TempDir);

impl Drop for Reader {
    fn drop(&mut self) {
        if let Ok(id) = fs::read_to_string(self.0.path().join("server.pid")) {
            let _ = Command::new("kill").arg(id.trim()).output();
        }
    }
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

fn goes_as_it_says(page: &Page) {
    if !has_programs(page) {
        return;
    }
    let reader = Reader(tempfile::tempdir().unwrap());
    let folder = reader.0.path();
    for file in page.files {
        let from = repository(file);
        fs::copy(&from, folder.join(from.file_name().unwrap())).unwrap();
    }
    let text = fs::read_to_string(repository(page.path)).unwrap();
    let bless = std::env::var_os("HQ_BLESS").is_some();
    let (mut now, mut name, mut printed, mut commands) = (String::new(), None, None, 0);
    for (word, body) in parts(&text) {
        let Some(word) = word else {
            if let Some(file) = between(&body, "file: ") {
                name = Some(file.to_owned());
            } else if let Some(edit) = between(&body, "edit: ") {
                let (file, edit) = edit.split_once(": ").unwrap();
                let (old, new) = edit.split_once(" -> ").unwrap();
                let path = folder.join(file);
                let text = fs::read_to_string(&path).unwrap();
                assert!(text.contains(old), "{file} has no `{old}`");
                fs::write(path, text.replace(old, new)).unwrap();
            } else if let Some(picture) = between(&body, "picture: ") {
                let (drawn, shown) = (folder.join(picture), repository("docs/language").join(picture));
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
        match (word, name.take()) {
            ("hq" | "toml", Some(file)) => fs::write(folder.join(file), &body).unwrap(),
            ("sh", None) => {
                commands += body.lines().count();
                printed = Some(run(folder, &body));
            }
            // What a test cannot do: builds, clusters.
            ("bash", None) => {}
            ("text", None) => body = printed.take().unwrap_or(body),
            (word, name) => panic!("a block of `{word}`, and the file {name:?}"),
        }
        now += &format!("```{word}\n{body}```\n");
    }
    assert!(commands >= page.commands, "{commands}");
    assert!(!now.contains("panicked"), "{now}");
    if bless {
        fs::write(repository(page.path), now).unwrap();
    } else {
        assert!(now == text, "{} is now:\n{now}", page.path);
    }
}

#[test]
fn the_start_goes_as_it_says() {
    let files = &["data/actg175.csv", "data/actg175.hq", "data/examples/response.hq"];
    goes_as_it_says(&Page { path: "docs/README.md", files, service: true, commands: 9 });
}

#[test]
fn the_tutorial_goes_as_it_says() {
    let files = &["data/actg175.csv"];
    goes_as_it_says(&Page { path: "docs/language/tutorial.md", files, service: false, commands: 12 });
}

#[test]
fn the_page_for_custodians_goes_as_it_says() {
    let files = &["data/actg175.csv", "data/actg175.hq", "data/examples/response.hq"];
    goes_as_it_says(&Page { path: "docs/custodians.md", files, service: true, commands: 15 });
}

#[test]
fn the_page_for_operators_goes_as_it_says() {
    goes_as_it_says(&Page { path: "docs/operators.md", files: &[], service: true, commands: 10 });
}

#[test]
fn the_annex_goes_as_it_says() {
    let files = &["data/actg175.hq", "data/examples/response.hq"];
    goes_as_it_says(&Page { path: "docs/compliance/dpia.md", files, service: false, commands: 3 });
}
