//! Forms of columns: chosen, kept with the keys, and used by what encrypts and plans.

use std::fs;

use crate::session::{SCHEMA, Session, has_plugin, json};

const RUN: &str = "run control.hq --table clinic=clinic.csv --format json --forms";

#[test]
fn forms_are_chosen_kept_with_keys_and_used() {
    if !has_plugin("bgv") {
        return;
    }
    let session = Session::new();
    let table = session.ok("plan-data clinic.hq --workload control.hq");
    assert!(table.contains("cuts at 140") && table.contains("clinic.forms.json: for at most"), "{table}");
    let keygen =
        "keygen --for clinic.hq --query control.hq --no-passphrase -o keys --forms clinic.forms.json";
    session.ok(keygen);
    session.ok("encrypt clinic.hq --table clinic.csv --keys keys -o data");
    assert!(session.path("data/sbp.ge140.hqc").exists());
    session.ok("compute control.hq --data data --eval-keys keys/evaluation.keys -o out.hqr");
    let opened = json(&session.ok("open out.hqr --keys keys --format json"));
    for forms in ["bits", "default", "clinic.forms.json"] {
        let run = json(&session.ok(&format!("{RUN} {forms} --verify")));
        assert_eq!(run["groups"], opened["groups"], "{forms}");
    }
    assert!(session.ok("check control.hq --forms bits").contains("no errors"));
    let explained = |forms: &str| session.ok(&format!("explain control.hq --forms {forms}"));
    assert!(explained("bits").contains("sbp.bit7") && explained("clinic.forms.json").contains("sbp.ge140"));
}

#[test]
fn without_a_workload_the_schema_decides() {
    if !has_plugin("bgv") {
        return;
    }
    let session = Session::new();
    session.ok("plan-data clinic.hq -o chosen.json");
    let chosen = fs::read(session.path("chosen.json")).unwrap();
    session.ok("keygen --for clinic.hq --query control.hq --no-passphrase -o keys --backend clear");
    assert_eq!(chosen, fs::read(session.path("keys/forms.json")).unwrap());
}

#[test]
fn forms_of_other_columns_are_refused_by_name() {
    if !has_plugin("clear") {
        return;
    }
    let session = Session::new();
    let keygen = "keygen --for clinic.hq --query control.hq --no-passphrase --backend clear -o";
    session.ok(&format!("{keygen} keys"));
    fs::copy(session.path("keys/forms.json"), session.path("forms.json")).unwrap();
    session.write("clinic.hq", &SCHEMA.replace("18..90", "18..91"));
    let errors = session.fails(&format!("{keygen} other --forms forms.json"));
    assert!(errors.contains("forms.json: column `age` has other values than in the schema"), "{errors}");
    session.write("clinic.hq", SCHEMA);
    session.write("keys/forms.json", "{}");
    let errors = session.fails("encrypt clinic.hq --table clinic.csv --keys keys -o data");
    assert!(errors.contains("forms.json: holds no forms of columns"), "{errors}");
}
