//! Alerts and dashboard ask for metrics that the service exports, and for each of them; each alert has a page of what to do.

use std::collections::BTreeSet;
use std::fs;

use crate::people::repository;
use crate::running::Running;

fn words(text: &str) -> impl Iterator<Item = &str> {
    text.split(|c: char| !(c.is_ascii_alphanumeric() || c == '_'))
}

/// Names of metrics in a text.
fn metrics(text: &str) -> BTreeSet<&str> {
    words(text).filter(|word| word.starts_with("hq_")).collect()
}

#[test]
fn what_is_watched_is_exported() {
    let running = Running::new();
    let operator = running.token("operator");
    let answer = running.send("GET", "/v1/metrics", Some(&operator), &[], b"");
    assert_eq!(answer.status, 200);
    let text = String::from_utf8(answer.body).unwrap();
    let exported: BTreeSet<&str> = text
        .lines()
        .filter_map(|line| line.strip_prefix("# TYPE "))
        .filter_map(|line| line.split(' ').next())
        .collect();
    assert!(exported.len() >= 3, "{text}");
    // States are those of the table of jobs, and each is there before it has a job.
    let schema = fs::read_to_string(repository("server/src/schema.sql")).unwrap();
    let (_, states) = schema.split_once("-- queued,").unwrap();
    let states: BTreeSet<&str> =
        words(states.lines().next().unwrap()).filter(|word| !word.is_empty()).chain(["queued"]).collect();
    for state in &states {
        assert!(text.contains(&format!("hq_jobs{{state=\"{state}\"}} 0\n")), "{text}");
    }
    assert_eq!(states.len(), text.matches("state=").count());
    let mut watched = BTreeSet::new();
    for file in ["rules.yml", "rules_test.yml", "dashboard.json"] {
        let text = fs::read_to_string(repository(&format!("scripts/monitoring/{file}"))).unwrap();
        let asked = metrics(&text);
        assert!(asked.len() >= 2, "{file}: {asked:?}");
        assert!(asked.is_subset(&exported), "{file} asks for {asked:?}, the service has {exported:?}");
        if file != "rules_test.yml" {
            watched.extend(asked.into_iter().map(str::to_owned));
        }
        for asked in text.replace("\\\"", "\"").split("state=\"").skip(1) {
            let state = asked.split('"').next().unwrap();
            assert!(states.contains(state), "{file}: {state} is no state of {states:?}");
        }
    }
    // And the other way round: what is exported has a panel or an alert.
    let exported: BTreeSet<String> = exported.into_iter().map(str::to_owned).collect();
    assert_eq!(watched, exported);
}

#[test]
fn every_alert_has_a_heading_in_the_runbook() {
    let rules = fs::read_to_string(repository("scripts/monitoring/rules.yml")).unwrap();
    let runbook = fs::read_to_string(repository("docs/runbook.md")).unwrap();
    let tests = fs::read_to_string(repository("scripts/monitoring/rules_test.yml")).unwrap();
    let alerts: BTreeSet<&str> =
        rules.lines().filter_map(|line| line.trim().strip_prefix("- alert: ")).collect();
    let headings: BTreeSet<&str> = runbook.lines().filter_map(|line| line.strip_prefix("## ")).collect();
    assert_eq!(alerts, headings);
    for alert in alerts {
        assert!(rules.contains(&format!("docs/runbook.md#{}\n", alert.to_lowercase())), "{alert}");
        assert!(tests.contains(&format!("alertname: {alert}")), "{alert} is not tried");
    }
}
