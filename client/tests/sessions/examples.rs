//! `hq test` and `hq doc`: the standard library, examples that fail, and manuals.

use std::path::Path;

use crate::session::{Session, has_plugin};

const MODULE: &str = "# Means of one's own.
#   as usual

# Mean of x.
#   sum(x) / n
# Source: a book.
fn own.mean(x) = sum(x) / count()

example own.mean \"of two\"
  data { x: 0..9 ? = [3, missing, 8] }
  where known(x)
  expect own.mean(x) == 5.5
";

#[test]
fn the_standard_library_gives_what_its_examples_expect() {
    let backends: Vec<&str> = ["clear", "bgv"].into_iter().filter(|name| has_plugin(name)).collect();
    if backends.is_empty() {
        return;
    }
    let words: String = backends.iter().map(|name| format!(" --backend {name}")).collect();
    let output = Session::new().ok(&format!("test --stdlib{words}"));
    let last = output.lines().last().unwrap();
    assert!(last.contains(&format!("examples as expected on {}", backends.join(" and "))), "{last}");
    for module in ["stats", "epi", "survival", "scores", "quality"] {
        assert!(output.contains(&format!("ok    stdlib/{module}.hq:")), "{module}: {output}");
    }
}

#[test]
fn an_example_that_fails_says_where_and_how() {
    if !has_plugin("clear") {
        return;
    }
    let session = Session::new();
    session.write(
        "own.hq",
        &format!(
            "{MODULE}\nexample wrong\n  data {{ x: 0..9 = [3, 8] g: {{a, \"b, c\"}} = [\"b, c\", a] }}\n  \
             expect [own.mean(x), 2] == [5.25, 2]\n  expect own.mean(x) == undefined\n  expect count(g == a) == 1\n"
        ),
    );
    let output = session.hq("test own.hq --backend clear");
    assert_eq!(output.status.code(), Some(1));
    let shown = String::from_utf8(output.stdout).unwrap();
    assert!(shown.starts_with("ok    own.hq:9  own.mean: of two\nFAIL  own.hq:14  wrong\n"), "{shown}");
    let wanted = "      on clear
        line 16: [own.mean(x), 2], at [1]
          expected 5.25
          found    5.5
        line 17: own.mean(x)
          expected undefined
          found    5.5
";
    assert!(shown.ends_with(wanted), "{shown}");
    assert!(session.fails("test own.hq --backend clear").contains("1 of 2 examples failed"));
}

#[test]
fn rows_reach_the_backend_as_they_are_written() {
    if !has_plugin("clear") {
        return;
    }
    let session = Session::new();
    session.write(
        "rows.hq",
        "example one_column \"a row whose only cell is missing is a row\"
  data { x: 0..9 ? = [missing, 3, missing] }
  expect count() == 3
  expect count(known(x)) == 1
example texts
  data { g: {\"a, b\", NA, \"it's 5 %\"} ? = [\"a, b\", NA, \"it's 5 %\", missing] }
  expect [count(known(g) and g == \"a, b\"), count(known(g) and g == NA), count(known(g))] == [1, 1, 3]
example nobody
  data { x: 0..9 = [] }
  expect sum(x) == 0
example nothing_is_asked
  data { x: 0..9 = [1] }
  expect normal_cdf(0) == 0.5
",
    );
    let output = session.ok("test rows.hq --backend clear --backend clear");
    assert!(output.contains("4 examples as expected on clear,"), "{output}");
}

#[test]
fn mistakes_in_examples_are_found_by_check() {
    let session = Session::new();
    session.write("own.hq", MODULE);
    assert!(session.ok("check own.hq").contains("no errors, no query, 1 example"));
    session.write("own.hq", &MODULE.replace("[3, missing, 8]", "[3, missing, 18]"));
    assert!(session.fails("check own.hq").contains("HQ070"));
    assert!(session.fails("test own.hq").contains("HQ070"));
    assert!(session.fails("test control.hq").contains("control.hq holds no example"));
    assert!(session.fails("test statz").contains("Did you mean `stats`?"));
    assert!(session.fails("test nothing.hq").contains("nothing.hq"));
    assert_eq!(session.hq("test").status.code(), Some(2));
}

#[test]
fn manuals_are_read_from_modules() {
    let session = Session::new();
    let list = session.ok("doc");
    assert!(list.contains("survival\n") && list.contains("kaplan_meier, "), "{list}");
    let mean = session.ok("doc stats.mean");
    for part in ["stats.mean(x)\n", "sum(x) / n\n", "Source: Altman", "example stats.mean"] {
        assert!(mean.contains(part), "{part}: {mean}");
    }
    assert!(session.fails("doc stats.maen").contains("Did you mean `stats.mean`?"));
    assert!(session.fails("doc stat.mean").contains("Did you mean `stats.mean`?"));
    assert!(session.fails("doc servival").contains("Did you mean `survival`?"));
    session.write("own.hq", MODULE);
    let own = session.ok("doc own.hq --format markdown");
    let wanted = "# own

Means of one's own.

```text
as usual
```

## `own.mean(x)`

Mean of x.

```text
sum(x) / n
```

Source: a book.

```hq
example own.mean \"of two\"
";
    assert!(own.starts_with(wanted), "{own}");
}

/// `docs/library.md` is the manual of the standard library; `HQ_BLESS=1` writes it anew.
#[test]
fn the_page_of_the_library_is_current() {
    let page = Session::new().ok("doc stats epi survival scores quality --format markdown");
    let path = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/library.md"));
    if std::env::var_os("HQ_BLESS").is_some() {
        std::fs::write(path, &page).unwrap();
    }
    let written = std::fs::read_to_string(path).unwrap_or_default();
    assert!(written == page, "docs/library.md differs from `hq doc`; run this test with HQ_BLESS=1");
}
