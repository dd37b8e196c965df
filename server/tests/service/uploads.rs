//! Hostile uploads: whatever is not the owner's dataset is refused, and nothing of it stays.

use std::fs;
use std::path::Path;

use hq_engine::dataset::hex_digest;
use hq_engine::signed::{self, SigningKey, public_key};
use serde_json::{Value, json};

use crate::clinic::{self, log};
use crate::people::{Person, has_client};
use crate::running::{Answer, Running};

/// Small chunks, so that there are several of a file.
const CHUNK_BYTES: usize = 1 << 10;
const ROWS: usize = 20_000;

struct Upload<'a> {
    running: &'a Running,
    token: String,
    signer: SigningKey,
    owner: Person,
}

impl Upload<'_> {
    fn new(running: &Running) -> Upload<'_> {
        let owner = clinic::owner(running, "clear", ROWS);
        let signer = SigningKey::from_bytes(&[3; 32]);
        let token = running.dataset("clinic", &public_key(&signer));
        Upload { running, token, signer, owner }
    }

    fn text(&self, name: &str) -> String {
        fs::read_to_string(self.owner.path(name)).unwrap()
    }

    fn keys(&self) -> Vec<u8> {
        fs::read(self.owner.path("keys/evaluation.keys")).unwrap()
    }

    /// What begins a version, as the owner would.
    fn new_version(&self, manifest: &str) -> Value {
        let digest = hex_digest(manifest.as_bytes());
        json!({
            "manifest": manifest,
            "schema": self.text("data/schema.hq"),
            "signature": signed::sign(&self.signer, signed::MANIFEST, digest.as_bytes()),
            "key_bytes": self.keys().len(),
            "key_digest": hex_digest(&self.keys()),
        })
    }

    fn begin(&self, new: &Value) -> Answer {
        self.running.json("POST", "/v1/datasets/clinic/versions", &self.token, new)
    }

    fn put(&self, version: u64, file: &str, number: usize, bytes: &[u8], digest: &str) -> Answer {
        let path = format!("/v1/datasets/clinic/versions/{version}/files/{file}/chunks/{number}");
        self.running.send("PUT", &path, Some(&self.token), &[("hq-digest", digest)], bytes)
    }

    fn put_all(&self, version: u64, file: &str, bytes: &[u8]) {
        for (number, chunk) in bytes.chunks(CHUNK_BYTES).enumerate() {
            let answer = self.put(version, file, number, chunk, &hex_digest(chunk));
            assert_eq!(answer.status, 204, "{file} {number}: {}", String::from_utf8_lossy(&answer.body));
        }
    }

    fn publish(&self, version: u64) -> Answer {
        let path = format!("/v1/datasets/clinic/versions/{version}/publish");
        self.running.json("POST", &path, &self.token, &json!(null))
    }

    /// Files under the folder of objects.
    fn stored(&self) -> usize {
        fn count(folder: &Path) -> usize {
            let entries = fs::read_dir(folder).map(|entries| entries.map(|entry| entry.unwrap().path()));
            entries.into_iter().flatten().map(|path| if path.is_dir() { count(&path) } else { 1 }).sum()
        }
        count(&self.running.folder.path().join("data/objects"))
    }
}

fn running() -> Running {
    Running::with(|config| config.limits.chunk_bytes = CHUNK_BYTES as u64)
}

fn refused(answer: &Answer, status: u16, code: &str, what: &str) {
    let body = String::from_utf8_lossy(&answer.body);
    assert_eq!((answer.status, answer.code().as_str()), (status, code), "{what}: {body}");
}

/// A document with one value in another's place.
fn with(document: &Value, pointer: &str, value: Value) -> Value {
    let mut changed = document.clone();
    *changed.pointer_mut(pointer).unwrap() = value;
    changed
}

#[test]
fn a_version_is_begun_by_its_owner_alone_and_as_a_dataset() {
    if !has_client("clear") {
        return;
    }
    let running = running();
    let upload = Upload::new(&running);
    let manifest = upload.text("data/manifest.json");
    let good = upload.new_version(&manifest);
    let other = SigningKey::from_bytes(&[4; 32]);
    let foreign = signed::sign(&other, signed::MANIFEST, hex_digest(manifest.as_bytes()).as_bytes());
    let altered = manifest.replace("\"blocks\": 1", "\"blocks\": 2");
    for (pointer, value) in [
        ("/signature", json!(foreign)),
        ("/signature", json!("")),
        ("/manifest", json!(altered)),
        ("/manifest", json!(manifest.trim_end())),
    ] {
        refused(&upload.begin(&with(&good, pointer, value)), 422, "signature", pointer);
    }
    // Signed by the owner, but no dataset that may be here.
    let document: Value = serde_json::from_str(&manifest).unwrap();
    let part = document["parts"].as_object().unwrap().keys().next().unwrap().clone();
    let of_part = |key: &str| format!("/parts/{part}/{key}");
    for (pointer, value, status, code) in [
        ("/version".to_owned(), json!(1), 422, "dataset"),
        ("/dataset".to_owned(), json!("other"), 422, "dataset"),
        ("/blocks".to_owned(), json!(0), 422, "dataset"),
        ("/backend".to_owned(), json!("../../bin/sh"), 422, "unsupported"),
        ("/schema_digest".to_owned(), json!("00"), 422, "dataset"),
        (of_part("file"), json!("../../../etc/passwd"), 422, "dataset"),
        (of_part("bytes"), json!(u64::MAX), 413, "too-large"),
        (of_part("bytes"), json!(1_u64 << 50), 413, "too-large"),
    ] {
        let text = with(&document, &pointer, value).to_string();
        refused(&upload.begin(&upload.new_version(&text)), status, code, &pointer);
    }
    refused(&upload.begin(&upload.new_version("{")), 422, "dataset", "no JSON");
    refused(&upload.begin(&with(&good, "/key_bytes", json!(u64::MAX))), 413, "too-large", "keys");
    refused(&upload.begin(&with(&good, "/key_bytes", json!(0))), 413, "too-large", "no keys");
    refused(&upload.begin(&with(&good, "/schema", json!("dataset x {}"))), 422, "dataset", "schema");
    assert_eq!(upload.stored(), 0);
    assert_eq!(upload.begin(&good).status, 201);
    assert_eq!(upload.begin(&good).json()["version"], 1, "begun again, it is the same version");
}

#[test]
fn chunks_that_are_none_are_not_stored_and_a_secret_key_is_audited() {
    if !has_client("clear") {
        return;
    }
    let running = running();
    let upload = Upload::new(&running);
    let begun = upload.begin(&upload.new_version(&upload.text("data/manifest.json"))).json();
    let file = begun["missing"].as_array().unwrap().iter().find(|file| file["file"] != "evaluation.keys");
    let file = file.unwrap()["file"].as_str().unwrap().to_owned();
    let bytes = fs::read(upload.owner.path(&format!("data/{file}"))).unwrap();
    let chunk = &bytes[..CHUNK_BYTES];
    let digest = hex_digest(chunk);
    let past = bytes.len().div_ceil(CHUNK_BYTES);
    refused(&upload.put(1, &file, 0, chunk, &hex_digest(b"")), 422, "digest", "another digest");
    refused(&upload.put(1, &file, 0, &chunk[1..], &hex_digest(&chunk[1..])), 422, "dataset", "too short");
    let long = &bytes[..=CHUNK_BYTES];
    refused(&upload.put(1, &file, 0, long, &hex_digest(long)), 422, "dataset", "too long");
    refused(&upload.put(1, &file, past, chunk, &digest), 404, "not-found", "past the end");
    refused(&upload.put(1, "other.hqc", 0, chunk, &digest), 404, "not-found", "no such file");
    refused(&upload.put(1, "..%2f..%2fmaster.key", 0, chunk, &digest), 404, "not-found", "a way out");
    refused(&upload.put(2, &file, 0, chunk, &digest), 404, "not-found", "no such version");

    let secret = fs::read(upload.owner.path("keys/secret.key")).unwrap();
    let inside = [&bytes[..100], &secret, &bytes[100..]].concat();
    upload.owner.ok("keygen --for clinic.hq --query smokers.hq -o locked --backend clear");
    let locked = fs::read(upload.owner.path("locked/secret.key")).unwrap();
    for (what, secret) in [("bare", &secret), ("inside", &inside), ("locked", &locked)] {
        let secret = &secret[..secret.len().min(CHUNK_BYTES)];
        refused(&upload.put(1, "evaluation.keys", 0, secret, &hex_digest(secret)), 422, "secret-key", what);
    }
    assert_eq!(upload.stored(), 0);
    let noted = log(&running).iter().filter(|line| line.contains("\"outcome\":\"secret-key\"")).count();
    assert_eq!(noted, 3);
    refused(&upload.publish(1), 409, "conflict", "nothing is there");
}

/// Chunks that are sound one by one, and no dataset together.
#[test]
fn what_was_uploaded_is_checked_as_a_whole() {
    if !has_client("clear") {
        return;
    }
    let running = running();
    let upload = Upload::new(&running);
    let manifest = upload.text("data/manifest.json");
    let document: Value = serde_json::from_str(&manifest).unwrap();
    let files: Vec<(String, Vec<u8>)> = document["parts"]
        .as_object()
        .unwrap()
        .values()
        .map(|part| part["file"].as_str().unwrap().to_owned())
        .map(|file| (file.clone(), fs::read(upload.owner.path(&format!("data/{file}"))).unwrap()))
        .collect();
    let (largest, bytes) = files.iter().max_by_key(|(_, bytes)| bytes.len()).unwrap();
    assert!(bytes.len() > 2 * CHUNK_BYTES);
    let mut exchanged = bytes.clone();
    exchanged[..2 * CHUNK_BYTES].rotate_left(CHUNK_BYTES);
    let mut flipped = bytes.clone();
    flipped[CHUNK_BYTES] ^= 1;
    let keys = upload.keys();
    let mut bad_keys = keys.clone();
    bad_keys[keys.len() / 2] ^= 1;
    let of_bad_keys = with(&upload.new_version(&manifest), "/key_digest", json!(hex_digest(&bad_keys)));
    let pair = "0123456789abcdef0123456789abcdef";
    let of_another_pair = upload.new_version(&with(&document, "/key_id", json!(pair)).to_string());
    let good = upload.new_version(&manifest);
    for (what, new, keys, of_largest) in [
        ("exchanged", &good, &keys, &exchanged),
        ("flipped", &good, &keys, &flipped),
        ("damaged keys", &of_bad_keys, &bad_keys, bytes),
        ("another pair", &of_another_pair, &keys, bytes),
    ] {
        let version = upload.begin(new).json()["version"].as_u64().unwrap();
        for (file, bytes) in &files {
            upload.put_all(version, file, if file == largest { of_largest } else { bytes });
        }
        upload.put_all(version, "evaluation.keys", keys);
        refused(&upload.publish(version), 422, "dataset", what);
        assert_eq!(upload.stored(), 0, "{what}");
        refused(&upload.publish(version), 409, "conflict", what);
        let late = &bytes[..CHUNK_BYTES];
        refused(&upload.put(version, largest, 0, late, &hex_digest(late)), 409, "conflict", what);
    }
    // After all that, the owner's own way.
    let version = upload.begin(&good).json()["version"].as_u64().unwrap();
    for (file, bytes) in &files {
        upload.put_all(version, file, bytes);
    }
    upload.put_all(version, "evaluation.keys", &keys);
    let published = upload.publish(version);
    assert_eq!(published.status, 200, "{}", String::from_utf8_lossy(&published.body));
    assert_eq!(published.json()["state"], "published");
}
