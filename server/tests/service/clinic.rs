//! A small dataset that is published, and a researcher for it.

use std::fmt::Write as _;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::people::Person;
use crate::running::{Answer, Running};

pub(crate) const SCHEMA: &str = "dataset clinic \"a clinic\" {
  rows <= 40_000, one per person
  release { min_cell 3 max_cells 100 per_day 50 }
  sex: {female, male}
  smoker: bool
  rare: bool
}
";
pub(crate) const PROGRAM: &str = "use clinic
query smokers \"a test\"
  from clinic
  where smoker
  by sex
  report
    n = count()
";

/// A table of so many rows; a third of them smokers, of whom the last two are rare.
pub(crate) fn table(rows: usize) -> String {
    let mut text = "sex,smoker,rare\n".to_owned();
    for row in 0..rows {
        let sex = if row % 2 == 0 { "female" } else { "male" };
        writeln!(text, "{sex},{},{}", row % 3 / 2, u8::from(row + 6 >= rows && row % 3 == 2)).unwrap();
    }
    text
}

/// Smokers among the women and the men of it.
pub(crate) fn smokers(rows: usize) -> [usize; 2] {
    [0, 1].map(|sex| (0..rows).filter(|row| row % 2 == sex && row % 3 == 2).count())
}

/// An owner with the dataset encrypted.
pub(crate) fn owner(running: &Running, backend: &str, rows: usize) -> Person {
    owner_of(Person::at(running, "owner"), backend, rows)
}

/// Gives an owner the dataset, encrypted.
pub(crate) fn owner_of(owner: Person, backend: &str, rows: usize) -> Person {
    owner.write("clinic.hq", SCHEMA);
    owner.write("smokers.hq", PROGRAM);
    owner.write("clinic.csv", &table(rows));
    owner.ok(&format!(
        "keygen --for clinic.hq --query smokers.hq --no-passphrase -o keys --backend {backend}"
    ));
    owner.ok("encrypt clinic.hq --table clinic.csv --keys keys -o data");
    owner
}

/// An owner who published it, and a researcher with the program.
pub(crate) fn published(running: &Running, backend: &str, rows: usize) -> (Person, Person) {
    let owner = owner(running, backend, rows);
    owner.ok("publish data --keys keys --researcher ada --custodian owner");
    let ada = Person::at(running, "ada");
    ada.write("smokers.hq", PROGRAM);
    (owner, ada)
}

/// Submits the program; the job's id.
pub(crate) fn submit(ada: &Person) -> String {
    ada.ok("submit smokers.hq --dataset clinic --purpose trial --detach").trim().to_owned()
}

/// The job once it is in one of some states.
pub(crate) fn await_state(running: &Running, job: &str, states: &[&str]) -> Value {
    let token = running.token("ada");
    let end = Instant::now() + Duration::from_secs(60);
    loop {
        let answer: Answer = running.send("GET", &format!("/v1/jobs/{job}"), Some(&token), &[], b"");
        let body = answer.json();
        if states.iter().any(|state| body["state"] == *state) {
            return body;
        }
        assert!(Instant::now() < end, "the job never was {states:?}: {body}");
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// Watches a job until it is computed.
pub(crate) fn await_computed(ada: &Person, job: &str) {
    let line = ada.ok(&format!("jobs watch {job}"));
    assert!(line.contains(" computed "), "{line}");
}

/// The custodian opens; the researcher reads what is right.
pub(crate) fn opened(owner: &Person, ada: &Person, job: &str, rows: usize) {
    owner.ok("custodian --keys keys --once");
    let result = ada.json(&format!("result {job} --format json"));
    let found: Vec<u64> = result["groups"]
        .as_array()
        .unwrap()
        .iter()
        .map(|group| group["report"]["n"].as_u64().unwrap())
        .collect();
    assert_eq!(found, smokers(rows).map(|count| count as u64));
}

/// All entries of the audit log.
pub(crate) fn log(running: &Running) -> Vec<String> {
    let audit = running.send("GET", "/v1/audit", Some(&running.token("auditor")), &[], b"").json();
    audit["lines"].as_array().unwrap().iter().map(|line| line.as_str().unwrap().to_owned()).collect()
}
