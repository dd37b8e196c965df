//! Plugins out of a registry: what was revoked computes nothing more, neither new jobs nor those that wait.

use std::fs;

use hq_engine::registry::{Provides, Registry};
use minisign::KeyPair;

use crate::clinic::{await_state, log, opened, published, submit};
use crate::jobs::script;
use crate::people::has_client;
use crate::running::{Running, built};

const ROWS: usize = 300;
const TIME: &str = "2026-11-28T03:10:00Z";

#[test]
fn a_revoked_plugin_computes_nothing_more() {
    if !has_client("clear") {
        return;
    }
    let notes = tempfile::tempdir().unwrap();
    let folder = notes.path().join("registry");
    fs::create_dir_all(folder.join("keys")).unwrap();
    let pair = KeyPair::generate_unencrypted_keypair().unwrap();
    fs::write(folder.join("keys/us.pub"), pair.pk.to_box().unwrap().into_string()).unwrap();
    let file = format!("{}hq_plugin_clear{}", std::env::consts::DLL_PREFIX, std::env::consts::DLL_SUFFIX);
    let library = notes.path().join(&file);
    let from = built().into_iter().map(|dir| dir.join(&file)).find(|path| path.is_file()).unwrap();
    fs::copy(from, &library).unwrap();
    let bytes = fs::File::open(&library).unwrap();
    let signature = minisign::sign(Some(&pair.pk), &pair.sk, bytes, None, None).unwrap();
    fs::write(notes.path().join(format!("{file}.minisig")), signature.into_string()).unwrap();
    let registry = Registry::at(&folder);

    let wait = "while [ ! -e $NOTES/go ]; do sleep 0.05; done\nexec $WORKER worker";
    let worker = script(notes.path(), wait);
    let running = Running::with(|config| {
        config.worker = Some(worker);
        config.registry = Some(folder.clone());
    });
    registry.register(&library, None, TIME, |_, _| Ok(described())).unwrap();
    let (owner, ada) = published(&running, "clear", ROWS);
    let (first, second) = (submit(&ada), submit(&ada));
    await_state(&running, &first, &["running"]);
    // The first is begun before, and computed to its end.
    fs::write(notes.path().join("go"), "").unwrap();
    await_state(&running, &first, &["computed"]);
    await_state(&running, &second, &["computed"]);
    opened(&owner, &ada, &first, ROWS);

    fs::remove_file(notes.path().join("go")).unwrap();
    let third = submit(&ada);
    await_state(&running, &third, &["running"]);
    registry.revoke("clear", "wrong sums", TIME).unwrap();
    fs::write(notes.path().join("go"), "").unwrap();
    let failed = await_state(&running, &third, &["failed"]);
    let told = failed["detail"].as_str().unwrap();
    assert!(told.contains("`clear` was revoked on") && told.contains("wrong sums"), "{told}");
    let said = ada.fails("submit smokers.hq --dataset clinic --purpose trial --detach");
    assert!(said.contains("Backend `clear` may not be used here any more: wrong sums."), "{said}");
    let refused = |line: &&String| line.contains("\"plugin.refused\"") && line.contains("\"revoked\"");
    assert_eq!(log(&running).iter().filter(refused).count(), 1);
}

fn described() -> Provides {
    Provides {
        abi: 2,
        backend: Some(("clear".to_owned(), "0".to_owned())),
        custody: true,
        functions: Vec::new(),
    }
}
