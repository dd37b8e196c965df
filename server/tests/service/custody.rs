//! A custodian opens what is what it says it is. The database of the service is altered as a service that errs or cheats
//! would have it; nothing of that is released.

use hq_engine::result_file::{self, ResultFile};
use hq_server::envelope::{EnvelopeKey, master_key};
use rusqlite::Connection;

use crate::clinic::{PROGRAM, await_state, opened, published, submit};
use crate::people::{Person, has_client};
use crate::running::Running;

const ROWS: usize = 300;

/// Changes the service's own records.
fn alter(running: &Running, sql: &str) {
    let database = Connection::open(running.folder.path().join("data/hq.sqlite")).unwrap();
    assert_eq!(database.execute(sql, []).unwrap(), 1, "{sql}");
}

/// What the custodian says of a job that is refused, on both streams.
fn refuses(owner: &Person, ada: &Person, job: &str, reason: &str) {
    let output = owner.hq("custodian --keys keys --once");
    assert!(output.status.success());
    let said = [output.stdout, output.stderr].concat();
    let said = String::from_utf8_lossy(&said);
    assert!(said.contains(reason) && !said.contains(&format!("{job} released")), "{said}");
    let told = ada.fails(&format!("result {job}"));
    assert!(told.contains("is refused"), "{told}");
}

#[test]
fn a_result_that_is_not_what_the_service_says_is_not_released() {
    if !has_client("clear") {
        return;
    }
    let running = Running::new();
    let (owner, ada) = published(&running, "clear", ROWS);
    let other = "00".repeat(32);
    for (sql, reason) in [
        (format!("UPDATE jobs SET plan = '{other}' WHERE id = "), "another plan"),
        ("UPDATE jobs SET program = replace(program, '\"queries\":[\"smokers', '\"queries\":[\"others') WHERE id = ".to_owned(), "other queries"),
        ("UPDATE jobs SET recipient = 'age1nobody' WHERE id = ".to_owned(), ""),
    ] {
        let job = submit(&ada);
        await_state(&running, &job, &["computed"]);
        alter(&running, &format!("{sql}'{job}'"));
        refuses(&owner, &ada, &job, reason);
    }
    // A table that the owner did not sign.
    let job = submit(&ada);
    await_state(&running, &job, &["computed"]);
    let kept = "SELECT signature FROM versions";
    let database = Connection::open(running.folder.path().join("data/hq.sqlite")).unwrap();
    let signature: String = database.query_row(kept, [], |row| row.get(0)).unwrap();
    alter(&running, &format!("UPDATE versions SET signature = '{}'", "00".repeat(64)));
    refuses(&owner, &ada, &job, "THE SERVICE GAVE SOMETHING ELSE");
    alter(&running, &format!("UPDATE versions SET signature = '{signature}'"));
    // The result of one job in the place of another's: sealed under its name, it does not open.
    let (first, second) = (submit(&ada), submit(&ada));
    for job in [&first, &second] {
        await_state(&running, job, &["computed"]);
    }
    let results = running.folder.path().join("data/objects/datasets/clinic/results");
    std::fs::copy(results.join(&first), results.join(&second)).unwrap();
    let failed = owner.fails("custodian --keys keys --once");
    assert!(failed.contains("internal"), "{failed}");
    ada.ok(&format!("jobs cancel {second}"));
    assert!(ada.ok(&format!("result {first}")).contains("smokers"));
}

#[test]
fn a_recipient_that_changed_is_asked_about() {
    if !has_client("clear") {
        return;
    }
    let running = Running::new();
    let (owner, ada) = published(&running, "clear", ROWS);
    let first = submit(&ada);
    await_state(&running, &first, &["computed"]);
    opened(&owner, &ada, &first, ROWS);
    // On another machine, or somebody else under this name.
    let again = Person::at(&running, "ada");
    again.write("smokers.hq", PROGRAM);
    let second = submit(&again);
    await_state(&running, &second, &["computed"]);
    refuses(&owner, &again, &second, "another recipient than before");
    let third = submit(&again);
    await_state(&running, &third, &["computed"]);
    owner.ok("custodian --keys keys --once --accept-recipients");
    assert!(again.ok(&format!("result {third}")).contains("smokers"));
    let foreign = ada.fails(&format!("result {third}"));
    assert!(foreign.contains("cannot be read"), "{foreign}");
}

/// A service that computes with other ciphertexts than it says: of one table, or of all.
#[test]
fn a_service_that_alters_ciphertexts_is_noticed() {
    if !has_client("clear") {
        return;
    }
    let running = Running::new();
    let owner = crate::clinic::owner(&running, "clear", ROWS);
    owner.ok("encrypt clinic.hq --table clinic.csv --keys keys -o controlled --controls 2");
    owner.ok("publish controlled --keys keys --researcher ada --custodian owner");
    let ada = Person::at(&running, "ada");
    ada.write("smokers.hq", PROGRAM);
    let job = submit(&ada);
    assert_eq!(await_state(&running, &job, &["computed"])["blocks"], 4);
    opened(&owner, &ada, &job, ROWS);

    let data = running.folder.path().join("data");
    let database = Connection::open(data.join("hq.sqlite")).unwrap();
    let wrapped: Vec<u8> =
        database.query_row("SELECT wrapped_key FROM datasets", [], |row| row.get(0)).unwrap();
    let key =
        EnvelopeKey::unwrap(&master_key(&data.join("master.key")).unwrap(), "clinic", &wrapped).unwrap();
    for order in [[1, 1, 2, 3], [0, 0, 0, 0], [3, 2, 1, 0]] {
        let job = submit(&ada);
        await_state(&running, &job, &["computed"]);
        let name = hq_server::objects::result_name("clinic", &job);
        let path = data.join("objects").join(&name);
        let bytes = key.open(&name, &std::fs::read(&path).unwrap()).unwrap();
        let result = result_file::read(&bytes).unwrap();
        let sums = result_file::tables(&result.sums).unwrap();
        let altered: Vec<u8> = order.iter().flat_map(|&table: &usize| sums[table].to_vec()).collect();
        if altered == result.sums {
            owner.ok("custodian --keys keys --once");
            continue;
        }
        let altered = result_file::write(&ResultFile { sums: altered, ..result }).unwrap();
        std::fs::write(&path, key.seal(&name, &altered).unwrap()).unwrap();
        let output = owner.hq("custodian --keys keys --once");
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        let released = String::from_utf8_lossy(&output.stdout).contains("released");
        // On `clear` equal sums are equal bytes: copies in each other's place are no alteration.
        assert!(released != said.contains("SOMETHING ELSE THAN IT SAYS"), "{order:?}: {said}");
        assert!(!released || order != [0, 0, 0, 0], "all tables are one");
    }
}

/// Two queries that are each harmless and together show a small cell.
#[test]
fn what_was_released_before_is_remembered() {
    if !has_client("clear") {
        return;
    }
    let running = Running::new();
    let (owner, ada) = published(&running, "clear", ROWS);
    let first = submit(&ada);
    await_state(&running, &first, &["computed"]);
    opened(&owner, &ada, &first, ROWS);
    // All smokers of a sex but one or two.
    ada.write(
        "most.hq",
        &PROGRAM.replace("query smokers", "query most").replace("where smoker", "where smoker and not rare"),
    );
    let most = "submit most.hq --dataset clinic --purpose trial --detach";
    let second = ada.ok(most).trim().to_owned();
    await_state(&running, &second, &["computed"]);
    refuses(
        &owner,
        &ada,
        &second,
        &format!("fewer than 3 persons from one that was released with job {first}"),
    );
    // The same again is no news, and queries apart are not compared.
    let third = submit(&ada);
    await_state(&running, &third, &["computed"]);
    opened(&owner, &ada, &third, ROWS);
}
