//! What a schema is looked at for, as it is drawn.
#![expect(clippy::unwrap_used, reason = "a failing test may panic")]

use hq_dsl::{dataset, privacy, render};

fn told(text: &str) -> Vec<String> {
    let (found, _, sources) = dataset("clinic.hq", text);
    let told = privacy(&found.unwrap());
    told.iter().map(|diagnostic| render(diagnostic, &sources, false)).collect()
}

#[test]
fn columns_that_may_identify_are_named() {
    let schema = "dataset clinic \"a test\" {
  rows <= 1_000, one per person
  patient_name: {ann, bob}
  mrn:          0..999_999
  admitted:     2020-01-01..2024-12-31
  age:          0..110         \"years\"
  onset_age:    0.0..95.5      \"years\"
  weight_g:     30_000..150_000
}
";
    let told = told(schema);
    let expected = [
        ("`patient_name` reads as a name", "Leave it out"),
        ("`mrn` reads as a record number", "Leave it out"),
        ("`admitted` holds days", "Keep the year"),
        ("`age` tells ages up to 110", "Let it end at 90"),
        ("`onset_age` tells ages up to 95", "Let it end at 90"),
        ("`weight_g` can take 120,001 values in at most 1,000 rows", "round it with `step`"),
    ];
    assert_eq!(told.len(), expected.len(), "{}", told.join("\n"));
    for (told, (message, help)) in told.iter().zip(expected) {
        assert!(told.contains("HQ082") && told.contains("Warning"), "{told}");
        let words: String = told.split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(words.contains(message) && words.contains(help), "{told}");
    }
}

#[test]
fn what_is_coarse_is_not_named() {
    let schema = "dataset clinic \"a test\" {
  rows <= 1_000, one per person
  age:         0..90      \"years, 90 and more are 90\"
  stage:       {i, ii, iii}
  drug_name:   {aspirin, other}
  storage:     0..99
  triage_days: 0..900
  female:      bool
}
";
    assert_eq!(told(schema), Vec::<String>::new());
}
