//! A dataset that is erased: its key is gone, and with it everything that was sealed; the owner has a receipt.

use hq_engine::signed::{self, ERASURE};

use crate::clinic::{await_state, log, opened, published, smokers, submit, table};
use crate::people::has_client;
use crate::running::Running;

const ROWS: usize = 300;

/// Every file that the service keeps, with its content.
fn kept(folder: &std::path::Path) -> Vec<(String, Vec<u8>)> {
    let entries = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    entries
        .flat_map(|path| {
            if path.is_dir() {
                kept(&path)
            } else {
                vec![(path.display().to_string(), std::fs::read(&path).unwrap())]
            }
        })
        .collect()
}

#[test]
fn an_erased_dataset_is_gone_and_its_name_taken() {
    if !has_client("clear") {
        return;
    }
    let running = Running::new();
    let (owner, ada) = published(&running, "clear", ROWS);
    let done = submit(&ada);
    await_state(&running, &done, &["computed"]);
    opened(&owner, &ada, &done, ROWS);
    let waiting = submit(&ada);
    await_state(&running, &waiting, &["computed"]);
    let data = running.folder.path().join("data");
    let objects = |folder: &std::path::Path| kept(&folder.join("objects")).len() as u64;
    let before = objects(&data);

    let token = running.token("owner");
    let erased = running.send("DELETE", "/v1/datasets/clinic", Some(&token), &[], b"");
    assert_eq!(erased.status, 200);
    let receipt = erased.json();
    let text = |name: &str| receipt[name].as_str().unwrap().to_owned();
    let message = format!("clinic {} {}", text("erased"), receipt["objects"]);
    signed::verify(&text("key"), ERASURE, message.as_bytes(), &text("signature")).unwrap();
    assert!(before > 3 && receipt["objects"] == before && objects(&data) == 0, "{receipt}");

    for words in ["submit smokers.hq --dataset clinic --purpose trial", &format!("result {done}")] {
        let told = ada.fails(words);
        assert!(told.contains("erased") || told.contains("not-found"), "{told}");
    }
    assert!(ada.fails(&format!("result {waiting}")).contains("is cancelled"));
    assert!(owner.fails("publish data --keys keys").contains("erased"));
    let again = running.send("DELETE", "/v1/datasets/clinic", Some(&token), &[], b"");
    assert_eq!((again.status, again.code().as_str()), (410, "erased"));
    assert!(log(&running).iter().any(|line| line.contains("\"dataset.erased\"")));
}

/// The table is published without them, and the versions before are taken back.
#[test]
fn an_erased_person_is_counted_no_more_and_nothing_of_them_stays() {
    if !has_client("clear") {
        return;
    }
    let running = Running::new();
    let (owner, ada) = published(&running, "clear", ROWS);
    let before = submit(&ada);
    await_state(&running, &before, &["computed"]);
    // The last row is of a smoker.
    assert_ne!(smokers(ROWS), smokers(ROWS - 1));
    owner.write("clinic.csv", &table(ROWS - 1));
    owner.ok("encrypt clinic.hq --table clinic.csv --keys keys -o without");
    let said = owner.ok("publish without --keys keys --withdraw-older");
    assert!(said.contains("version 1 was withdrawn") && said.contains("version 2 is published"), "{said}");
    let folder = running.folder.path().join("data/objects/datasets/clinic");
    assert!(kept(&folder).iter().all(|(name, _)| !name.contains("/clinic/1/")));
    assert!(ada.fails(&format!("result {before}")).contains("The version was withdrawn"));
    let job = submit(&ada);
    await_state(&running, &job, &["computed"]);
    opened(&owner, &ada, &job, ROWS - 1);
    let token = running.token("owner");
    let again = running.send("DELETE", "/v1/datasets/clinic/versions/1", Some(&token), &[], b"");
    assert_eq!((again.status, again.code().as_str()), (409, "conflict"));
    assert!(log(&running).iter().any(|line| line.contains("\"version.withdrawn\"")));
}

/// What stands in the cells of a table stands in no file of the service: neither while it is encrypted there nor in results.
#[test]
fn nothing_of_a_table_stands_in_what_the_service_keeps() {
    if !has_client("bgv") {
        return;
    }
    let running = Running::new();
    let owner = crate::people::Person::at(&running, "owner");
    let ada = crate::people::Person::at(&running, "ada");
    owner.write(
        "planted.hq",
        "dataset planted \"a test\" {\n  rows <= 1_000, one per person\n  release { max_cells 10 }\n  dose: 0..900_000_000\n}\n",
    );
    const PROGRAM: &str = "use planted\nquery total\n  from planted\n  report\n    all = sum(dose)\n    n = count(dose > 800_000_000)\n";
    owner.write("total.hq", PROGRAM);
    ada.write("total.hq", PROGRAM);
    let doses = [871_236_549_u64, 123_456_789, 314_159_265, 271_828_182];
    let lines: String = doses.iter().map(|dose| format!("{dose}\n")).collect();
    owner.write("planted.csv", &format!("dose\n{lines}"));
    owner.ok("keygen --for planted.hq --query total.hq --no-passphrase -o keys");
    owner.ok("encrypt planted.hq --table planted.csv --keys keys -o data");
    owner.ok("publish data --keys keys --researcher ada --custodian owner");
    let job = ada.ok("submit total.hq --dataset planted --purpose trial --detach").trim().to_owned();
    await_state(&running, &job, &["computed"]);
    owner.ok("custodian --keys keys --once");
    let total: u64 = doses.iter().sum();
    let shown = ada.ok(&format!("result {job} --format csv"));
    assert!(shown.contains(&total.to_string()), "{shown}");

    let files = kept(running.folder.path());
    assert!(files.len() > 10);
    for value in doses.iter().chain([&total]) {
        let forms = [
            value.to_string().into_bytes(),
            value.to_le_bytes()[..5].to_vec(),
            value.to_be_bytes()[3..].to_vec(),
        ];
        for (name, bytes) in &files {
            for form in &forms {
                assert!(memchr::memmem::find(bytes, form).is_none(), "{value} stands in {name}");
            }
        }
    }
}

#[test]
fn an_owner_takes_roles_and_erases_by_hand() {
    if !has_client("clear") {
        return;
    }
    let running = Running::new();
    let (owner, ada) = published(&running, "clear", ROWS);
    let waiting = submit(&ada);
    await_state(&running, &waiting, &["computed"]);
    let roles = owner.ok("roles clinic --give researcher=bob --give auditor=eve");
    assert_eq!(
        roles.lines().map(|line| line.split_whitespace().collect::<Vec<_>>().join(" ")).collect::<Vec<_>>(),
        ["auditor eve", "custodian owner", "owner owner", "researcher ada", "researcher bob"]
    );
    assert!(ada.fails("roles clinic --give owner=ada").contains("forbidden"));
    assert!(!owner.ok("roles clinic --take researcher=ada").contains("ada"));
    assert!(ada.fails("submit smokers.hq --dataset clinic --purpose trial").contains("forbidden"));
    assert!(ada.fails(&format!("result {waiting}")).contains("forbidden"));
    assert!(owner.fails("roles clinic --take owner=owner").contains("at least one owner"));

    assert!(owner.fails("erase clinic").contains("--yes"));
    assert!(ada.fails("erase clinic --yes").contains("forbidden"));
    let told = owner.ok("erase clinic --version 1 --yes");
    assert!(told.starts_with("clinic 1 was erased at "), "{told}");
    let told = owner.ok("erase clinic --yes -o receipt.json");
    assert!(told.starts_with("clinic was erased at "), "{told}");
    let receipt = std::fs::read_to_string(owner.path("receipt.json")).unwrap();
    assert!(receipt.contains("\"signature\"") && receipt.contains("\"dataset\": \"clinic\""), "{receipt}");
    let log = log(&running);
    for action in ["role.revoked", "version.withdrawn", "dataset.erased"] {
        assert!(log.iter().any(|line| line.contains(action)), "{action}");
    }
}
