//! `kill -9` of the service, its workers and the program `hq` at any moment of an upload, a computation and an opening: no job is
//! lost or doubled, nothing is left over, and the log is whole.

use std::fs;

use serde_json::Value;

use crate::clinic::{PROGRAM, opened, owner_of};
use crate::people::has_client;
use crate::process::{Kills, Process, until_done};

const ROWS: usize = 20_000;
/// Kills in each of the stages.
const KILLS: u64 = 6;

#[test]
fn whatever_is_killed_nothing_is_lost_doubled_or_left_over() {
    if !has_client("clear") {
        return;
    }
    let mut service = Process::new();
    let mut kills = Kills::new(KILLS);
    let owner = owner_of(service.person("owner"), "clear", ROWS);
    let ada = service.person("ada");
    ada.write("smokers.hq", PROGRAM);
    let publish = "publish data --keys keys --researcher ada --custodian owner";
    until_done(&mut service, &mut kills, &owner, publish);

    let submit = "submit smokers.hq --dataset clinic --purpose trial --detach --idempotency-key the-only-one";
    let job = until_done(&mut service, &mut kills, &ada, submit).trim().to_owned();
    until_done(&mut service, &mut kills, &ada, &format!("jobs watch {job}"));
    until_done(&mut service, &mut kills, &owner, "custodian --keys keys --once");
    opened(&owner, &ada, &job, ROWS);
    assert_eq!(ada.ok("jobs").lines().count(), 1);

    let auditor = service.person("auditor");
    auditor.ok("audit export -o log");
    assert!(auditor.ok("audit verify log").contains("unbroken; signed up to"));
    let log = fs::read_to_string(auditor.path("log")).unwrap();
    let times = |action: &str| log.lines().filter(|line| line.contains(&format!("\"{action}\""))).count();
    for action in [
        "dataset.created",
        "version.begun",
        "version.published",
        "job.submitted",
        "job.computed",
        "job.released",
    ] {
        assert!(times(action) == 1 || action == "version.begun", "{action}: {}", times(action));
    }
    assert!(times("service.started") as u64 > 2 * KILLS);
    let history = fs::read_to_string(owner.path("keys/history.jsonl")).unwrap();
    assert_eq!(history.lines().count(), 1);
    let entry: Value = serde_json::from_str(history.trim()).unwrap();
    assert_eq!(entry["job"], job.as_str());

    service.kill_and_begin();
    let data = service.folder.path().join("data");
    assert_eq!(fs::read_dir(data.join("work")).unwrap().count(), 0);
    for (folder, files) in [("results", 1), ("released", 1)] {
        assert_eq!(
            fs::read_dir(data.join("objects/datasets/clinic").join(folder)).unwrap().count(),
            files,
            "{folder}"
        );
    }
}
