//! Pages of the documentation, done by a reader: their files are written, their commands run in a shell in the order of the page,
//! and outputs and pictures compared; times, sizes, digests and ports are masked. `HQ_BLESS=1` writes the outputs anew. Without
//! the programs that a page needs it says so and passes.
#![cfg(unix)]
#![expect(clippy::unwrap_used, clippy::panic, reason = "a failing test may panic")]

use std::collections::BTreeMap;
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

/// Commands of `hq` that a page names: in code between words, and in blocks that are run or shown.
fn named(page: &str) -> Vec<Vec<String>> {
    let mut texts = Vec::new();
    for (word, body) in parts(page) {
        match word {
            None => texts.extend(body.split('`').skip(1).step_by(2).map(str::to_owned)),
            Some("bash" | "sh") => texts.extend(body.replace("\\\n", " ").lines().map(str::to_owned)),
            Some(_) => {}
        }
    }
    let mut commands = Vec::new();
    for text in texts {
        let words: Vec<&str> = text.split([' ', '(']).collect();
        // Not the namespace `hq` of a cluster.
        let begin = |index: &usize| {
            matches!(words.get(*index), Some(&("hq" | "./target/release/hq")))
                && !index.checked_sub(1).is_some_and(|before| words[before].starts_with("--"))
        };
        for index in (0..words.len()).filter(begin) {
            let end = |word: &&&str| !matches!(**word, "|" | "&&" | ";" | "&" | ">" | "#" | "2>");
            commands
                .push(words.iter().skip(index + 1).take_while(end).map(|word| (*word).to_owned()).collect());
        }
    }
    commands
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

/// Pages below a folder.
fn pages(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        if name.starts_with('.') || name == "target" || name == "node_modules" {
            continue;
        }
        if path.is_dir() {
            found.extend(pages(&path));
        } else if name.ends_with(".md") {
            found.push(path);
        }
    }
    found
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

/// Subcommands and options that pages name are those of the program.
#[test]
fn commands_that_pages_name_are_there() {
    let help = |words: &[&str]| {
        let output = Command::new(env!("CARGO_BIN_EXE_hq")).args(words).arg("--help").output().unwrap();
        output.status.success().then(|| String::from_utf8(output.stdout).unwrap())
    };
    let is_word = |word: &str| !word.is_empty() && word.chars().all(|c| c.is_ascii_lowercase() || c == '-');
    let mut helps: BTreeMap<String, Option<String>> = BTreeMap::new();
    let (mut checked, mut wrong) = (0, Vec::new());
    for path in pages(&repository("")) {
        let text = fs::read_to_string(&path).unwrap();
        let path = path.strip_prefix(repository("")).unwrap().display();
        for words in named(&text) {
            let Some(command) = words.first().filter(|word| is_word(word) && !word.starts_with('-')) else {
                continue;
            };
            checked += 1;
            let text = helps.entry(command.clone()).or_insert_with(|| help(&[command])).clone();
            let Some(mut text) = text else {
                wrong.push(format!("{path}: there is no hq {command}"));
                continue;
            };
            if let Some(second) = words.get(1).filter(|word| is_word(word)) {
                let both = format!("{command} {second}");
                text +=
                    helps.entry(both).or_insert_with(|| help(&[command, second])).as_deref().unwrap_or("");
            }
            let options = words.iter().filter_map(|word| word.strip_prefix("--"));
            for option in options.map(|option| option.trim_end_matches(|c: char| !c.is_ascii_lowercase())) {
                if !option.is_empty() && !text.contains(&format!("--{option}")) {
                    wrong.push(format!("{path}: hq {command} has no --{option}"));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(checked > 150, "{checked} commands");
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
