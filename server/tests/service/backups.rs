//! Copies of a service that runs, and what comes back of them: not what was erased since.

use hq_server::backup::{backup, restore};

use crate::clinic::{await_state, log, opened, published, submit};
use crate::people::{Person, has_client};
use crate::running::Running;

const ROWS: usize = 300;
const PUBLISHER: &str = "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a";

#[test]
fn a_copy_comes_back_without_what_was_erased() {
    if !has_client("clear") {
        return;
    }
    let mut running = Running::new();
    let (owner, ada) = published(&running, "clear", ROWS);
    running.dataset("other", PUBLISHER);
    let job = submit(&ada);
    await_state(&running, &job, &["computed"]);
    let copies = tempfile::tempdir().unwrap();
    let (first, second, keys) =
        (copies.path().join("first"), copies.path().join("second"), copies.path().join("keys.json"));
    assert!(backup(&running.config, &first, &keys).unwrap() > 3);
    assert_eq!(backup(&running.config, &first, &keys).unwrap(), 0, "nothing changed");
    let database = std::fs::read(first.join("hq.sqlite")).unwrap();
    let kept: serde_json::Value = serde_json::from_slice(&std::fs::read(&keys).unwrap()).unwrap();
    let wrapped = kept["datasets"]["clinic"]["wrapped_key"].as_str().unwrap();
    let start: Vec<u8> =
        (0..16).map(|at| u8::from_str_radix(&wrapped[2 * at..2 * at + 2], 16).unwrap()).collect();
    assert!(memchr::memmem::find(&database, &start).is_none(), "a key stands in the copy");
    owner.ok("erase other --yes");
    backup(&running.config, &second, &keys).unwrap();

    // The older copy with the newest keys, at the address of the service that was.
    running.end();
    let again = come_back(&running, &first, &keys, 1);
    for person in [&owner, &ada] {
        person.login(&again);
    }
    opened(&owner, &ada, &job, ROWS);
    assert!(owner.fails("roles other --give auditor=eve").contains("erased"));
    assert!(log(&again).iter().any(|line| line.contains("\"service.restored\"")));
    drop(again);

    running.begin(true);
    for person in [&owner, &ada] {
        person.login(&running);
    }
    owner.ok("erase clinic --yes");
    backup(&running.config, &second, &keys).unwrap();
    running.end();
    let again = come_back(&running, &first, &keys, 2);
    let eve = Person::at(&again, "owner");
    assert!(eve.fails("erase clinic --yes").contains("erased"));
    let objects = again.config.data.join("objects/datasets/clinic");
    assert!(!objects.exists(), "what cannot be read any more is removed");
}

#[test]
fn what_cannot_be_brought_back_is_said() {
    let running = Running::new();
    running.dataset("clinic", PUBLISHER);
    let copies = tempfile::tempdir().unwrap();
    let (copy, keys) = (copies.path().join("copy"), copies.path().join("keys.json"));
    backup(&running.config, &copy, &keys).unwrap();
    let refused = |config: &hq_server::config::Config, word: &str| {
        let error = restore(config, &copy, &keys).unwrap_err().to_string();
        assert!(error.contains(word), "{error}");
    };
    refused(&running.config, "is there already");
    let mut config = running.config.clone();
    config.data = copies.path().join("data");
    refused(&config, "master.key is missing");
    std::fs::create_dir(&config.data).unwrap();
    std::fs::copy(running.config.data.join("service.key"), config.data.join("service.key")).unwrap();
    std::fs::write(config.data.join("master.key"), format!("{}\n", "07".repeat(32))).unwrap();
    refused(&config, "another key");
    std::fs::write(&keys, "{}").unwrap();
    refused(&config, "datasets");
    assert!(!config.data.join("hq.sqlite").exists());
}

/// A service with a copy.
fn come_back(of: &Running, copy: &std::path::Path, keys: &std::path::Path, erased: usize) -> Running {
    Running::with(|config| {
        config.listen = of.config.listen;
        std::fs::create_dir_all(&config.data).unwrap();
        for name in ["master.key", "service.key"] {
            std::fs::copy(of.config.data.join(name), config.data.join(name)).unwrap();
        }
        assert_eq!(restore(config, copy, keys).unwrap(), erased);
    })
}
