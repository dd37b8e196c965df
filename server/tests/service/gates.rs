//! Small counts that stay encrypted, at the service: published with the keys that decide on them, computed by a worker with both
//! backends, opened by the custodian. Keys that do not belong to the dataset are refused when it is published.

use std::fs;

use hq_engine::dataset::hex_digest;
use hq_engine::signed::{self, SigningKey, public_key};
use hq_plugin_sdk::frame;
use serde_json::json;

use crate::clinic::await_state;
use crate::people::{Person, has_client};
use crate::running::Running;

const SCHEMA: &str = "dataset clinic \"a clinic\" {
  rows <= 1_000, one per person
  release { min_cell 11 encrypted max_cells 100 per_day 50 }
  sex: {female, male}
  age: 18..90 \"years\"
}
";
/// By sex of a hundred: 50 of each, 4 of each from 80 on, none above 87.
const PROGRAM: &str = "use clinic
query old
  from clinic
  by sex
  report
    n      = count()
    aged   = count(age >= 80)
    oldest = count(age >= 88)
    ages   = sum(age)
";
const CHUNK_BYTES: usize = 16 << 20;

fn running(backends: &[&str]) -> Running {
    let backends = backends.iter().map(|&name| name.to_owned()).collect();
    Running::with(|config| {
        config.backends = backends;
        config.limits.chunk_bytes = CHUNK_BYTES as u64;
    })
}

fn owner(running: &Running) -> Person {
    let owner = Person::at(running, "owner");
    owner.write("clinic.hq", SCHEMA);
    owner.write("old.hq", PROGRAM);
    let row = |row: usize| format!("{},{}\n", ["female", "male"][row % 2], 18 + row % 70);
    owner.write("clinic.csv", &format!("sex,age\n{}", (0..100).map(row).collect::<String>()));
    owner.ok("keygen --for clinic.hq --query old.hq --no-passphrase -o keys --backend bgv");
    owner.ok("encrypt clinic.hq --table clinic.csv --keys keys -o data");
    owner
}

#[test]
fn a_small_count_stays_closed_to_the_custodian_too() {
    if !has_client("bgv") || !has_client("tfhe") || !has_client("clear") {
        return;
    }
    let other = running(&["bgv"]);
    let owner = owner(&other);
    let refused = owner.fails("publish data --keys keys");
    assert!(refused.contains("`tfhe` is not allowed here"), "{refused}");
    drop(other);
    foreign_keys_are_refused(&running(&["bgv", "tfhe"]), &owner);

    let running = running(&["bgv", "tfhe"]);
    owner.login(&running);
    owner.ok("publish data --keys keys --researcher ada --custodian owner");
    let ada = Person::at(&running, "ada");
    ada.write("old.hq", PROGRAM);
    let job = ada.ok("submit old.hq --dataset clinic --purpose trial --detach").trim().to_owned();
    await_state(&running, &job, &["computed", "failed"]);
    owner.ok("custodian --keys keys --once");
    let found = ada.json(&format!("result {job} --format json"));
    let wanted = owner.json("run old.hq --table clinic=clinic.csv --backend clear --format json");
    assert_eq!((&found["groups"], &found["aggregates"]), (&wanted["groups"], &wanted["aggregates"]));
    assert_eq!(found["groups"][0]["hidden"], json!(["aged"]), "{found}");
    assert_eq!(found["certificate"]["gates"]["cells"], 6, "{found}");
    let program = json!({ "name": "old.hq", "text": PROGRAM });
    let explained =
        running.json("POST", "/v1/datasets/clinic/explain", &running.token("ada"), &program).json();
    let text = explained["text"].as_str().unwrap();
    assert!(text.contains("6 counts let 8 numbers out"), "{text}");
}

/// Frames of other keys in the place of the dataset's: the manifest, which the owner signed, names both pairs and the key between.
fn foreign_keys_are_refused(running: &Running, owner: &Person) {
    owner.ok("keygen --for clinic.hq --query old.hq --no-passphrase -o foreign --backend bgv");
    let frames = |name: &str| {
        let bytes = fs::read(owner.path(name)).unwrap();
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
    let signer = SigningKey::from_bytes(&[3; 32]);
    let token = running.dataset("clinic", &public_key(&signer));
    let text = |name: &str| fs::read_to_string(owner.path(name)).unwrap();
    let manifest = text("data/manifest.json");
    let signature = signed::sign(&signer, signed::MANIFEST, hex_digest(manifest.as_bytes()).as_bytes());
    for (keys, reason) in [
        (vec![&own[0]], "do not decide on small counts"),
        (vec![&own[0], &own[1]], "cut short"),
        (vec![&own[0], &own[1], &foreign[2]], "another key between its two pairs"),
        (vec![&own[0], &foreign[1], &foreign[2]], "is named"),
        (vec![&foreign[0], &own[1], &own[2]], "another key pair"),
    ] {
        let keys: Vec<u8> = keys.into_iter().flatten().copied().collect();
        let new = json!({
            "manifest": manifest, "schema": text("data/schema.hq"), "signature": signature,
            "key_bytes": keys.len(), "key_digest": hex_digest(&keys),
        });
        let begun = running.json("POST", "/v1/datasets/clinic/versions", &token, &new);
        assert_eq!(begun.status, 201, "{}", String::from_utf8_lossy(&begun.body));
        let version = begun.json();
        let place = format!("/v1/datasets/clinic/versions/{}", version["version"]);
        for missing in version["missing"].as_array().unwrap() {
            let file = missing["file"].as_str().unwrap();
            let bytes = if file == "evaluation.keys" {
                keys.clone()
            } else {
                fs::read(owner.path("data").join(file)).unwrap()
            };
            for (number, chunk) in bytes.chunks(CHUNK_BYTES).enumerate() {
                let path = format!("{place}/files/{file}/chunks/{number}");
                let digest = hex_digest(chunk);
                let put = running.send("PUT", &path, Some(&token), &[("hq-digest", &digest)], chunk);
                assert_eq!(put.status, 204, "{}", String::from_utf8_lossy(&put.body));
            }
        }
        let refused = running.json("POST", &format!("{place}/publish"), &token, &json!(null));
        assert_eq!((refused.status, refused.code().as_str()), (422, "dataset"), "{reason}");
        let detail = refused.json()["detail"].as_str().unwrap().to_owned();
        assert!(detail.contains(reason), "{reason}: {detail}");
    }
}
