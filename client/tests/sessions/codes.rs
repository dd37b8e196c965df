//! Diagnostics that the client makes, as a person sees them: `HQ_BLESS=1` writes the texts anew.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use crate::session::{SCHEMA, Session, has_plugin};

fn golden(name: &str, found: &str) {
    let path = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/codes")).join(name);
    if std::env::var_os("HQ_BLESS").is_some() {
        fs::write(&path, found).unwrap();
    }
    let wanted = fs::read_to_string(&path).unwrap_or_default();
    assert!(found == wanted, "{} is now:\n{found}", path.display());
}

/// HQ061: what the owner changed since the keys were made.
#[test]
fn another_schema_is_named_by_its_change() {
    if !has_plugin("clear") {
        return;
    }
    let session = Session::new();
    session.until_result("clear");
    let mut told = String::new();
    for (before, after) in [
        ("{female, male}", "{female, male, other}"),
        ("{female, male}", "{female}"),
        ("age: 18..90", "age: 18..95"),
        ("smoker: bool", "smoker: bool ?"),
        ("60..250 ?", "60..250"),
        ("  smoker: bool\n", ""),
        ("smoker: bool\n", "smoker: bool\n  heavy: bool = sbp > 180 and known(sbp)\n"),
        ("rows <= 1_000", "rows <= 2_000"),
        ("min_cell 3", "min_cell 2"),
        ("\"mmHg\"", "\"mmHg, sitting\""),
        ("\"a clinic\"", "\"another clinic\""),
    ] {
        session.write("clinic.hq", &SCHEMA.replacen(before, after, 1));
        let message = session.fails("encrypt clinic.hq --table clinic.csv --keys keys -o other");
        assert!(!session.path("other").exists());
        let lines = message.lines().filter(|line| line.contains("HQ061")).map(|line| format!("  {line}\n"));
        let _ = write!(told, "{} -> {}\n{}", before.trim(), after.trim(), lines.collect::<String>());
    }
    golden("HQ061.txt", &told);
    // A program with a schema of its own is compared with that of the data.
    session.write(
        "own.hq",
        &format!("{}query q from clinic report n = count()", SCHEMA.replacen("18..90", "18..95", 1)),
    );
    let own = session.fails("compute own.hq --data data --eval-keys keys/evaluation.keys -o again.hqr");
    assert!(own.contains("HQ061") && own.contains("`age` is 18..90, was 18..95"), "{own}");
}

/// HQ080: what was hidden, and why.
#[test]
fn hidden_cells_are_told_with_the_reason() {
    if !has_plugin("clear") {
        return;
    }
    let session = Session::new();
    session.write(
        "small.hq",
        "use clinic\nquery small \"few old smokers\"\n  from clinic\n  by sex\n  report\n    n = count()\n    \
         old = count(age > 84 and smoker)\n    share = old / n\n    mean = sum(age) / n\n",
    );
    let told = session.ok("run small.hq --table clinic=clinic.csv --backend clear");
    let shown = told.split("\n\n").filter(|part| !part.contains(" s, ")).collect::<Vec<_>>().join("\n\n");
    assert!(shown.contains("HQ080"), "{told}");
    golden("HQ080.txt", &format!("{}\n", shown.trim_end()));
}
