//! Golden files: every diagnostic with its source, and checked queries in readable form. `HQ_BLESS=1`
//! writes them anew; the difference is then reviewed.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a failing test may panic")]

mod support;

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use hq_dsl::{Code, Column, Compiled, Diagnostic, compile, dataset, render};
use support::{Schemas, repository};

fn programs(folder: &str) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(repository(&format!("dsl/tests/{folder}"))).unwrap();
    let mut paths: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    paths.retain(|path| path.extension().is_some_and(|extension| extension == "hq"));
    paths.sort();
    paths
}

fn compile_file(path: &Path) -> Compiled {
    let name = path.file_name().unwrap().to_string_lossy();
    compile(&name, &std::fs::read_to_string(path).unwrap(), &[], &Schemas)
}

fn check(path: &Path, text: &str, failures: &mut Vec<String>) {
    let golden = path.with_extension("txt");
    if std::env::var_os("HQ_BLESS").is_some() {
        std::fs::write(&golden, text).unwrap();
    } else if std::fs::read_to_string(&golden).unwrap_or_default() != text {
        failures.push(format!("{} differs; it is now:\n{text}", golden.display()));
    }
}

/// The code that a file is about: `HQ026` of `HQ026_example.hq`.
fn code_of(path: &Path) -> String {
    let stem = path.file_stem().unwrap().to_string_lossy();
    stem.split('_').next().unwrap().to_owned()
}

#[test]
fn diagnostics() {
    let mut failures = Vec::new();
    for path in programs("diagnostics") {
        let compiled = compile_file(&path);
        let code = code_of(&path);
        assert!(
            compiled.diagnostics.iter().any(|diagnostic| diagnostic.code.to_string() == code),
            "{code} is not reported: {:?}",
            compiled.diagnostics
        );
        let drawn: Vec<String> = compiled
            .diagnostics
            .iter()
            .map(|diagnostic| render(diagnostic, &compiled.sources, false))
            .collect();
        check(&path, &drawn.join("\n"), &mut failures);
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

#[test]
fn every_code_of_this_crate_has_a_golden_file() {
    let files: BTreeSet<String> = programs("diagnostics").iter().map(|path| code_of(path)).collect();
    // These are found by other crates, which know plans, published versions and data; the last for who asks (`privacy.rs`).
    let elsewhere = [Code::TooDeep, Code::WideSum, Code::SchemaChanged, Code::HiddenCells, Code::Identifying];
    for code in Code::ALL.iter().filter(|code| !elsewhere.contains(code)) {
        assert!(files.contains(&code.to_string()), "{code} has no golden file");
    }
}

fn cell((column, code): (&Column, &Option<i64>)) -> String {
    code.map_or_else(|| "missing".to_owned(), |code| column.domain.label(code))
}

#[test]
fn checked_queries() {
    let mut failures = Vec::new();
    for path in programs("programs") {
        let compiled = compile_file(&path);
        let mut text = String::new();
        for diagnostic in &compiled.diagnostics {
            writeln!(text, "{}", render(diagnostic, &compiled.sources, false)).unwrap();
        }
        assert!(!compiled.has_errors(), "{} has errors:\n{text}", path.display());
        for query in &compiled.queries {
            writeln!(text, "{query}").unwrap();
        }
        for example in &compiled.examples {
            writeln!(text, "example at line {}\n{}", compiled.sources.line(example.span), example.query)
                .unwrap();
            for row in &example.rows {
                let cells: Vec<String> = example.query.dataset.columns.iter().zip(row).map(cell).collect();
                writeln!(text, "row {}", cells.join(" | ")).unwrap();
            }
        }
        check(&path, &text, &mut failures);
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

#[test]
fn schemas_are_written_and_read_back() {
    let mut paths: Vec<PathBuf> =
        std::fs::read_dir(repository("tests/schemas")).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.push(repository("dsl/tests/programs/domains.hq"));
    for path in paths {
        let text = std::fs::read_to_string(&path).unwrap();
        let (first, diagnostics, sources) = dataset("first.hq", &text);
        let drawn: Vec<String> =
            diagnostics.iter().map(|diagnostic| render(diagnostic, &sources, false)).collect();
        assert!(drawn.is_empty(), "{}", drawn.join("\n"));
        let first = first.unwrap();
        let (second, _, _) = dataset("second.hq", &first.to_string());
        assert_eq!(first.to_string(), second.unwrap().to_string());
    }
}

#[test]
fn parameters_are_given_by_name() {
    let text = "use nhanes\nparam min_age: 18..110 = 65\nquery q from nhanes where age >= min_age report n = count()";
    let with =
        |name: &str, value: &str| compile("q.hq", text, &[(name.to_owned(), value.to_owned())], &Schemas);
    let query = with("min_age", "40").queries.into_iter().next().unwrap();
    assert_eq!(query.row_text(query.filter), "age in 40..80");
    assert_eq!(query.params, [("min_age".to_owned(), "40".to_owned())]);
    let codes = |compiled: Compiled| {
        compiled.diagnostics.iter().map(|diagnostic| diagnostic.code).collect::<Vec<_>>()
    };
    assert_eq!(codes(with("min_age", "12")), [Code::ParamOutside]);
    assert_eq!(codes(with("max_age", "12")), [Code::ParamUnknown]);
}

#[test]
fn other_crates_make_diagnostics() {
    let compiled = compile("q.hq", "query µ", &[], &Schemas);
    let span = hq_dsl::Span::new(hq_dsl::FileId(0), 6, 8);
    let diagnostic =
        Diagnostic::new(Code::TooDeep, hq_dsl::Severity::Error, span, "Too deep.", "Make it public.");
    let drawn = render(&diagnostic, &compiled.sources, false);
    for part in ["HQ050", "Too deep.", "Make it public.", "q.hq:1:7", "query µ"] {
        assert!(drawn.contains(part), "{part} is not in\n{drawn}");
    }
}
