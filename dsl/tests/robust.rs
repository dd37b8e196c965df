//! Hostile texts: no panic, no stack overflow, no endless work. Honest mistakes are in `mutants`.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a failing test may panic")]
#![allow(clippy::allow_attributes_without_reason, reason = "lints of the test crate")]

mod support;

use std::fmt::Write as _;

use hq_dsl::{Code, NoModules, compile, render, stdlib};
use support::Schemas;

fn codes(text: &str) -> Vec<Code> {
    compile("deep.hq", text, &[], &Schemas).diagnostics.iter().map(|diagnostic| diagnostic.code).collect()
}

#[test]
fn depth_is_limited() {
    let query =
        |expression: &str| format!("use nhanes\nquery q from nhanes where {expression} report n = count()");
    for (open, close) in
        [("(", ")"), ("not (", ")"), ("[", "]"), ("{a: ", "}"), ("f(", ")"), ("case { true -> ", "}")]
    {
        let text = query(&format!("{}age{}", open.repeat(10_000), close.repeat(10_000)));
        assert_eq!(codes(&text), [Code::TooComplex], "{open}");
    }
    assert_eq!(codes(&query(&format!("{}age > 3", "(".repeat(10_000)))), [Code::TooComplex]);
    for prefix in ["not ", "- "] {
        assert_eq!(codes(&query(&format!("{}age > 3", prefix.repeat(10_000)))), [Code::TooComplex]);
    }
    assert!(!codes(&query(&format!("age{} > 3", "^2".repeat(10_000)))).is_empty());
    assert!(!codes(&query(&format!("age{} > 3", "[1]".repeat(10_000)))).is_empty());
    // Functions that call each other deep inside their expressions.
    let nested = |inner: String| format!("{}{inner}{}", "abs(".repeat(38), ")".repeat(38));
    let mut functions = String::from("fn f0(x) = x\n");
    for k in 0..24 {
        writeln!(functions, "fn f{}(x) = {}", k + 1, nested(format!("f{k}(x)"))).unwrap();
    }
    assert_eq!(codes(&format!("{functions}{}", query("f24(age) > 3"))), [Code::TooComplex]);
    // Long chains are flat, and fine.
    let chain = query(&format!("age > 3{}", " and age != 5".repeat(10_000)));
    assert_eq!(codes(&chain), []);
    let sum = query(&format!("age{} > 3", " + age".repeat(5_000)));
    let compiled = compile("sum.hq", &sum, &[], &Schemas);
    assert!(!compiled.queries.first().unwrap().to_string().is_empty());
}

#[test]
fn unrolling_is_limited() {
    let query = |report: &str| format!("use nhanes\nquery q from nhanes report {report}");
    for report in [
        "n = [count(age > k) for k in 1..1000000]",
        "n = [[count(wt_mec > k * 300 + j) for k in 1..300] for j in 1..300]",
        "n = [[[k * j * i for k in 1..1000] for j in 1..1000] for i in 1..1000]",
    ] {
        let codes = codes(&query(report));
        assert!(codes.contains(&Code::TooComplex), "{report}: {codes:?}");
    }
    let calls: String = (0..60).fold(String::from("fn f0(x) = x\n"), |mut text, k| {
        writeln!(text, "fn f{}(x) = f{k}(x) + f{k}(x)", k + 1).unwrap();
        text
    });
    assert!(!codes(&format!("{calls}{}", query("n = f60(count())"))).is_empty());
}

#[test]
fn any_bytes_are_answered() {
    let pieces = [
        "query",
        "(",
        ")",
        "{",
        "}",
        "\"",
        "µ",
        "=",
        "1..",
        "from",
        "\n",
        "count",
        "#",
        "??",
        "fn x",
        ".",
        ",",
        "\u{0}",
        "9".repeat(60).leak(),
    ];
    let mut state: u64 = 7;
    for _ in 0..2_000 {
        let mut text = String::new();
        for _ in 0..20 {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            text.push_str(pieces[usize::try_from(state >> 33).unwrap() % pieces.len()]);
            text.push(' ');
        }
        let compiled = compile("any.hq", &text, &[], &NoModules);
        for diagnostic in &compiled.diagnostics {
            let _ = render(diagnostic, &compiled.sources, true);
        }
    }
}

#[test]
fn the_standard_library_compiles() {
    for module in ["stats", "epi", "survival"] {
        let compiled = compile(module, stdlib(module).unwrap(), &[], &NoModules);
        assert!(compiled.diagnostics.is_empty(), "{:?}", compiled.diagnostics);
    }
    assert!(stdlib("nothing").is_none());
}

#[test]
fn five_thousand_aggregates_take_little_time() {
    let text = "dataset d { rows <= 100_000 release { max_cells 10_000 } x: 0..5000 }\n\
                query q from d report n = [count(x > k) for k in 0..4999] m = cumsum(n)";
    let start = std::time::Instant::now();
    let compiled = compile("many.hq", text, &[], &NoModules);
    assert_eq!(compiled.queries.first().unwrap().aggregates.len(), 5_000);
    assert!(start.elapsed().as_secs() < 5, "{:?}", start.elapsed());
    eprintln!("5,000 aggregates in {:?}", start.elapsed());
}

/// Each name reads the one before twice: whatever walks from a value down to its columns meets 2^60 ways.
#[test]
fn shared_values_are_walked_once() {
    let mut text =
        "dataset d { rows <= 100  a: 0..30  b: 0..30 }\nquery q from d\n  derive c0 = a > 3\n".to_owned();
    for k in 1..=60 {
        let (before, bound) = (k - 1, k % 29);
        text += &format!("    c{k} = (c{before} or a > {bound}) and (c{before} or b < {bound} + 1)\n");
    }
    text += "  report\n    n = count(a * b + c60 >= 50)\n    m = count((a + c60) / (b + 1) >= 1.5)\n    \
             s = sum(round((a * b + c60) / 7, 1))\n";
    let start = std::time::Instant::now();
    let compiled = compile("q.hq", &text, &[], &NoModules);
    assert_eq!(compiled.diagnostics, []);
    assert_eq!(compiled.queries.len(), 1);
    assert!(start.elapsed().as_secs() < 20, "{:?}", start.elapsed());
}
