//! Plugins out of a registry: administrators accept and revoke them over HTTP, functions come from it alone, jobs are of the builds
//! that planned them, and what was revoked computes nothing more.

use std::fs;
use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use hq_engine::apart::Apart;
use hq_engine::registry::{By, Candidate, Registry};
use minisign::KeyPair;
use serde_json::{Value, json};

use crate::clinic::{PROGRAM, await_computed, await_state, log, opened, published, smokers, submit};
use crate::jobs::script;
use crate::people::{Person, has_client};
use crate::running::{Answer, Running, built};

const ROWS: usize = 300;
const BY: By<'_> = By { who: "test", time: "2026-11-28T03:10:00Z" };

/// Calls a function of the plugin `risk`.
const GRADES: &str = "use clinic
extern fn gfr_grade(sex: {female, male}, age: 40..79, creatinine: 0.4..4.3) -> {G5, G4, G3b, G3a, G2, G1} from \"risk\"
query grades \"a test\"
  from clinic
  by sex
  report
    n = count(smoker and gfr_grade(sex, 79, 1.3) == G3b)
";

/// A registry in a folder, with a key that counts.
pub(crate) struct Registered {
    pub(crate) folder: PathBuf,
    notes: PathBuf,
    pair: KeyPair,
}

impl Registered {
    pub(crate) fn new(notes: &Path) -> Self {
        let (folder, pair) = (notes.join("registry"), KeyPair::generate_unencrypted_keypair().unwrap());
        fs::create_dir_all(folder.join("keys")).unwrap();
        fs::write(folder.join("keys/us.pub"), pair.pk.to_box().unwrap().into_string()).unwrap();
        Self { folder, notes: notes.to_owned(), pair }
    }

    /// The file of a plugin that `cargo build` made, signed, with some bytes behind it.
    fn signed(&self, plugin: &str, more: &[u8]) -> PathBuf {
        let file = file(plugin);
        let from = built().into_iter().map(|dir| dir.join(&file)).find(|path| path.is_file()).unwrap();
        let place = self.notes.join(&file);
        fs::write(&place, [fs::read(from).unwrap(), more.to_vec()].concat()).unwrap();
        let signature = self.sign(&fs::read(&place).unwrap());
        fs::write(self.notes.join(format!("{file}.minisig")), signature).unwrap();
        place
    }

    fn sign(&self, bytes: &[u8]) -> String {
        minisign::sign(Some(&self.pair.pk), &self.pair.sk, bytes, None, None).unwrap().into_string()
    }

    /// Accepts it, as `hq plugin` does.
    pub(crate) fn with(&self, plugin: &str) {
        let apart = Apart::by(env!("CARGO_BIN_EXE_hq-server").into());
        let candidate = Candidate::read(&self.signed(plugin, b""), None);
        Registry::at(&self.folder).register(candidate, BY, |copy, shown| apart.inspect(copy, shown)).unwrap();
    }
}

fn file(plugin: &str) -> String {
    format!("{}hq_plugin_{plugin}{}", std::env::consts::DLL_PREFIX, std::env::consts::DLL_SUFFIX)
}

/// Sends a plugin.
fn send(running: &Running, name: &str, bytes: &[u8], signature: &str) -> Answer {
    let signature = BASE64_STANDARD.encode(signature);
    let digest = blake3::hash(bytes).to_hex().to_string();
    let headers = [("hq-file", name), ("hq-digest", digest.as_str()), ("hq-signature", signature.as_str())];
    running.send("POST", "/v1/plugins", Some(&running.token("administrator")), &headers, bytes)
}

fn outcomes(running: &Running, action: &str) -> Vec<String> {
    let entries = log(running);
    let events = entries
        .iter()
        .map(|line| serde_json::from_str::<Value>(line.split_once(' ').unwrap().1).unwrap()["event"].clone());
    let of = events.filter(|event| event["action"] == action);
    of.map(|event| event["outcome"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn administrators_accept_list_verify_and_revoke_over_http() {
    if !has_client("risk") {
        return;
    }
    let notes = tempfile::tempdir().unwrap();
    let registry = Registered::new(notes.path());
    let running = Running::with(|config| {
        config.registry = Some(registry.folder.clone());
        config.limits.plugin_bytes = 256 << 20;
    });
    let library = registry.signed("risk", b"");
    let (bytes, name) = (fs::read(&library).unwrap(), file("risk"));
    let signature = registry.sign(&bytes);

    // What is not signed, by nobody who counts, of something else, or misnamed.
    let stranger = KeyPair::generate_unencrypted_keypair().unwrap();
    let foreign = minisign::sign(Some(&stranger.pk), &stranger.sk, &bytes[..], None, None).unwrap();
    let swapped = [&bytes[..], b"x"].concat();
    for (name, bytes, signature, status, words) in [
        (name.as_str(), &bytes, String::new(), 422, "is not signed"),
        (&name, &bytes, foreign.into_string(), 422, "is signed with a key that does not count here"),
        (&name, &swapped, signature.clone(), 422, "is not what was signed"),
        (&format!("../{name}"), &bytes, signature.clone(), 400, "is no name of a plugin's file"),
        ("/etc/passwd", &bytes, signature.clone(), 400, "is no name of a plugin's file"),
        (&file("clear"), &b"no library".to_vec(), registry.sign(b"no library"), 422, "cannot be loaded"),
    ] {
        let answer = send(&running, name, bytes, &signature);
        assert_eq!(answer.status, status, "{name}: {}", String::from_utf8_lossy(&answer.body));
        assert!(answer.json()["detail"].as_str().unwrap().contains(words), "{}", answer.json());
    }
    let refusals = ["unsigned", "key", "signature", "name", "name", "load"];
    assert_eq!(outcomes(&running, "plugin.registered"), refusals);
    assert!(!registry.folder.join("plugins.json").exists());
    let wrong = [("hq-file", name.as_str()), ("hq-digest", "0"), ("hq-signature", "")];
    let token = running.token("administrator");
    let answer = running.send("POST", "/v1/plugins", Some(&token), &wrong, &bytes);
    assert_eq!((answer.status, answer.code().as_str()), (422, "digest"));

    // Accepted once, however often it is sent.
    let accepted = send(&running, &name, &bytes, &signature);
    assert_eq!(accepted.status, 201, "{}", String::from_utf8_lossy(&accepted.body));
    assert_eq!(accepted.json()["functions"], json!(["egfr", "gfr_grade"]));
    let again = send(&running, &name, &bytes, &signature);
    assert_eq!((again.status, again.json()), (200, accepted.json()));
    let get = |path: &str| running.send("GET", path, Some(&token), &[], b"").json();
    assert_eq!(get("/v1/plugins/risk"), accepted.json());
    let all = get("/v1/plugins");
    assert_eq!((all["plugins"].as_array().unwrap().len(), &all["keys"]), (1, &json!(["us"])));
    let verify = || running.json("POST", "/v1/plugins/risk/verify", &token, &json!({})).json();
    assert_eq!(verify()["reason"], Value::Null);
    let kept = registry.folder.join("plugins").join(&name);
    fs::write(&kept, &swapped).unwrap();
    assert!(verify()["reason"].as_str().unwrap().contains("is not the file that was registered"));
    fs::write(&kept, &bytes).unwrap();

    // Revoked by its digest alone; the same again changes nothing.
    let revoke = |blake3: &str, reason: &str| {
        let body = json!({ "blake3": blake3, "reason": reason });
        running.json("POST", "/v1/plugins/risk/revoke", &token, &body)
    };
    let digest = blake3::hash(&bytes).to_hex().to_string();
    assert_eq!(revoke(&"0".repeat(64), "wrong").status, 409);
    assert_eq!(revoke(&digest, " ").status, 400);
    let revoked = revoke(&digest, "wrong table");
    assert_eq!((revoked.status, &revoked.json()["reason"]), (200, &json!("wrong table")));
    assert_eq!(revoke(&digest, "again").json(), revoked.json());
    let answer = send(&running, &name, &bytes, &signature);
    assert_eq!(answer.status, 409, "{}", answer.json());
    assert_eq!(running.send("GET", "/v1/plugins/risk", Some(&token), &[], b"").status, 409);
    assert_eq!(running.send("GET", "/v1/plugins/other", Some(&token), &[], b"").status, 404);
    assert_eq!(outcomes(&running, "plugin.revoked"), ["replaced", "done", "done"]);
    assert_eq!(outcomes(&running, "plugin.verified"), ["done", "replaced"]);

    // The same with `hq`.
    let administrator = Person::at(&running, "administrator");
    let place = registry.signed("risk", b"another build");
    let at = format!("--service {}", running.root);
    let said = administrator.ok(&format!("plugin register {} {at}", place.display()));
    assert!(said.contains("registered risk: functions egfr, gfr_grade"), "{said}");
    let said = administrator.ok(&format!("plugin list {at}"));
    assert!(said.contains("risk: functions") && said.contains("risk: REVOKED"), "{said}");
    assert!(administrator.ok(&format!("plugin verify {at}")).contains("risk: as it was registered"));
    assert!(administrator.ok(&format!("plugin revoke risk --reason old {at}")).contains("revoked risk"));
    let said = administrator.fails(&format!("plugin verify risk {at}"));
    assert!(said.contains("was revoked"), "{said}");
    let said = Person::at(&running, "ada").fails(&format!("plugin list {at}"));
    assert!(said.contains("forbidden"), "{said}");
}

#[test]
fn a_plugin_that_is_too_large_or_has_no_registry_is_not_taken() {
    let notes = tempfile::tempdir().unwrap();
    let registry = Registered::new(notes.path());
    let running = Running::with(|config| {
        config.registry = Some(registry.folder.clone());
        config.limits.plugin_bytes = 1000;
    });
    let bytes = vec![7; 1001];
    let answer = send(&running, &file("risk"), &bytes, &registry.sign(&bytes));
    assert_eq!((answer.status, answer.code().as_str()), (413, "too-large"));
    // Nothing of it is left.
    assert_eq!(fs::read_dir(running.folder.path().join("data/work")).unwrap().count(), 0);
    let without = Running::new();
    let answer = send(&without, &file("risk"), b"x", "");
    assert!(answer.json()["detail"].as_str().unwrap().contains("set `registry`"), "{}", answer.json());
}

#[test]
fn functions_come_from_the_registry_and_their_digests_go_with_job_and_result() {
    if !(has_client("clear") && has_client("risk")) {
        return;
    }
    let notes = tempfile::tempdir().unwrap();
    let registry = Registered::new(notes.path());
    registry.with("clear");
    let running = Running::with(|config| config.registry = Some(registry.folder.clone()));
    let (owner, ada) = published(&running, "clear", ROWS);
    ada.write("grades.hq", GRADES);
    // The service has none of it in its folders' stead.
    let words = "submit grades.hq --dataset clinic --purpose trial --detach";
    let said = ada.fails(words);
    assert!(said.contains("HQ091") && said.contains("is not registered in"), "{said}");
    registry.with("risk");
    let job = ada.ok(words).trim().to_owned();
    await_computed(&ada, &job);
    let shown = await_state(&running, &job, &["computed"]);
    let entry = |plugin: &str| Registry::at(&registry.folder).entry(plugin).unwrap().blake3;
    assert_eq!(shown["functions"], json!({ "risk": entry("risk") }));
    assert_eq!(shown["backend"], json!(entry("clear")));
    owner.ok("custodian --keys keys --once");
    let result = ada.json(&format!("result {job} --format json"));
    // By CKD-EPI 2021 women of 79 years with 1.3 mg/dL are at 42 ml/min, which is G3b, and men at 56, which is not.
    let found: Vec<u64> = result["groups"]
        .as_array()
        .unwrap()
        .iter()
        .map(|group| group["report"]["n"].as_u64().unwrap())
        .collect();
    assert_eq!(found, [smokers(ROWS)[0] as u64, 0]);
    assert!(running.folder.path().join("data/functions").read_dir().unwrap().count() > 0);

    // A custodian with another build of the plugin opens nothing.
    let second = ada.ok(words).trim().to_owned();
    await_computed(&ada, &second);
    let other = owner.path("other");
    fs::create_dir(&other).unwrap();
    let from = built().into_iter().map(|dir| dir.join(file("risk"))).find(|path| path.is_file()).unwrap();
    fs::write(other.join(file("risk")), [fs::read(from).unwrap(), b"x".to_vec()].concat()).unwrap();
    let dirs = std::env::join_paths([other].into_iter().chain(built())).unwrap();
    let output = owner.command("custodian --keys keys --once").env("HQ_PLUGIN_DIR", dirs).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(said.contains("HQ091") && said.contains("digest"), "{said}");
    assert_eq!(await_state(&running, &second, &["refused", "released"])["state"], "refused");
}

#[test]
fn a_service_without_a_registry_calls_no_function() {
    if !(has_client("clear") && has_client("risk")) {
        return;
    }
    let running = Running::new();
    let (_, ada) = published(&running, "clear", ROWS);
    ada.write("grades.hq", GRADES);
    let said = ada.fails("submit grades.hq --dataset clinic --purpose trial --detach");
    assert!(said.contains("HQ091") && said.contains("takes functions from a registry"), "{said}");
}

/// It ends the process that calls it, and nothing else.
#[test]
fn a_function_that_crashes_does_not_end_the_service() {
    if !has_client("clear") {
        return;
    }
    let notes = tempfile::tempdir().unwrap();
    let registry = Registered::new(notes.path());
    registry.with("clear");
    let library = notes.path().join(file("hostile"));
    let built = std::process::Command::new("cc")
        .args(["-std=gnu11", "-shared", "-fPIC", "-fvisibility=hidden", "-DCALL_CRASH", "-I"])
        .arg(crate::people::repository("plugins/sdk/include"))
        .arg("-o")
        .args([&library, &crate::people::repository("client/tests/sessions/hostile.c")])
        .status();
    if built.is_err() {
        eprintln!("skipped: there is no C compiler");
        return;
    }
    let running = Running::with(|config| config.registry = Some(registry.folder.clone()));
    let bytes = fs::read(&library).unwrap();
    assert_eq!(send(&running, &file("hostile"), &bytes, &registry.sign(&bytes)).status, 201);
    let (_, ada) = published(&running, "clear", ROWS);
    let text = "use clinic\nextern fn same(x: bool) -> bool from \"hostile\"\nquery q \"a test\"\n  from clinic\n  report\n    n = count(same(smoker))\n";
    let body = json!({ "name": "q.hq", "text": text });
    let answer = running.json("POST", "/v1/datasets/clinic/check", &running.token("ada"), &body);
    assert_eq!(answer.status, 422);
    let found = &answer.json()["diagnostics"][0];
    assert_eq!(found["code"], "HQ094");
    assert!(found["drawn"].as_str().unwrap().contains("it ended the process that called it"), "{found}");
    let body = json!({ "name": "smokers.hq", "text": PROGRAM });
    let checked = running.json("POST", "/v1/datasets/clinic/check", &running.token("ada"), &body);
    assert_eq!(checked.status, 200);
    drop(ada);
}

#[test]
fn a_revoked_plugin_computes_nothing_more() {
    if !has_client("clear") {
        return;
    }
    let notes = tempfile::tempdir().unwrap();
    let registered = Registered::new(notes.path());
    registered.with("clear");
    let registry = Registry::at(&registered.folder);

    let wait = "while [ ! -e $NOTES/go ]; do sleep 0.05; done\nexec $WORKER worker";
    let worker = script(notes.path(), wait);
    let running = Running::with(|config| {
        config.worker = Some(worker);
        config.registry = Some(registered.folder.clone());
    });
    let (owner, ada) = published(&running, "clear", ROWS);
    fs::write(notes.path().join("go"), "").unwrap();
    let first = submit(&ada);
    await_state(&running, &first, &["computed"]);
    opened(&owner, &ada, &first, ROWS);

    // One is at work and one waits; both end, though the worker would go on for ever.
    fs::remove_file(notes.path().join("go")).unwrap();
    let (second, third) = (submit(&ada), submit(&ada));
    await_state(&running, &second, &["running"]);
    registry.revoke("clear", None, "wrong sums", BY).unwrap();
    for job in [second, third] {
        let failed = await_state(&running, &job, &["failed"]);
        let told = failed["detail"].as_str().unwrap();
        assert!(told.contains("`clear` was revoked on") && told.contains("wrong sums"), "{told}");
        assert_eq!(failed["code"], "revoked");
    }
    let said = ada.fails("submit smokers.hq --dataset clinic --purpose trial --detach");
    assert!(said.contains("Backend `clear` may not be used here any more: wrong sums."), "{said}");
    let refused = |line: &&String| line.contains("\"plugin.refused\"") && line.contains("\"revoked\"");
    assert_eq!(log(&running).iter().filter(refused).count(), 1);
}

#[test]
fn a_job_is_computed_by_the_build_that_planned_it() {
    if !has_client("clear") {
        return;
    }
    let notes = tempfile::tempdir().unwrap();
    let wait = "while [ ! -e $NOTES/go ]; do sleep 0.05; done\nexec $WORKER worker";
    let worker = script(notes.path(), wait);
    let plugins = tempfile::tempdir().unwrap();
    let from = built().into_iter().map(|dir| dir.join(file("clear"))).find(|path| path.is_file()).unwrap();
    let bytes = fs::read(from).unwrap();
    fs::write(plugins.path().join(file("clear")), &bytes).unwrap();
    let running = Running::with(|config| {
        config.worker = Some(worker);
        config.plugins = vec![plugins.path().to_owned()];
    });
    let (_, ada) = published(&running, "clear", ROWS);
    let job = submit(&ada);
    let planned = blake3::hash(&bytes).to_hex().to_string();
    assert_eq!(await_state(&running, &job, &["running"])["backend"], json!(planned));
    // Another build takes its place, as an update of the service would have it.
    fs::write(plugins.path().join("new"), [&bytes[..], b"x"].concat()).unwrap();
    fs::rename(plugins.path().join("new"), plugins.path().join(file("clear"))).unwrap();
    fs::write(notes.path().join("go"), "").unwrap();
    let failed = await_state(&running, &job, &["failed"]);
    let told = failed["detail"].as_str().unwrap();
    assert!(
        told.contains(&format!("planned with build {planned}")) && told.contains("submit it again"),
        "{told}"
    );
}
