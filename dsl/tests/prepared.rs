//! Prepared columns: their values for rows, missing cells among them, and what is refused.

use hq_dsl::{Dataset, dataset};

const SCHEMA: &str = r#"
dataset d {
  rows <= 1_000
  bmi:   10.0..90.0 ? "kg/m2"
  sex:   {f, m}
  seen:  2009-01-01..2012-12-31
  left:  2009-01-01..2012-12-31
  obese: bool ? = bmi >= 30.0
  fat:   bool = (bmi ?? 40.0) >= 30.0
  asked: bool = known(bmi) and sex == f and seen >= 2010-01-01
  stay:  -10..100 = left - seen
  log_bmi: 0.00..9.00 ? = log(bmi)
  size:  {small, large} = case { (bmi ?? 0.0) > 25.0 -> "large" else -> "small" }
}
"#;

fn schema(text: &str) -> Dataset {
    let (dataset, diagnostics, _) = dataset("d.hq", text);
    dataset.unwrap_or_else(|| unreachable!("{diagnostics:?}"))
}

/// The labels of all prepared columns for a row of the table's columns; empty where missing.
fn prepared(dataset: &Dataset, row: &[&str]) -> Vec<String> {
    let codes: Vec<Option<i64>> =
        row.iter().zip(&dataset.columns).map(|(cell, column)| column.domain.parse(cell)).collect();
    let cell = |index: usize| codes.get(index).copied().flatten();
    dataset
        .columns
        .iter()
        .filter_map(|column| Some((column, column.prepared.as_ref()?)))
        .map(|(column, prepared)| match prepared.code(&column.domain, &cell) {
            Ok(Some(code)) => column.domain.label(code),
            Ok(None) => String::new(),
            Err(value) => format!("outside: {value}"),
        })
        .collect()
}

#[test]
fn values_of_rows() {
    let dataset = schema(SCHEMA);
    assert_eq!(
        prepared(&dataset, &["31.5", "f", "2010-03-01", "2010-03-11"]),
        ["true", "true", "true", "10", "3.45", "large"]
    );
    assert_eq!(
        prepared(&dataset, &["", "f", "2010-03-11", "2010-03-01"]),
        ["", "true", "false", "-10", "", "small"]
    );
    assert_eq!(prepared(&dataset, &["20.0", "m", "2009-01-01", "2012-01-01"])[3], "outside: 1095");
}

#[test]
fn the_schema_prints_as_it_was_read() {
    let dataset = schema(SCHEMA);
    let again = schema(&dataset.to_string());
    let texts = |dataset: &Dataset| -> Vec<String> {
        dataset.columns.iter().filter_map(|column| Some(column.prepared.as_ref()?.text.clone())).collect()
    };
    assert_eq!(texts(&again), texts(&dataset));
    assert_eq!(prepared(&again, &["31.5", "f", "2010-03-01", "2010-03-11"])[5], "large");
}
