//! Everything as people do it: the owner publishes ACTG 175, a researcher submits two queries, the custodian opens, the
//! researcher reads the oracle's numbers, the auditor verifies the log.

use std::fs;

use serde_json::{Value, json};

use crate::people::{Person, has_client, repository};
use crate::running::Running;

const EVENTS: &str = "use actg175
query events \"events by treatment arm\"
  from actg175
  by arm
  report
    n      = count()
    events = count(event)
";

/// The oracle's counts of patients and of events in the four arms.
const PATIENTS: [u64; 4] = [532, 522, 524, 561];
const EVENTS_BY_ARM: [u64; 4] = [181, 103, 109, 128];

/// Reports of a result, a group each.
fn reports(result: &Value, name: &str) -> Vec<Value> {
    let groups = result["groups"].as_array().unwrap();
    groups.iter().map(|group| group["report"][name].clone()).collect()
}

#[test]
fn from_a_table_to_numbers_and_a_log() {
    if !has_client("bgv") || !has_client("clear") {
        return;
    }
    let running = Running::with(|config| config.limits.chunk_bytes = 4 << 20);
    let [owner, ada, eve, auditor] =
        ["owner", "ada", "eve", "auditor"].map(|name| Person::at(&running, name));
    let schema = fs::read_to_string(repository("tests/schemas/actg175.hq")).unwrap();
    let curves = fs::read_to_string(repository("tests/queries/P07.hq")).unwrap();
    let table = repository("data/actg175.csv").display().to_string();
    owner.write("actg175.hq", &schema);
    for person in [&owner, &ada] {
        person.write("curves.hq", &curves);
        person.write("events.hq", EVENTS);
    }

    owner.ok("keygen --for actg175.hq --query curves.hq events.hq -o keys");
    owner.ok(&format!("encrypt actg175.hq --table {table} --keys keys -o data"));
    let grants = "--researcher ada --custodian eve --custodian owner --auditor ivy";
    let published = owner.ok(&format!("publish data --keys keys {grants}"));
    assert!(published.contains("actg175: version 1 is published"), "{published}");
    let again = owner.ok("publish data --keys keys");
    assert!(again.contains("version 1 is published") && again.contains(", 0 bytes sent"), "{again}");

    // A mistake is told as `hq check` tells it, before anything is sent.
    ada.write("wrong.hq", &EVENTS.replace("count(event)", "count(evnt)"));
    let wrong = ada.fails("submit wrong.hq --dataset actg175 --purpose trial");
    assert!(wrong.contains("HQ010") && wrong.contains("evnt"), "{wrong}");
    let nobody = eve.fails("submit events.hq --dataset actg175 --purpose trial");
    assert!(nobody.contains("forbidden") || nobody.contains("events.hq"), "{nobody}");

    let submit = "--dataset actg175 --purpose survival --detach --idempotency-key first-of-two";
    let first = ada.ok(&format!("submit curves.hq {submit}"));
    assert_eq!(ada.ok(&format!("submit curves.hq {submit}")), first, "sent twice, it is one job");
    let other = ada.fails(&format!("submit events.hq {submit}"));
    assert!(other.contains("idempotency-reused"), "{other}");
    let second = ada.ok("submit events.hq --dataset actg175 --purpose events --detach");
    let (first, second) = (first.trim(), second.trim());
    for job in [first, second] {
        let line = ada.ok(&format!("jobs watch {job}"));
        assert!(line.contains(" computed "), "{line}");
    }
    let early = ada.fails(&format!("result {first}"));
    assert!(early.contains("is computed"), "{early}");

    // The custodian has a copy of the keys.
    let copied =
        std::process::Command::new("cp").arg("-r").arg(owner.path("keys")).arg(eve.path("keys")).status();
    assert!(copied.unwrap().success());
    let opened = eve.ok("custodian --keys keys --once");
    assert_eq!(opened.lines().filter(|line| line.contains(" released: ")).count(), 2, "{opened}");
    assert_eq!(eve.ok("custodian --keys keys --once"), "");

    let found = ada.json(&format!("result {first} --format json"));
    let local = owner.json(&format!("run curves.hq --table actg175={table} --backend clear --format json"));
    assert_eq!(found["groups"], local["groups"]);
    assert_eq!(found["aggregates"], local["aggregates"]);
    let at_risk: Vec<u64> =
        reports(&found, "km").iter().map(|km| km["at_risk"][0].as_u64().unwrap()).collect();
    let events: Vec<u64> = reports(&found, "km")
        .iter()
        .map(|km| km["events"].as_array().unwrap().iter().map(|count| count.as_u64().unwrap()).sum())
        .collect();
    assert_eq!((at_risk.as_slice(), events.as_slice()), (&PATIENTS[..], &EVENTS_BY_ARM[..]));
    let found = ada.json(&format!("result {second} --format json"));
    assert_eq!(reports(&found, "n"), PATIENTS.map(|count| json!(count)));
    assert_eq!(reports(&found, "events"), EVENTS_BY_ARM.map(|count| json!(count)));
    ada.ok(&format!("result {first} --plot curves.svg"));
    assert!(fs::read_to_string(ada.path("curves.svg")).unwrap().contains("<svg"));

    // Nobody else reads it: not even the service has it in the clear.
    let stranger = eve.fails(&format!("result {second}"));
    assert!(stranger.contains("forbidden"), "{stranger}");

    log(&auditor, first);
}

/// The auditor finds every step, and whatever is altered or cut.
fn log(auditor: &Person, job: &str) {
    auditor.ok("audit export -o log");
    let sound = auditor.ok("audit verify log");
    assert!(sound.contains("unbroken; signed up to entry"), "{sound}");
    let log = fs::read_to_string(auditor.path("log")).unwrap();
    for action in ["version.published", "job.submitted", "job.computed", "result.fetched", "job.released"] {
        let of_job = |line: &str| action.starts_with("version") || line.contains(job);
        let is_told = |line: &str| line.contains(&format!("\"action\":\"{action}\"")) && of_job(line);
        assert!(log.lines().any(is_told), "{action}");
    }
    assert!(log.contains("\"purpose\":\"survival\""));

    let mut altered = log.clone().into_bytes();
    let at = log.find("\"purpose\":\"survival\"").unwrap() + 12;
    altered[at] ^= 1;
    fs::write(auditor.path("log"), &altered).unwrap();
    let entry = log[..at].lines().count();
    let told = auditor.fails("audit verify log");
    assert!(told.contains(&format!("entry {entry} was altered")), "{told}");

    let cut: String = log.lines().take(entry).map(|line| format!("{line}\n")).collect();
    fs::write(auditor.path("log"), cut).unwrap();
    let told = auditor.fails("audit verify log");
    assert!(told.contains("its tail was cut"), "{told}");
    fs::rename(auditor.path("log.heads"), auditor.path("kept")).unwrap();
    assert!(auditor.ok("audit verify log").contains(&format!("{entry} entries, unbroken")));
    let told = auditor.fails("audit verify log --heads kept");
    assert!(told.contains("its tail was cut"), "{told}");
}
