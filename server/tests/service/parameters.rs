//! Secret parameters: encrypted by the researcher, computed with by the service, which never sees them, and gone with the
//! computation. What is no ciphertext for just this query and dataset is refused, and nothing of it stays.

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::clinic::{await_computed, await_state, log};
use crate::jobs::script;
use crate::people::{Person, has_client};
use crate::running::{Answer, Running};

const SCHEMA: &str = "dataset clinic \"a clinic\" {
  rows <= 1_000, one per person
  release { min_cell 4 max_cells 100 per_day 50 }
  sex: {female, male}
  age: 18..90 \"years\"
}
";
const PROGRAM: &str = "use clinic
secret param cutoff: 18..90
query above
  from clinic
  by sex
  report
    n = count(age >= cutoff)
";
const SUBMIT: &str = "submit above.hq --dataset clinic --purpose trial --detach";
const RECIPIENT: &str = "age1qyqszqgpqyqszqgpqyqszqgpqyqszqgpqyqszqgpqyqszqgpqyqs3290gq";

/// An owner who published, and a researcher to whom they gave the evaluation keys.
fn published(running: &Running, backend: &str) -> (Person, Person) {
    let owner = Person::at(running, "owner");
    owner.write("clinic.hq", SCHEMA);
    owner.write("above.hq", PROGRAM);
    let row = |row: usize| format!("{},{}\n", ["female", "male"][row % 2], 18 + row % 70);
    owner.write("clinic.csv", &format!("sex,age\n{}", (0..200).map(row).collect::<String>()));
    owner.ok(&format!("keygen --for clinic.hq --query above.hq --no-passphrase -o keys --backend {backend}"));
    owner.ok("encrypt clinic.hq --table clinic.csv --keys keys -o data");
    owner.ok("publish data --keys keys --researcher ada --custodian owner");
    let ada = Person::at(running, "ada");
    ada.write("above.hq", PROGRAM);
    fs::copy(owner.path("keys/evaluation.keys"), ada.path("evaluation.keys")).unwrap();
    (owner, ada)
}

/// Objects with secret parameters that the service holds.
fn held(running: &Running) -> usize {
    let folder = running.folder.path().join("data/objects/datasets/clinic/parameters");
    fs::read_dir(folder).map_or(0, Iterator::count)
}

/// Waits until it holds none: they are removed once the job's state is known.
fn none(running: &Running) {
    let end = Instant::now() + Duration::from_secs(20);
    while held(running) > 0 {
        assert!(Instant::now() < end, "they are still there");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// Whether bytes are in a file under a folder.
fn is_in(folder: &Path, bytes: &[u8]) -> bool {
    let mut entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    entries.any(|path| {
        let read = |path: &Path| memchr::memmem::find(&fs::read(path).unwrap(), bytes).is_some();
        if path.is_dir() { is_in(&path, bytes) } else { read(&path) }
    })
}

#[test]
fn a_secret_parameter_is_computed_with_and_not_seen() {
    if !has_client("bgv") || !has_client("clear") {
        return;
    }
    let running = Running::new();
    let (owner, ada) = published(&running, "bgv");
    let missing = ada.fails(SUBMIT);
    assert!(missing.contains("has secret parameters"), "{missing}");
    let clear = ada.fails(&format!("{SUBMIT} --param cutoff=63"));
    assert!(clear.contains("must not see it"), "{clear}");
    let public = ada.fails(&format!("{SUBMIT} --secret other=63 --eval-keys evaluation.keys"));
    assert!(public.contains("other"), "{public}");

    for (cutoff, further) in [(63, ""), (18, " --idempotency-key another-one")] {
        let secret = format!("{SUBMIT} --secret cutoff={cutoff} --eval-keys evaluation.keys{further}");
        let job = ada.ok(&secret).trim().to_owned();
        await_computed(&ada, &job);
        none(&running);
        owner.ok("custodian --keys keys --once --secrets-of eve --secrets-of ada");
        let found = ada.json(&format!("result {job} --format json"));
        let run = format!(
            "run above.hq --table clinic=clinic.csv --backend clear --param cutoff={cutoff} --format json"
        );
        let wanted = owner.json(&run);
        assert_eq!((&found["groups"], &found["aggregates"]), (&wanted["groups"], &wanted["aggregates"]));
    }
    // Another value, by which few persons are more: the custodian remembers what was counted, not under which value.
    let close = ada.ok(&format!("{SUBMIT} --secret cutoff=62 --eval-keys evaluation.keys"));
    await_computed(&ada, close.trim());
    owner.ok("custodian --keys keys --once --secrets-of ada");
    let refused = ada.fails(&format!("result {}", close.trim()));
    assert!(refused.contains("differs by fewer than 4 persons"), "{refused}");
    // Encrypted before, by `hq seal`: the same bytes, so that it can be sent twice.
    ada.write("clinic.hq", SCHEMA);
    ada.ok("seal above.hq --eval-keys evaluation.keys -o cutoff.sealed --param cutoff=40");
    let sealed = format!("{SUBMIT} --sealed cutoff.sealed --idempotency-key sent-twice");
    let first = ada.ok(&sealed);
    assert_eq!(ada.ok(&sealed), first);
    await_computed(&ada, first.trim());
    owner.ok("custodian --keys keys --once");
    let refused = ada.fails(&format!("result {}", first.trim()));
    assert!(refused.contains("has secret parameters, which the custodian does not take"), "{refused}");
    none(&running);
    let frames = fs::read(ada.path("cutoff.sealed")).unwrap();
    let inside = &frames[frames.len() / 2..frames.len() / 2 + 32];
    assert!(!is_in(&running.folder.path().join("data"), inside), "nothing of the ciphertext is left");
    assert!(log(&running).iter().all(|line| !line.contains("cutoff")));
}

/// While they wait, they are there, sealed; cancelled, failed and erased, they are not.
#[test]
fn they_are_gone_with_the_job_however_it_ends() {
    if !has_client("clear") {
        return;
    }
    let notes = tempfile::tempdir().unwrap();
    let worker = script(notes.path(), ". $NOTES/how");
    let mut running = Running::with(|config| {
        config.worker = Some(worker);
        config.limits.attempts = 1;
    });
    let (owner, ada) = published(&running, "clear");
    fs::write(notes.path().join("how"), "exec sleep 1000").unwrap();
    let secret = format!("{SUBMIT} --secret cutoff=63 --eval-keys evaluation.keys --backend clear");
    let send = || ada.ok(&secret).trim().to_owned();
    let (first, second) = (send(), send());
    await_state(&running, &first, &["running"]);
    assert_eq!(held(&running), 2);
    ada.ok(&format!("jobs cancel {second}"));
    assert_eq!(held(&running), 1);
    ada.ok(&format!("jobs cancel {first}"));
    none(&running);
    fs::write(notes.path().join("how"), "kill -9 $$").unwrap();
    let failed = send();
    await_state(&running, &failed, &["failed"]);
    none(&running);

    // A service that ends keeps those of jobs that it will compute, and sweeps what is of no job.
    fs::write(notes.path().join("how"), "exec sleep 1000").unwrap();
    let last = send();
    await_state(&running, &last, &["running"]);
    running.end();
    let folder = running.folder.path().join("data/objects/datasets/clinic/parameters");
    fs::copy(folder.join(&last), folder.join("0123")).unwrap();
    fs::write(notes.path().join("how"), "exec $WORKER worker").unwrap();
    running.begin(true);
    for person in [&owner, &ada] {
        person.login(&running);
    }
    await_computed(&ada, &last);
    none(&running);
    owner.ok("custodian --keys keys --once --secrets-of ada");
    assert_eq!(ada.json(&format!("result {last} --format json"))["groups"][0]["report"]["n"], 31);

    fs::write(notes.path().join("how"), "exec sleep 1000").unwrap();
    let erased = send();
    await_state(&running, &erased, &["running"]);
    owner.ok("publish data --keys keys --withdraw-older");
    assert_eq!(held(&running), 1, "the version that it is of is the one that stays");
    owner.ok("erase clinic --yes --version 1");
    none(&running);
}

struct Sending<'a> {
    running: &'a Running,
    token: String,
    body: Value,
}

impl Sending<'_> {
    fn with(&self, body: &[u8], sealed: &[u8], key: &str) -> Answer {
        let length = u32::try_from(body.len()).unwrap().to_le_bytes();
        self.raw(&[&length[..], body, sealed].concat(), key)
    }

    fn raw(&self, bytes: &[u8], key: &str) -> Answer {
        let headers = [("Content-Type", "application/octet-stream"), ("idempotency-key", key)];
        let path = "/v1/datasets/clinic/jobs/sealed";
        self.running.send("POST", path, Some(&self.token), &headers, bytes)
    }

    fn sealed(&self, sealed: &[u8], key: &str) -> Answer {
        self.with(self.body.to_string().as_bytes(), sealed, key)
    }
}

#[test]
fn hostile_ciphertexts_are_refused_and_nothing_stays() {
    if !has_client("bgv") {
        return;
    }
    let running = Running::with(|config| config.limits.parameter_bytes = 64 << 20);
    let (owner, ada) = published(&running, "bgv");
    ada.write("clinic.hq", SCHEMA);
    ada.ok("seal above.hq --eval-keys evaluation.keys -o good --param cutoff=40");
    ada.write("wide.hq", &PROGRAM.replace("18..90", "18..91"));
    ada.ok("seal wide.hq --eval-keys evaluation.keys -o wide --param cutoff=40");
    owner.ok("keygen --for clinic.hq --query above.hq --no-passphrase -o foreign --backend bgv");
    fs::copy(owner.path("foreign/evaluation.keys"), ada.path("foreign.keys")).unwrap();
    ada.ok("seal above.hq --eval-keys foreign.keys -o foreign --param cutoff=40");
    let read = |name: &str| fs::read(ada.path(name)).unwrap();
    let good = read("good");
    let body = json!({
        "program": { "name": "above.hq", "text": PROGRAM }, "purpose": "trial", "recipient": RECIPIENT,
    });
    let sending = Sending { running: &running, token: running.token("ada"), body };
    let refused = |answer: &Answer, status: u16, code: &str, what: &str| {
        let body = String::from_utf8_lossy(&answer.body);
        assert_eq!((answer.status, answer.code().as_str()), (status, code), "{what}: {body}");
        assert_eq!(held(&running), 0, "{what}");
    };
    let mut flipped = good.clone();
    flipped[good.len() / 2] ^= 1;
    let key = fs::read(owner.path("keys/secret.key")).unwrap();
    for (what, sealed, code) in [
        ("nothing", Vec::new(), "parameters"),
        ("cut", good[..good.len() - 1].to_vec(), "parameters"),
        ("longer", [good.as_slice(), b"x"].concat(), "parameters"),
        ("twice", [good.as_slice(), &good].concat(), "parameters"),
        ("damaged", flipped, "parameters"),
        ("of another program", read("wide"), "parameters"),
        ("under another key", read("foreign"), "parameters"),
        ("evaluation keys", read("evaluation.keys"), "parameters"),
        ("a secret key", key.clone(), "secret-key"),
        ("a secret key behind", [good.as_slice(), &key].concat(), "secret-key"),
    ] {
        refused(&sending.sealed(&sealed, "hostile-one"), 422, code, what);
    }
    for (what, bytes) in [("empty", &b""[..]), ("short", &b"\x01"[..]), ("long", &b"\xff\xff\xff\xff{}"[..])]
    {
        refused(&sending.raw(bytes, "hostile-one"), 400, "invalid", what);
    }
    refused(&sending.with(b"{}", &good, "hostile-one"), 400, "invalid", "another document");
    refused(&sending.sealed(&vec![0; (64 << 20) + 1], "hostile-one"), 413, "too-large", "too long");
    // Without them, or with the value in the clear.
    let plain = running.json("POST", "/v1/datasets/clinic/jobs", &sending.token, &sending.body);
    refused(&plain, 422, "parameters", "none");
    let mut told = sending.body.clone();
    told["program"]["params"] = json!({ "cutoff": "40" });
    let in_clear = sending.with(told.to_string().as_bytes(), &good, "hostile-one");
    refused(&in_clear, 422, "unsupported", "in the clear");
    // A program without any.
    told["program"] =
        json!({ "name": "n.hq", "text": "use clinic\nquery all from clinic report n = count()\n" });
    refused(&sending.with(told.to_string().as_bytes(), &good, "hostile-one"), 422, "parameters", "too many");
    for path in ["check", "explain"] {
        let answer = running.json(
            "POST",
            &format!("/v1/datasets/clinic/{path}"),
            &sending.token,
            &sending.body["program"],
        );
        assert_eq!(answer.status, 200, "{path}");
    }
    // What only the backend can see: a frame that is whole, under the right key, and no ciphertext.
    let forged = forged(&good);
    let answer = sending.sealed(&forged, "hostile-two");
    assert_eq!(answer.status, 201, "{}", String::from_utf8_lossy(&answer.body));
    let failed = await_state(&running, answer.json()["id"].as_str().unwrap(), &["failed"]);
    assert_eq!(failed["code"], "computation", "{failed}");
    none(&running);
}

/// The same with a last part that is a frame of noise.
fn forged(good: &[u8]) -> Vec<u8> {
    use hq_plugin_sdk::frame::{self, Kind};
    let outer = frame::open(good, Kind::Parameters).unwrap();
    let length = u32::from_le_bytes(outer.payload[..4].try_into().unwrap()) as usize;
    let (head, mut parts) = outer.payload.split_at(4 + length);
    let mut payload = head.to_vec();
    while !parts.is_empty() {
        let (frame, rest) = frame::split(parts).unwrap();
        let last = rest.is_empty();
        let content = if last { vec![0xff; frame.payload.len()] } else { frame.payload.to_vec() };
        payload.extend_from_slice(&frame::seal(Kind::Parameter, frame.key, &content));
        parts = rest;
    }
    frame::seal(Kind::Parameters, outer.key, &payload)
}
