//! Small counts that stay encrypted: the long way on `bgv` with `tfhe` beside it, and what is refused on it.

use std::fs;
use std::sync::OnceLock;

use hq_engine::result_file;
use hq_plugin_sdk::frame::{self, Kind};

use crate::session::{SCHEMA, Session, has_plugin, json};

/// By sex of a hundred: 50 of each, 4 of each from 80 on, none above 87.
const QUERY: &str = "use clinic
query old
  from clinic
  by sex
  report
    n      = count()
    aged   = count(age >= 80)
    oldest = count(age >= 88)
    ages   = sum(age)
    mean   = ages / n
";
const COMPUTE: &str = "compute old.hq --data data --eval-keys keys/evaluation.keys -o again.hqr";

fn session() -> Session {
    let session = Session::new();
    session.write("clinic.hq", &SCHEMA.replace("min_cell 3", "min_cell 11 encrypted"));
    session.write("old.hq", QUERY);
    session
}

fn have_plugins() -> bool {
    has_plugin("bgv") && has_plugin("tfhe") && has_plugin("clear")
}

/// One with keys, an encrypted table and a result, for all tests: what one changes it puts back.
fn computed() -> &'static Session {
    static COMPUTED: OnceLock<Session> = OnceLock::new();
    COMPUTED.get_or_init(|| {
        let session = session();
        session.ok("keygen --for clinic.hq --query old.hq --no-passphrase -o keys --backend bgv");
        session.ok("encrypt clinic.hq --table clinic.csv --keys keys -o data");
        session.ok("compute old.hq --data data --eval-keys keys/evaluation.keys -o out.hqr");
        session
    })
}

#[test]
fn a_small_count_stays_closed_and_the_report_is_that_of_the_clear_run() {
    if !have_plugins() {
        return;
    }
    let session = computed();
    let opened = json(&session.ok("open out.hqr --keys keys --format json"));
    let clear = json(&session.ok("run old.hq --table clinic=clinic.csv --backend clear --format json"));
    assert_eq!(opened["groups"], clear["groups"]);
    assert_eq!(opened["aggregates"], clear["aggregates"]);
    assert_eq!(opened["certificate"]["gates"]["cells"], 6);
    assert!(opened["certificate"]["failure_log2"].as_f64().unwrap() <= -128.0);
    // With the rules off, who holds the key sees all that was let out: the small counts are not among it.
    let all = json(&session.ok("open out.hqr --keys keys --format json --release off --own-data"));
    let value = |name: &str, sex: &str| {
        let aggregates = all["aggregates"].as_array().unwrap();
        let named =
            aggregates.iter().find(|aggregate| aggregate["name"] == name && aggregate["by"]["sex"] == sex);
        named.map(|aggregate| aggregate["value"].as_i64().unwrap())
    };
    for sex in ["female", "male"] {
        assert_eq!((value("n", sex), value("aged", sex), value("oldest", sex)), (Some(50), None, Some(0)));
    }
    assert_eq!(all["groups"][0]["hidden"], serde_json::json!(["aged"]));
}

#[test]
fn backends_that_decide_on_nothing_say_so() {
    if !have_plugins() {
        return;
    }
    let session = session();
    let refused = session.fails("run old.hq --table clinic=clinic.csv --backend tfhe");
    assert!(refused.contains("HQ090") && refused.contains("Use backend `bgv`"), "{refused}");
    assert!(session.ok("check old.hq --backend bgv").contains("no errors"));
    let explained = session.ok("explain old.hq --backend bgv --graph plan.svg");
    assert!(fs::read_to_string(session.path("plan.svg")).unwrap().contains("8 sums behind 6 gates"));
    assert!(
        explained.contains("6 counts let 8 numbers out") && explained.contains("gate 11 base"),
        "{explained}"
    );
    session.write("clinic.hq", &SCHEMA.replace("min_cell 3", "min_cell 17 encrypted"));
    let refused = session.fails("check old.hq --backend bgv");
    assert!(refused.contains("HQ081"), "{refused}");
}

#[test]
fn keys_that_do_not_belong_together_are_refused_before_anything_is_computed() {
    if !have_plugins() {
        return;
    }
    let session = computed();
    session.ok("keygen --for clinic.hq --query old.hq --no-passphrase -o foreign --backend bgv");
    let frames = |path: &str| {
        let bytes = fs::read(session.path(path)).unwrap();
        let mut rest = bytes.as_slice();
        let mut frames = Vec::new();
        while !rest.is_empty() {
            let (_, after) = frame::split(rest).unwrap();
            frames.push(rest[..rest.len() - after.len()].to_vec());
            rest = after;
        }
        frames
    };
    let (own, foreign) = (frames("keys/evaluation.keys"), frames("foreign/evaluation.keys"));
    let secret = frames("keys/secret.key");
    assert_eq!((own.len(), foreign.len(), secret.len()), (3, 3, 2));
    // The foreign key between two pairs under the names of one's own.
    let forged = |payload: &[u8]| {
        let mut payload = payload.to_vec();
        payload[1..17].copy_from_slice(&frame::split(&own[0]).unwrap().0.key.0);
        frame::seal(Kind::BridgeKey, frame::split(&own[1]).unwrap().0.key, &payload)
    };
    let forged = forged(frame::split(&foreign[2]).unwrap().0.payload);
    let cut = own[2][..own[2].len() - 1].to_vec();
    for (parts, reason) in [
        ([&own[0], &own[1], &foreign[2]], "another key between its two pairs"),
        ([&own[0], &own[1], &forged], "another key between its two pairs"),
        ([&own[0], &foreign[1], &foreign[2]], "is named"),
        ([&foreign[0], &own[1], &own[2]], "was encrypted with key"),
        ([&own[0], &own[1], &cut], "cut short"),
        ([&own[0], &own[1], &own[0]], "evaluation"),
        ([&own[0], &own[1], &secret[1]], "SECRET KEY"),
        ([&own[0], &secret[1], &own[2]], "SECRET KEY"),
        ([&own[0], &Vec::new(), &Vec::new()], "no keys that decide on counts"),
    ] {
        session.write_bytes("mixed.keys", &parts.map(Vec::as_slice).concat());
        let refused = session.fails("compute old.hq --data data --eval-keys mixed.keys -o again.hqr");
        assert!(refused.contains(reason) && refused.contains("mixed.keys"), "{reason}: {refused}");
        assert!(!session.path("again.hqr").exists());
    }
    // Another content under the name of the pair that decides: its digest is that name.
    let other = frame::split(&foreign[1]).unwrap().0.payload.to_vec();
    let named = frame::seal(Kind::EvaluationKey, frame::split(&own[1]).unwrap().0.key, &other);
    session.write_bytes("mixed.keys", &[&own[0][..], &named, &own[2]].concat());
    let refused = session.fails("compute old.hq --data data --eval-keys mixed.keys -o again.hqr");
    assert!(refused.contains("another content under the name of key"), "{refused}");
    // Secrets of two pairs.
    let others = frames("foreign/secret.key");
    let kept = fs::read(session.path("keys/secret.key")).unwrap();
    for parts in [vec![&secret[0]], vec![&secret[0], &others[1]], vec![&others[0], &secret[1]]] {
        session.write_bytes("keys/secret.key", &parts.into_iter().flatten().copied().collect::<Vec<u8>>());
        assert!(session.fails("open out.hqr --keys keys").contains("secret.key"));
    }
    session.write_bytes("keys/secret.key", &kept);
}

#[test]
fn what_passed_belongs_to_its_sums_in_its_order() {
    if !have_plugins() {
        return;
    }
    let session = computed();
    let read = |name: &str| result_file::read(&fs::read(session.path(name)).unwrap()).unwrap();
    let refused = |passed: Option<Vec<u8>>, reason: &str| {
        let result = result_file::ResultFile { passed, ..read("out.hqr") };
        session.write_bytes("changed.hqr", &result_file::write(&result).unwrap());
        let message = session.fails("open changed.hqr --keys keys");
        assert!(message.contains(reason) && message.contains("changed.hqr"), "{reason}: {message}");
    };
    let passed = read("out.hqr").passed.unwrap();
    let (parsed, _) = frame::split(&passed).unwrap();
    let (key, payload) = (parsed.key, parsed.payload);
    refused(None, "does not hold what its gates let out");
    // Version, context, number of cells; then the cells: the second and the fourth let one number out each.
    let (head, cells) = payload.split_at(37);
    let one = cells_of(cells);
    let mut swapped = one.clone();
    swapped.swap(1, 4);
    assert_eq!(one[1].len(), one[4].len());
    refused(
        Some(frame::seal(Kind::Passed, key, &[head, &swapped.concat()].concat())),
        "its cells stand in another order",
    );
    let fewer = [&head[..33], &5_u32.to_le_bytes()[..], &one[..5].concat()].concat();
    refused(Some(frame::seal(Kind::Passed, key, &fewer)), "other cells than the plan has");
    refused(Some(frame::seal(Kind::Passed, key, &payload[..payload.len() - 1])), "cut short");
    // Of the same computation, done again: its sums leave under other pads.
    session.ok(COMPUTE);
    refused(read("again.hqr").passed, "of another plan, or of other sums");
    fs::remove_file(session.path("again.hqr")).unwrap();
}

/// The bytes of each cell: position, numbers, limbs of each; the decision and every limb have a sample each.
fn cells_of(mut bytes: &[u8]) -> Vec<Vec<u8>> {
    let mut cells = Vec::new();
    while !bytes.is_empty() {
        let length = |at: usize| u32::from_le_bytes(bytes[at..at + 4].try_into().unwrap()) as usize;
        let samples = 1 + length(4) * length(8);
        let (cell, rest) = bytes.split_at(12 + samples * 3 * 4097);
        cells.push(cell.to_vec());
        bytes = rest;
    }
    cells
}
