//! Computations that are interrupted and go on.

use std::fs;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use crate::session::{SCHEMA, Session, has_plugin, json};

const COMPUTE: &str = "compute slow.hq --data data --eval-keys keys/evaluation.keys -o out.hqr --every 0";

/// An encrypted table of a dozen blocks, and a query that takes its time for each.
pub(crate) fn many_blocks() -> Session {
    let session = Session::new();
    session.write("clinic.hq", &SCHEMA.replace("1_000,", "100_000,"));
    session.write(
        "slow.hq",
        "use clinic\nquery slow from clinic report\n  n = count(age >= 50 and smoker)\n  \
         s = sum(case { age < 60 -> 0 else -> age - 18 })\n",
    );
    session.write("other.hq", "use clinic\nquery slow from clinic report n = count(smoker)\n");
    let mut table = "sex,age,sbp,smoker\n".to_owned();
    for row in 0..100_000 {
        table += &format!("female,{},,{}\n", 18 + row % 73, row % 3 / 2);
    }
    session.write("clinic.csv", &table);
    session.ok("keygen --for clinic.hq --query slow.hq --no-passphrase -o keys");
    session.ok("encrypt clinic.hq --table clinic.csv --keys keys -o data");
    session
}

pub(crate) fn start(session: &Session, words: &str) -> Child {
    session.command(words).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
}

pub(crate) fn wait_for(path: &Path) {
    let start = Instant::now();
    while !path.exists() {
        assert!(start.elapsed() < Duration::from_secs(60), "{} does not come", path.display());
        sleep(Duration::from_millis(1));
    }
}

fn aggregates(session: &Session) -> serde_json::Value {
    json(&session.ok("open out.hqr --keys keys --format json"))["aggregates"].clone()
}

/// Standard error of a computation that succeeds.
fn computed(session: &Session, words: &str) -> String {
    let output = session.hq(words);
    let errors = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "hq {words}: {errors}");
    errors
}

#[cfg(unix)]
#[test]
fn a_killed_computation_goes_on_where_it_was() {
    if !has_plugin("bgv") {
        return;
    }
    let session = many_blocks();
    let (result, part) = (session.path("out.hqr"), session.path("out.hqr.part"));
    for threads in [1, 2] {
        let errors = computed(&session, &format!("{COMPUTE} --threads {threads}"));
        assert!(!errors.contains("continued") && !part.exists(), "{errors}");
        let whole = aggregates(&session);
        fs::remove_file(&result).unwrap();

        // Killed without a warning, twice.
        let words = format!("{COMPUTE} --threads {threads}");
        for _ in 0..2 {
            let mut child = start(&session, &words);
            wait_for(&part);
            child.kill().unwrap();
            child.wait().unwrap();
            assert!(!result.exists(), "it was faster than the kill");
        }
        let errors = computed(&session, &words);
        assert!(errors.contains("out.hqr.part: continued after "), "{errors}");
        assert_eq!(aggregates(&session), whole);
        assert!(!part.exists());
        fs::remove_file(&result).unwrap();

        // Asked to stop, it keeps what was done, under the name that was wished for.
        let kept = session.path("kept");
        let words = format!("{words} --checkpoint kept");
        let child = start(&session, &words);
        wait_for(&kept);
        let asked = Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap();
        let output = child.wait_with_output().unwrap();
        let errors = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(asked.success() && output.status.code() == Some(1), "{errors}");
        assert!(errors.contains("stopped after ") && errors.contains("kept holds what was done"), "{errors}");
        assert!(computed(&session, &words).contains("kept: continued after "));
        assert_eq!(aggregates(&session), whole);
        assert!(!kept.exists() && !part.exists());
        fs::remove_file(&result).unwrap();
    }
}

#[test]
fn checkpoints_of_something_else_are_refused_with_the_way_out() {
    if !has_plugin("bgv") {
        return;
    }
    let session = many_blocks();
    let part = session.path("out.hqr.part");
    let mut child = start(&session, COMPUTE);
    wait_for(&part);
    child.kill().unwrap();
    child.wait().unwrap();
    let good = fs::read(&part).unwrap();

    session.ok("encrypt clinic.hq --table clinic.csv --keys keys -o data2");
    let mut refusals = vec![
        (COMPUTE.replace("slow.hq", "other.hq"), "it is of another program"),
        (COMPUTE.replace("--data data", "--data data2"), "it is of another dataset"),
    ];
    session.ok("keygen --for clinic.hq --query slow.hq --no-passphrase -o keys2");
    session.ok("encrypt clinic.hq --table clinic.csv --keys keys2 -o data3");
    let other_key = COMPUTE.replace("--data data", "--data data3").replace("keys/", "keys2/");
    refusals.push((other_key, "it is of another key"));
    for (words, reason) in refusals {
        let errors = session.fails(&words);
        let named = errors.contains("out.hqr.part: is no checkpoint of this computation: ");
        assert!(named && errors.contains(reason), "{errors}");
        assert!(errors.contains("Delete it to start anew, or give another name"), "{errors}");
    }
    for at in [0, 5, 40, good.len() / 2, good.len() - 1] {
        let mut bad = good.clone();
        bad[at] ^= 4;
        fs::write(&part, &bad).unwrap();
        assert!(session.fails(COMPUTE).contains("out.hqr.part: is no checkpoint"), "{at}");
        fs::write(&part, &good[..at]).unwrap();
        assert!(session.fails(COMPUTE).contains("out.hqr.part: is no checkpoint"), "cut at {at}");
    }
    fs::write(&part, &good).unwrap();
    assert!(computed(&session, COMPUTE).contains("continued after "));
    assert!(session.path("out.hqr").exists() && !part.exists());
}
