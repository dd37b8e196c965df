//! Mistakes of every kind on every line of the repository's programs: each is answered in little time, with
//! messages that a researcher can use. `HQ_SHOW=FOLDER` writes them all to files, for reading.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::string_slice,
    clippy::indexing_slicing,
    reason = "a failing test may panic"
)]
#![allow(clippy::allow_attributes_without_reason, reason = "lints of the test crate")]

mod mutate;
#[path = "../support/mod.rs"]
mod support;

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use hq_dsl::{
    Compiled, Diagnostic, ExternFunction, FunctionFault, Loader, Sources, compile, dataset, render,
};
use mutate::{KINDS, Mutant, mutants};
use support::repository;

/// Longest time that one mutant may take; unoptimised, beside other tests.
const LONGEST: Duration = Duration::from_secs(5);

/// Schemas of the tests and of the examples.
struct All;

impl Loader for All {
    fn load(&self, module: &str) -> Option<(String, String)> {
        let read = |folder| std::fs::read_to_string(repository(&format!("{folder}/{module}.hq")));
        let text = read("tests/schemas").or_else(|_| read("data")).ok()?;
        Some((format!("{module}.hq"), text))
    }

    /// Any function of any plugin: it rises through its domain, as far as its arguments have values.
    fn tabulate(&self, function: &ExternFunction) -> Result<Arc<[i64]>, FunctionFault> {
        let (values, codes) = (function.values(), function.result.size());
        let mut rising = function.result.codes();
        let (mut code, mut reached) = (rising.next().unwrap(), 0);
        let value = |place: u64| {
            while reached < place * codes / values {
                (code, reached) = (rising.next().unwrap(), reached + 1);
            }
            code
        };
        Ok((0..values).map(value).collect())
    }
}

fn files(folder: &str) -> Vec<PathBuf> {
    let mut paths: Vec<PathBuf> =
        std::fs::read_dir(repository(folder)).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.retain(|path| path.extension().is_some_and(|extension| extension == "hq"));
    paths.sort();
    paths
}

/// Names of grammar rules that are no words of the language or of plain English.
fn rule_names() -> Vec<String> {
    let grammar = std::fs::read_to_string(repository("dsl/src/hq.pest")).unwrap();
    let names = grammar.lines().filter_map(|line| Some(line.split_once('=')?.0.trim().to_owned()));
    names
        .filter(|name| name.contains('_') && name.chars().all(|c| c.is_ascii_lowercase() || c == '_'))
        .collect()
}

/// What a message lacks; empty if it is in order.
fn faults(diagnostic: &Diagnostic, sources: &Sources, rules: &[String]) -> Vec<String> {
    let words = format!("{} {} {}", diagnostic.message, diagnostic.help, diagnostic.notes.join(" "));
    let mut faults: Vec<String> = rules
        .iter()
        .filter(|rule| words.contains(rule.as_str()))
        .map(|rule| format!("names the rule {rule}"))
        .collect();
    let mut fault = |wrong: bool, words: &str| faults.extend(wrong.then(|| words.to_owned()));
    let own: String = words.split('`').step_by(2).collect();
    fault(own.contains("expected"), "says `expected`");
    fault(diagnostic.message.trim().is_empty(), "has no fact");
    fault(diagnostic.is_error() && diagnostic.help.trim().is_empty(), "has no remedy");
    fault(words.contains("``") && !words.contains("````"), "quotes nothing");
    fault(words.contains('\n'), "has a line break");
    fault(words.chars().count() > 700, "is too long");
    for (span, _) in &diagnostic.labels {
        let text = sources.text(span.file);
        let inside = span.start <= span.end
            && text.is_char_boundary(span.start_index())
            && text.is_char_boundary(span.end_index());
        fault(!inside, "points outside the file");
    }
    let drawn = render(diagnostic, sources, false);
    fault(!drawn.contains(&diagnostic.code.to_string()), "is not drawn");
    faults
}

/// Everything that was found, for the assertions and for the eye.
#[derive(Default)]
struct Tally {
    mutants: usize,
    silent: usize,
    kinds: BTreeMap<String, usize>,
    faults: Vec<String>,
    shown: String,
    slowest: Duration,
}

impl Tally {
    fn take(&mut self, name: &str, mutant: &Mutant, sound: usize, compiled: &Compiled, took: Duration) {
        self.mutants += 1;
        *self.kinds.entry(format!("{:?}", mutant.kind)).or_default() += 1;
        self.slowest = self.slowest.max(took);
        let place = format!("{name}:{} {:?}", mutant.line, mutant.kind);
        if took > LONGEST {
            self.faults.push(format!("{place}: took {took:?}"));
        }
        if sound > compiled.queries.len() && !compiled.has_errors() {
            self.faults.push(format!("{place}: refused without an error"));
        }
        self.silent += usize::from(compiled.diagnostics.is_empty());
        let rules = rule_names();
        writeln!(self.shown, "==== {place}").unwrap();
        writeln!(self.shown, "{}", mutant.text.lines().nth(mutant.line - 1).unwrap_or("")).unwrap();
        for diagnostic in &compiled.diagnostics {
            for fault in faults(diagnostic, &compiled.sources, &rules) {
                self.faults.push(format!("{place}: {diagnostic} {fault}"));
            }
            let (sources, span) = (&compiled.sources, diagnostic.span());
            writeln!(
                self.shown,
                "  {}:{} `{}` {diagnostic}",
                sources.name(span.file),
                sources.line(span),
                sources.slice(span).lines().next().unwrap_or("")
            )
            .unwrap();
        }
    }

    fn finish(&self, name: &str, least: usize) {
        if let Some(folder) = std::env::var_os("HQ_SHOW") {
            std::fs::write(PathBuf::from(folder).join(name), &self.shown).unwrap();
        }
        eprintln!(
            "{} mutants ({:?}), {} without a message, slowest {:?}",
            self.mutants, self.kinds, self.silent, self.slowest
        );
        assert!(self.faults.is_empty(), "{}", self.faults.join("\n"));
        assert!(self.mutants >= least, "{}", self.mutants);
        assert_eq!(self.kinds.len(), KINDS.len());
    }
}

#[test]
fn programs_with_mistakes_are_answered() {
    let mut tally = Tally::default();
    let mut paths: Vec<PathBuf> =
        ["tests/queries", "data/examples", "dsl/tests/programs"].into_iter().flat_map(files).collect();
    paths.push(repository("dsl/tests/figures/library.hq"));
    for path in paths {
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        let text = std::fs::read_to_string(&path).unwrap();
        let sound = compile(&name, &text, &[], &All).queries.len();
        assert!(sound > 0, "{name}");
        let ways = if name == "library.hq" { 1 } else { 2 };
        for mutant in mutants(&text, ways) {
            let start = Instant::now();
            let compiled = compile("m.hq", &mutant.text, &[], &All);
            tally.take(&name, &mutant, sound, &compiled, start.elapsed());
        }
    }
    tally.finish("programs.txt", 3_000);
    assert!(tally.silent * 6 < tally.mutants, "{} of {} are silent", tally.silent, tally.mutants);
}

#[test]
fn schemas_with_mistakes_are_answered() {
    let mut tally = Tally::default();
    for path in files("tests/schemas").into_iter().chain(files("data")) {
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        let text = std::fs::read_to_string(&path).unwrap();
        let text: String = text.lines().take(80).map(|line| format!("{line}\n")).collect();
        let text = if text.trim_end().ends_with('}') { text } else { text + "}\n" };
        for mutant in mutants(&text, 1) {
            let start = Instant::now();
            let (found, diagnostics, sources) = dataset("m.hq", &mutant.text);
            let queries = Vec::new();
            let refused = usize::from(found.is_none());
            let compiled = Compiled { examples: Vec::new(), queries, diagnostics, sources };
            tally.take(&name, &mutant, refused, &compiled, start.elapsed());
        }
    }
    tally.finish("schemas.txt", 1_000);
}

/// The library's modules as a part of the program that calls each of their functions.
#[test]
fn modules_with_mistakes_are_answered() {
    let driver = std::fs::read_to_string(repository("dsl/tests/figures/library.hq")).unwrap();
    let mut tally = Tally::default();
    for path in files("stdlib") {
        let module = path.file_stem().unwrap().to_string_lossy().into_owned();
        let text = std::fs::read_to_string(&path).unwrap();
        // What does not call the module only takes time.
        let calls = format!("{module}.");
        let (head, results) = driver.split_once("  report\n").unwrap();
        let report: Vec<&str> = results.lines().filter(|line| line.contains(&calls)).collect();
        // The module's own examples call its functions as well.
        let count = ["    n = count()"];
        let report = if report.is_empty() { &count[..] } else { &report };
        let driver = format!("{head}  report\n{}\n", report.join("\n"));
        let driver = driver.replace(&format!("use {module}\n"), "");
        let program = format!("{text}{driver}");
        let sound = compile("m.hq", &program, &[], &All);
        assert!(!sound.has_errors(), "{:?}", sound.diagnostics);
        for mutant in mutants(&text, 1) {
            let program = format!("{}{driver}", mutant.text);
            let mutant = Mutant { text: program, ..mutant };
            let start = Instant::now();
            let compiled = compile("m.hq", &mutant.text, &[], &All);
            tally.take(&module, &mutant, 1, &compiled, start.elapsed());
        }
    }
    tally.finish("modules.txt", 1_200);
}

/// Codes and lines of what is found.
fn found(text: &str) -> Vec<(String, usize)> {
    let compiled = compile("m.hq", text, &[], &All);
    let errors = compiled.diagnostics.iter().filter(|diagnostic| diagnostic.is_error());
    errors.map(|diagnostic| (diagnostic.code.to_string(), compiled.sources.line(diagnostic.span()))).collect()
}

#[test]
fn independent_mistakes_are_all_reported() {
    let text = "use nhanes
use statss
param min_age: 18..110 = 12
fn half(x) = y / 2
fn twice(x = x * 2
query a from nhanes where agee > 3 report n = count()
query b
  from nhanes
  where sex == femal
  by sex
  report
    n = count()
    m = countt(age > 3)
    o = n + * 2
    p = sum(age
    q = 65 <= n <= 70
  sort nn desc
";
    let expected = [2, 3, 4, 5, 6, 9, 13, 14, 15, 16, 17];
    let lines: Vec<usize> = found(text).iter().map(|&(_, line)| line).collect();
    assert_eq!(lines, expected, "{:?}", found(text));
    let schema = "dataset d {
  rows <= 10x
  release { min_cel 11 }
  a: {x, y
  b: 5..3
  c: 0..9 ? \"years
  d 0..4
  e: bool = a + 1
}
";
    let (_, diagnostics, sources) = dataset("d.hq", schema);
    let lines: std::collections::BTreeSet<usize> =
        diagnostics.iter().map(|diagnostic| sources.line(diagnostic.span())).collect();
    assert!([2, 3, 4, 5, 6, 7].iter().all(|line| lines.contains(line)), "{lines:?}");
}

#[test]
fn misspelt_names_get_the_right_one() {
    let text = "use nhanes use stats
param limit: 0..200 = 140
cohort adults from nhanes where age >= 18
query q from adults derive high = known(sbp) and sbp > limit by sex
  report n = count(high) r = { odds: 1 / n, all: count() } m = r.all sort n";
    assert_eq!(found(text), []);
    for (right, wrong) in [
        ("sbp > limit", "spb > limit"),
        ("> limit", "> limt"),
        ("from adults", "from adutls"),
        ("count(high)", "count(hihg)"),
        ("by sex", "by sexx"),
        ("r.all", "r.al"),
        ("sort n", "sort nn"),
        ("known(", "knwon("),
        ("use stats", "use stat"),
        ("use nhanes", "use nhannes"),
        ("m = r.all", "m = stats.maen(age)"),
        ("> limit by", "> limit and sex == Male by"),
        ("  report", "  reprot"),
        ("derive high", "derrive high"),
    ] {
        assert!(text.contains(right), "{right}");
        let compiled = compile("m.hq", &text.replace(right, wrong), &[], &All);
        let helps: Vec<&str> = compiled.diagnostics.iter().map(|found| found.help.as_str()).collect();
        assert!(helps.iter().any(|help| help.contains("Did you mean")), "{wrong}: {helps:?}");
    }
    let params = [("limti".to_owned(), "3".to_owned())];
    let compiled = compile("m.hq", text, &params, &All);
    assert!(compiled.diagnostics.iter().any(|found| found.help == "Did you mean `limit`?"));
}

/// The standing list of bad messages says what they are today; `HQ_BLESS=1` writes it anew.
#[test]
fn the_list_of_bad_messages_is_true() {
    let path = repository("docs/bad-messages.md");
    let text = std::fs::read_to_string(&path).unwrap();
    let mut parts = text.split("```hq\n");
    let mut now = parts.next().unwrap().to_owned();
    for part in parts {
        let (program, rest) = part.split_once("```\n").unwrap();
        let (_, after) = rest.split_once("Says:").unwrap();
        let after = after.split_once("\n\n").map_or(after, |(_, after)| after);
        let after = if after.starts_with("- ") { after.split_once("\n\n").unwrap().1 } else { after };
        let compiled = compile("m.hq", program, &[], &All);
        assert!(compiled.has_errors(), "{program}");
        let lines = compiled.diagnostics.iter().map(|found| {
            let line = compiled.sources.line(found.span());
            format!("- line {line}, {}: {} {}\n", found.code, found.message, found.help)
        });
        now += &format!("```hq\n{program}```\n\nSays:\n\n{}\n{after}", lines.collect::<String>());
    }
    if std::env::var_os("HQ_BLESS").is_some() {
        std::fs::write(&path, now).unwrap();
    } else {
        assert!(now == text, "docs/bad-messages.md is now:\n{now}");
    }
}
