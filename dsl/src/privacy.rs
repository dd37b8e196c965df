//! Columns that may identify a person, by name and domain: direct identifiers, days, great ages, values that few rows share. It knows the
//! schema and no data, so it warns and refuses nothing.
//!
//! The list is that of 45 CFR 164.514(b)(2), as far as a column can be one of it.

use crate::diagnostic::{Code, Diagnostic};
use crate::domain::Domain;
use crate::number::with_commas;
use crate::typed::{Column, Dataset};

/// Words of a column's name that make it a direct identifier, and what it then is.
const IDENTIFIERS: &[(&[&str], &str)] = &[
    (&["surname", "forename", "firstname", "lastname", "initials"], "a name"),
    (&["address", "street", "postcode", "postal", "zip", "zipcode", "plz"], "a place smaller than a state"),
    (&["birthdate", "birthday", "dob"], "a day of birth"),
    (&["phone", "telephone", "mobile", "fax"], "a telephone number"),
    (&["email", "mail", "url", "ipaddress"], "an address of a network"),
    (&["ssn", "nhs", "passport", "licence", "license", "insurance"], "a number of a public register"),
    (&["id", "mrn", "identifier", "pseudonym", "uuid"], "a record number"),
    (&["account", "iban"], "a number of an account"),
    (&["serial", "vin", "plate"], "a number of a device or vehicle"),
    (&["fingerprint", "photo", "face"], "a picture or a measure of a body"),
];

/// Whose `name` is that of a person.
const NAMED: &[&str] = &["patient", "person", "first", "last", "full", "family", "given", "middle"];

/// Years from which on ages are one class.
const GREAT_AGE: i64 = 90;

/// What a schema should be looked at for, in the order of its columns.
#[must_use]
pub fn privacy(dataset: &Dataset) -> Vec<Diagnostic> {
    dataset.columns.iter().filter_map(|column| look_at(column, dataset.rows)).collect()
}

/// The gravest doubt about a column.
fn look_at(column: &Column, rows: u64) -> Option<Diagnostic> {
    let warn = |message: String, help: &str| {
        Some(Diagnostic::warning(Code::Identifying, column.span, message, help))
    };
    let name = &column.name;
    if let Some(what) = identifier(name) {
        let message = format!("`{name}` reads as {what}, which tells who somebody is.");
        return warn(message, "Leave it out: what the schema does not name is not encrypted.");
    }
    if let Domain::Date { .. } = column.domain {
        let message = format!("`{name}` holds days, and a day may tell who somebody is.");
        return warn(message, "Keep the year, or the days since an event of the same person.");
    }
    let (_, most) = column.domain.range();
    let years = most / 10_i64.saturating_pow(column.domain.decimals().into());
    let words: Vec<&str> = name.split('_').collect();
    if words.contains(&"age")
        && !matches!(column.domain, Domain::Levels(_) | Domain::Bool)
        && years > GREAT_AGE
    {
        let message = format!("`{name}` tells ages up to {years}; of great ages there are few.");
        return warn(message, "Let it end at 90, and let that stand for everybody of 90 and more.");
    }
    let values = column.domain.size();
    if values >= rows {
        let message = format!(
            "`{name}` can take {} values in at most {} rows: a row may be alone with its own.",
            with_commas(values.into()),
            with_commas(rows.into()),
        );
        return warn(
            message,
            "If queries compare it, round it with `step`; if they only sum it up, leave it.",
        );
    }
    None
}

fn identifier(name: &str) -> Option<&'static str> {
    let lower = name.to_lowercase();
    let words: Vec<&str> = lower.split('_').collect();
    if words.contains(&"name") && (words.len() == 1 || words.iter().any(|word| NAMED.contains(word))) {
        return Some("a name");
    }
    let found = IDENTIFIERS.iter().find(|(known, _)| words.iter().any(|word| known.contains(word)));
    found.map(|(_, what)| *what)
}
