//! Words for mistakes of form: what may follow a token, what a clause looks like, what SQL calls it.

use crate::lexis::{CLAUSES, DECLARATIONS, RESERVED, Token};

/// Whether a value must follow the word.
pub(crate) fn expects_value(word: &str) -> bool {
    matches!(
        word,
        "=" | "=="
            | "!="
            | "<"
            | "<="
            | ">"
            | ">="
            | "+"
            | "-"
            | "*"
            | "/"
            | "%"
            | "^"
            | "??"
            | ".."
            | ","
            | "("
            | "["
            | "->"
            | ":"
            | "and"
            | "or"
            | "not"
            | "in"
            | "where"
            | "by"
            | "report"
            | "derive"
            | "sort"
            | "take"
            | "from"
            | "for"
            | "else"
            | "step"
            | "expect"
    )
}

/// What to write after a word that was left alone.
pub(crate) fn after(word: &str) -> String {
    match word {
        "where" => "Write a condition, as in `where age >= 18`.",
        "by" => "Write what to group by, as in `by sex`.",
        "report" => "Write results, as in `report n = count()`.",
        "derive" => "Write a name and a value, as in `derive old = age >= 65`.",
        "sort" => "Write a result to sort by, as in `sort n desc`.",
        "take" => "Write how many rows to show, as in `take 10`.",
        "from" => "Write the name of a dataset, as in `from nhanes`.",
        "expect" => "Write what is computed and its value, as in `expect count() == 3`.",
        "," | "(" | "[" => "Complete the list, or close the bracket.",
        _ => return format!("Write what `{word}` applies to."),
    }
    .to_owned()
}

/// The word of the clause or declaration before a token.
pub(crate) fn clause<'a>(tokens: &[Token<'a>], index: usize) -> &'a str {
    (0..index)
        .rev()
        .filter_map(|at| tokens.get(at))
        .find(|token| {
            // A dataset may be called `cohort`.
            let declares =
                DECLARATIONS.contains(&token.text) && (token.first || RESERVED.contains(&token.text));
            CLAUSES.contains(&token.text) || declares
        })
        .map_or("", |token| token.text)
}

/// What the clause or declaration around a token looks like.
pub(crate) fn hint(tokens: &[Token<'_>], index: usize) -> String {
    match clause(tokens, index) {
        "from" => "`from` takes the name of one dataset; `where`, `derive`, `by` or `report` follows.",
        "where" => "A condition is one expression; join several with `and`, or write a second `where`.",
        "derive" => "`derive` takes `name = value`.",
        "by" => "`by` takes values separated by commas; `report` follows.",
        "report" => "`report` takes results of the form `name = value`.",
        "sort" => "`sort` takes names of results, each with `asc` or `desc`, separated by commas.",
        "take" => "`take` takes one whole number.",
        "dataset" => {
            "A column is `name: domain`, then `?` if it may be missing, then a description in quotes."
        }
        word @ ("query" | "cohort" | "fn" | "param" | "secret" | "use" | "extern" | "example") => head(word),
        _ => "A program consists of `use`, `param`, `dataset`, `cohort`, `fn`, `query` and `example`.",
    }
    .to_owned()
}

/// What a declaration looks like, from its first word.
pub(crate) fn head(word: &str) -> &'static str {
    match word {
        "dataset" => "A dataset is `dataset name \"title\" { rows <= 1_000  age: 0..80 }`.",
        "fn" => "A function is `fn name(a, b) = value`, or has bindings and a value in braces.",
        "query" => "A query is `query name \"purpose\"`, then `from`, `where`, `by`, `report`.",
        "cohort" => "A cohort is `cohort name`, then `from`, `where`, `derive`.",
        "param" | "secret" => "A parameter is `param name: 18..110 = 65`.",
        "example" => {
            "An example is `example name`, then `data { x: 0..9 = [1] }`, `where`, `derive`, `expect a == b`."
        }
        "extern" => "An outside function is `extern fn name(x: 0..9) -> 0..9 from \"plugin\"`.",
        _ => "`use` takes the name of one dataset or module.",
    }
}

/// Fact and remedy for a word of SQL.
pub(crate) fn sql(word: &str) -> Option<(String, &'static str)> {
    let lower = word.to_ascii_lowercase();
    let help = match lower.as_str() {
        "select" => "In hq the results are listed under `report`.",
        "group" => "In hq groups are written `by sex, age`.",
        "having" => "In hq conditions on rows are written `where`; there is none on results.",
        "order" => "In hq the order is written `sort n desc`.",
        "limit" => "In hq the number of rows is written `take 10`.",
        "join" | "inner" | "left" => {
            "hq reads one table per query; the owner joins tables before encryption."
        }
        "distinct" => "In hq count rows of a table with one row per person.",
        "as" => "In hq a result is named `name = value`.",
        "between" => "In hq a range is written `age in 18..79`.",
        "is" => "In hq presence is written `known(x)` or `not known(x)`.",
        "like" => "hq has no text search; compare with levels.",
        "union" => "hq has no such operation; write two queries.",
        _ => return None,
    };
    Some((format!("SQL word `{word}`."), help))
}
