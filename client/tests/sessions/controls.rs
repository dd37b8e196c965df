//! Control tables: what whoever computes does wrongly is noticed when the result is opened.

use std::fs;

use hq_engine::result_file::{self, ResultFile, tables};
use serde_json::Value;

use crate::interrupted::{many_blocks, start};
use crate::session::{Session, has_plugin, json};

const COMPUTE: &str = "compute control.hq --data data --eval-keys keys/evaluation.keys -o out.hqr";

fn encrypted(controls: u32, backend: &str) -> Session {
    let session = Session::new();
    session.ok(&format!(
        "keygen --for clinic.hq --query control.hq --no-passphrase -o keys --backend {backend}"
    ));
    session.ok(&format!("encrypt clinic.hq --table clinic.csv --keys keys -o data --controls {controls}"));
    session
}

fn aggregates(session: &Session) -> Value {
    json(&session.ok("open out.hqr --keys keys --format json"))["aggregates"].clone()
}

/// What stands in `controls` of the keys: for each table whether it is a control.
fn kinds(session: &Session) -> Vec<bool> {
    let folder = fs::read_dir(session.path("keys/controls")).unwrap();
    let path = folder.map(|entry| entry.unwrap().path()).next().unwrap();
    let kept: Value = serde_json::from_slice(&fs::read(path).unwrap()).unwrap();
    kept["tables"].as_array().unwrap().iter().map(|kind| kind != "copy").collect()
}

/// The result with the sums of its tables in another order.
fn shuffled(session: &Session, order: &[usize]) {
    let result = result_file::read(&fs::read(session.path("out.hqr")).unwrap()).unwrap();
    let sums = tables(&result.sums).unwrap();
    let sums = order.iter().flat_map(|&table| sums[table].to_vec()).collect();
    session.write_bytes("bad.hqr", &result_file::write(&ResultFile { sums, ..result }).unwrap());
}

#[test]
fn controls_and_copies_show_what_was_altered() {
    if !has_plugin("bgv") {
        return;
    }
    let plain = encrypted(0, "bgv");
    plain.ok(COMPUTE);
    assert!(!plain.path("keys/controls").exists());
    let session = encrypted(2, "bgv");
    session.ok(COMPUTE);
    assert_eq!(aggregates(&session), aggregates(&plain));

    let kinds = kinds(&session);
    assert_eq!((kinds.len(), kinds.iter().filter(|control| **control).count()), (4, 2));
    let refused = |order: &[usize], reason: &str| {
        shuffled(&session, order);
        let said = session.fails("open bad.hqr --keys keys");
        assert!(said.contains("SOMETHING ELSE") && said.contains(reason), "{order:?}: {said}");
    };
    let (copy, control) =
        (kinds.iter().position(|kind| !kind).unwrap(), kinds.iter().position(|kind| *kind).unwrap());
    // One control, or all tables, in the place of others; one table missing.
    let mut order = [0, 1, 2, 3];
    order[control] = copy;
    refused(&order, "of a control table");
    order = [0, 1, 2, 3];
    order[copy] = control;
    refused(&order, "copies of one table");
    for table in 0..4 {
        refused(&[table; 4], "");
    }
    refused(&[0, 1, 2], "3 tables of 4");
    // What is equally wrong in both copies, and in no control, is not noticed: who cheats must guess which they are.
    let wrong: Vec<usize> =
        kinds.iter().enumerate().map(|(at, kind)| if *kind { at } else { control }).collect();
    shuffled(&session, &wrong);
    session.ok("open bad.hqr --keys keys");

    // The folder of keys is the only one that knows.
    fs::remove_dir_all(session.path("keys/controls")).unwrap();
    let said = session.fails("open out.hqr --keys keys");
    assert!(said.contains("the folder of keys does not say which"), "{said}");
    let said = session.fails("encrypt clinic.hq --table clinic.csv --keys keys -o data --add --forms bits");
    assert!(said.contains("has control tables"), "{said}");
}

#[test]
fn controls_on_clear() {
    if !has_plugin("clear") {
        return;
    }
    let (plain, session) = (encrypted(0, "clear"), encrypted(1, "clear"));
    for session in [&plain, &session] {
        session.ok(COMPUTE);
    }
    assert_eq!(aggregates(&session), aggregates(&plain));
    shuffled(&session, &[1, 0]);
    assert!(session.fails("open bad.hqr --keys keys").contains("of a control table"));
}

#[cfg(unix)]
#[test]
fn a_killed_computation_of_several_tables_goes_on() {
    if !has_plugin("bgv") {
        return;
    }
    let session = many_blocks();
    let words = "compute slow.hq --eval-keys keys/evaluation.keys -o out.hqr --every 0 --data";
    session.ok(&format!("{words} data"));
    let whole = aggregates(&session);
    fs::remove_file(session.path("out.hqr")).unwrap();
    session.ok("encrypt clinic.hq --table clinic.csv --keys keys -o twofold --controls 1");
    let words = format!("{words} twofold --threads 1");
    let manifest = fs::read_to_string(session.path("twofold/manifest.json")).unwrap();
    let blocks = serde_json::from_str::<Value>(&manifest).unwrap()["blocks"].as_u64().unwrap();
    // In the first table, then in the second.
    for least in [2, blocks + 2] {
        let mut child = start(&session, &words);
        while done(&session.path("out.hqr.part")) < least {
            assert!(!session.path("out.hqr").exists(), "it was faster than the kill");
            std::thread::sleep(std::time::Duration::from_millis(1));
        }
        child.kill().unwrap();
        child.wait().unwrap();
        assert!(!session.path("out.hqr").exists(), "it was faster than the kill");
    }
    let output = session.hq(&words);
    let errors = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success() && errors.contains("continued"), "{errors}");
    assert_eq!(aggregates(&session), whole);
}

/// Blocks that a checkpoint says are done.
fn done(part: &std::path::Path) -> u64 {
    let bytes = fs::read(part).unwrap_or_default();
    let text = String::from_utf8_lossy(&bytes[..bytes.len().min(4096)]).into_owned();
    let number = text
        .split_once("\"done\":")
        .map(|(_, rest)| rest.chars().take_while(char::is_ascii_digit).collect::<String>());
    number.and_then(|number| number.parse().ok()).unwrap_or(0)
}
