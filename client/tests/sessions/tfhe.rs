//! The long way on backend `tfhe`, over a dozen rows: each takes a few bootstraps.

use std::fs;
use std::sync::OnceLock;

use hq_plugin_sdk::frame::{self, Kind};

use crate::session::{SCHEMA, Session, has_plugin, json};

const COMPUTE: &str = "compute control.hq --data data --eval-keys keys/evaluation.keys -o again.hqr";
const OPEN: &str = "open out.hqr --keys keys --format json";

/// A clinic of a dozen patients.
fn small() -> Session {
    let session = Session::new();
    session.write("clinic.hq", &SCHEMA.replace("1_000,", "12,"));
    let table = fs::read_to_string(session.path("clinic.csv")).unwrap();
    let rows: Vec<&str> = table.lines().take(12).collect();
    session.write("clinic.csv", &(rows.join("\n") + "\n"));
    session
}

/// One such with keys, an encrypted table and a result, for all tests: it is not changed.
fn computed() -> &'static Session {
    static COMPUTED: OnceLock<Session> = OnceLock::new();
    COMPUTED.get_or_init(|| {
        let session = small();
        session.until_result("tfhe");
        session
    })
}

#[test]
fn the_long_way_on_tables() {
    if !has_plugin("tfhe") || !has_plugin("clear") {
        return;
    }
    let session = computed();
    let opened = json(&session.ok(OPEN));
    let clear = json(&session.ok("run control.hq --table clinic=clinic.csv --backend clear --format json"));
    assert_eq!(opened["aggregates"], clear["aggregates"]);
    assert_eq!(opened["groups"], clear["groups"]);
    assert_eq!(opened["certificate"]["encrypted"], true);
    assert!(opened["certificate"]["failure_log2"].as_f64().unwrap() <= -128.0);
    let run = session
        .ok("run control.hq --table clinic=clinic.csv --backend tfhe --verify --release off --format json");
    assert_eq!(json(&run)["equal_to_clear_run"], true);
}

#[test]
fn what_is_foreign_or_cut_is_refused_before_anything_is_computed() {
    if !has_plugin("tfhe") || !has_plugin("bgv") {
        return;
    }
    let good = computed();
    let session = small();
    let copy = |from: &str, to: &str| {
        fs::create_dir_all(session.path(to).parent().unwrap()).unwrap();
        fs::copy(good.path(from), session.path(to)).unwrap();
    };
    let evaluation = "keys/evaluation.keys";
    for file in ["out.hqr", evaluation, "keys/secret.key", "keys/keys.json", "keys/forms.json"] {
        copy(file, file);
    }
    for entry in fs::read_dir(good.path("data")).unwrap() {
        let file = format!("data/{}", entry.unwrap().file_name().to_string_lossy());
        copy(&file, &file);
    }
    let refused = |command: &str, reasons: &[&str]| {
        let errors = session.fails(command);
        assert!(reasons.iter().all(|reason| errors.contains(reason)), "{command}: {errors}");
        assert!(!session.path("again.hqr").exists(), "{command}");
    };
    let change = |file: &str, content: &dyn Fn(Vec<u8>) -> Vec<u8>, command: &str, reasons: &[&str]| {
        let kept = fs::read(session.path(file)).unwrap();
        fs::write(session.path(file), content(kept.clone())).unwrap();
        refused(command, reasons);
        fs::write(session.path(file), kept).unwrap();
    };

    // Cut, or of another kind.
    let cut = |bytes: Vec<u8>| bytes[..bytes.len() / 2].to_vec();
    change(evaluation, &cut, COMPUTE, &["evaluation.keys", "cut short"]);
    change("data/sex.limb0.hqc", &cut, COMPUTE, &["sex.limb0.hqc"]);
    change("keys/secret.key", &cut, OPEN, &["secret.key"]);
    change("out.hqr", &cut, OPEN, &["out.hqr"]);
    let secret = fs::read(session.path("keys/secret.key")).unwrap();
    change(evaluation, &|_| secret.clone(), COMPUTE, &["SECRET KEY"]);

    // Keys of other parameters for the same dataset, and of another scheme.
    session.write("wide.hq", "use clinic\nquery wide from clinic report s = sum(sbp ?? 60)\n");
    for (query, backend, keys) in [("wide", "tfhe", "wide"), ("control", "bgv", "bgv")] {
        session.ok(&format!(
            "keygen --for clinic.hq --query {query}.hq --backend {backend} --no-passphrase -o {keys}"
        ));
        let foreign =
            format!("compute control.hq --data data --eval-keys {keys}/evaluation.keys -o again.hqr");
        refused(&foreign, &["evaluation.keys", "was encrypted with key"]);
        refused(&format!("open out.hqr --keys {keys}"), &["out.hqr", "key"]);
    }
    // Another key's content under this one's name.
    let (named, content) = (
        fs::read(session.path(evaluation)).unwrap(),
        fs::read(session.path("wide/evaluation.keys")).unwrap(),
    );
    let forged = |_: Vec<u8>| {
        let (own, other) = (frame::split(&named).unwrap().0, frame::split(&content).unwrap().0);
        frame::seal(Kind::EvaluationKey, own.key, other.payload)
    };
    change(evaluation, &forged, COMPUTE, &["but its content is that of"]);

    // A column under other parameters in the place of one's own, with its digests in order.
    session.ok("encrypt clinic.hq --table clinic.csv --keys wide -o other");
    let part = "sex.limb0.hqc";
    let manifest: serde_json::Value = json(&fs::read_to_string(session.path("data/manifest.json")).unwrap());
    let others: serde_json::Value = json(&fs::read_to_string(session.path("other/manifest.json")).unwrap());
    let mut mixed = manifest;
    mixed["parts"]["sex.limb0"] = others["parts"]["sex.limb0"].clone();
    let mixed = serde_json::to_vec(&mixed).unwrap();
    let digest = blake3::hash(&mixed).to_hex().to_string();
    fs::write(session.path("data/manifest.json"), mixed).unwrap();
    fs::write(session.path("data/manifest.b3"), digest + "\n").unwrap();
    fs::copy(session.path("other").join(part), session.path("data").join(part)).unwrap();
    refused(COMPUTE, &["sex.limb0", "belongs to key"]);
}

/// A column whose values no sum holds in one piece is held in digits, and what they add up to is exact.
#[test]
fn columns_wider_than_sums_are_held_in_digits() {
    if !has_plugin("tfhe") || !has_plugin("clear") {
        return;
    }
    let session = Session::new();
    session.write(
        "clinic.hq",
        "dataset clinic {\n  rows <= 512, one per person\n  release { min_cell 0 max_cells 10 }\n  age: 0..40\n  days: 0..6000\n}\n",
    );
    session.write("clinic.csv", "age,days\n30,4500\n40,6000\n22,2048\n");
    session
        .write("control.hq", "use clinic\nquery control from clinic where age >= 25 report d = sum(days)\n");
    session.until_result("tfhe");
    let forms = json(&fs::read_to_string(session.path("keys/forms.json")).unwrap());
    let held = |column: &str| forms["columns"][column]["forms"].as_array().unwrap().len();
    assert_eq!((held("age"), held("days")), (1, 1), "{forms}");
    assert!(!session.path("data/days.word.hqc").exists());
    assert_eq!(json(&session.ok(OPEN))["aggregates"][0]["value"], 10_500);
    let refused =
        session.fails("encrypt clinic.hq --table clinic.csv --keys keys -o data --add --forms default");
    assert!(refused.contains("there is nothing to add"), "{refused}");
}

#[test]
fn secret_parameters_are_compared_by_tables() {
    if !has_plugin("tfhe") || !has_plugin("clear") {
        return;
    }
    let session = small();
    session.write(
        "secret.hq",
        "use clinic\nsecret param cutoff: 18..90\nquery above from clinic report n = count(age >= cutoff)\n",
    );
    session.ok("keygen --for clinic.hq --query secret.hq --backend tfhe --no-passphrase -o keys");
    session.ok("encrypt clinic.hq --table clinic.csv --keys keys -o data");
    let seal = "seal secret.hq --backend tfhe --eval-keys keys/evaluation.keys -o cutoff.sealed";
    session.ok(&format!("{seal} --param cutoff=21"));
    let compute = "compute secret.hq --data data --eval-keys keys/evaluation.keys -o out.hqr";
    session.ok(&format!("{compute} --sealed cutoff.sealed"));
    let opened = json(&session.ok(OPEN));
    // Eleven rows, aged 18 and one more from each to the next.
    assert_eq!(opened["groups"][0]["report"]["n"], 8, "{opened}");
}

/// `auto` takes what costs least, and says what every backend would cost, or why it has no plan.
#[test]
fn the_cheapest_backend_is_taken_and_the_reason_told() {
    if !has_plugin("tfhe") || !has_plugin("bgv") {
        return;
    }
    let session = small();
    session.write("square.hq", "use clinic\nquery square from clinic report s = sum(age * age)\n");
    let told = |words: &str| {
        let output = session.hq(words);
        let errors = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success(), "hq {words}: {errors}");
        (String::from_utf8(output.stdout).unwrap(), errors)
    };
    let taken = "backend `bgv` is taken: `bgv` about 0.";
    // One backend for all queries of the command.
    let run = "run control.hq square.hq --table clinic=clinic.csv --backend auto --release off --format json";
    let (result, errors) = told(run);
    assert!(errors.contains(taken), "{errors}");
    assert!(errors.contains("; `tfhe` about "), "{errors}");
    assert_eq!(json(&result)[0]["backend"], "bgv");

    let (explained, errors) = told("explain control.hq --backend auto");
    assert!(errors.contains(taken) && errors.contains("; `tfhe` about "), "{errors}");
    assert!(explained.contains("\nOther backends\n--------------\n`tfhe` about "), "{explained}");
    let (explained, _) = told("explain control.hq --backend tfhe");
    assert!(explained.contains("\nOther backends\n--------------\n`bgv` about 0."), "{explained}");

    // More rows than any ciphertext counts.
    session.write("clinic.hq", &SCHEMA.replace("1_000,", "1_000_000_000_000,"));
    let refused = session.fails("explain control.hq --backend auto");
    assert!(
        refused.contains("no encrypted backend plans every query of the program: `bgv` has no plan for"),
        "{refused}"
    );
    assert!(refused.contains("; `tfhe` has no plan for `control`, HQ090"), "{refused}");
}
