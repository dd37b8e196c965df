//! Forms that a dataset gains after it was encrypted.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use crate::interrupted::{many_blocks, start, wait_for};
use crate::session::{Session, has_plugin, json};

const ADD: &str = "encrypt clinic.hq --table clinic.csv --keys keys -o data --add";

/// Keys for a query over bits, and a table encrypted with them.
fn encrypted() -> Session {
    let session = Session::new();
    session.ok("keygen --for clinic.hq --query control.hq --no-passphrase -o keys --forms bits");
    session.ok("encrypt clinic.hq --table clinic.csv --keys keys -o data");
    session
}

/// All files of a folder by name.
fn files(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap());
    entries.map(|entry| (entry.file_name().into_string().unwrap(), fs::read(entry.path()).unwrap())).collect()
}

fn answer(session: &Session, query: &str) -> serde_json::Value {
    session.ok(&format!("compute {query} --data data --eval-keys keys/evaluation.keys -o out.hqr"));
    json(&session.ok("open out.hqr --keys keys --format json"))["groups"].clone()
}

#[test]
fn a_dataset_gains_forms_and_keeps_what_it_has() {
    if !has_plugin("bgv") {
        return;
    }
    let session = encrypted();
    let answered = answer(&session, "control.hq");
    let before = files(&session.path("data"));
    session.ok("plan-data clinic.hq --workload control.hq");
    let told = session.ok(&format!("{ADD} --forms clinic.forms.json"));
    assert!(told.contains("2 parts added to 19"), "{told}");

    let after = files(&session.path("data"));
    assert!(after.contains_key("sbp.ge140.hqc") && !before.contains_key("sbp.ge140.hqc"));
    for (name, bytes) in before.iter().filter(|(name, _)| !name.starts_with("manifest.")) {
        assert!(after[name] == *bytes, "{name}");
    }
    let manifest =
        |files: &BTreeMap<String, Vec<u8>>| json(std::str::from_utf8(&files["manifest.json"]).unwrap());
    let (old, new) = (manifest(&before), manifest(&after));
    for (part, file) in old["parts"].as_object().unwrap() {
        assert_eq!(new["parts"][part], *file);
    }
    assert_eq!(answer(&session, "control.hq"), answered);
    // It is computed with the new forms.
    fs::remove_file(session.path("data/sbp.ge140.hqc")).unwrap();
    let compute = "compute control.hq --data data --eval-keys keys/evaluation.keys -o out.hqr";
    assert!(session.fails(compute).contains("sbp.ge140.hqc"));

    // The next table is encrypted in all of them, and takes none again.
    session.ok("encrypt clinic.hq --table clinic.csv --keys keys -o next");
    assert_eq!(manifest(&files(&session.path("next")))["columns"], new["columns"]);
    let again = "encrypt clinic.hq --table clinic.csv --keys keys -o next --add";
    for words in
        [again.to_owned(), format!("{again} --forms bits"), format!("{again} --forms clinic.forms.json")]
    {
        let refused = session.fails(&words);
        assert!(refused.contains("next holds all of that already: there is nothing to add"), "{refused}");
    }
    assert_eq!(session.hq(&ADD.replace("--add", "--forms bits")).status.code(), Some(2));
}

#[test]
fn digits_of_another_size_are_left_out() {
    if !has_plugin("bgv") {
        return;
    }
    let session = encrypted();
    let digits = |bases: &str| {
        let forms = fs::read_to_string(session.path("keys/forms.json")).unwrap();
        let mut forms = json(&forms);
        let text = format!("[{{\"form\": \"one_hot\", \"bases\": {bases}}}]");
        forms["columns"]["age"]["forms"] = json(&text);
        session.write("digits.json", &forms.to_string());
    };
    digits("[8, 10]");
    session.ok(&format!("{ADD} --forms digits.json"));
    digits("[16, 5]");
    let refused = session.fails(&format!("{ADD} --forms digits.json"));
    let kept = refused.contains("`age` keeps one-hot 8x10; one-hot 16x5 cannot stand beside it");
    assert!(kept && refused.contains("there is nothing to add"), "{refused}");
    answer(&session, "control.hq");
}

#[test]
fn another_table_is_refused_with_what_differs() {
    if !has_plugin("bgv") {
        return;
    }
    let session = encrypted();
    let (table, before) =
        (fs::read_to_string(session.path("clinic.csv")).unwrap(), files(&session.path("data")));
    let lines: Vec<&str> = table.lines().collect();
    let refused = |lines: &[&str], words: &str| {
        session.write("clinic.csv", &(lines.join("\n") + "\n"));
        let refused = session.fails(&format!("{ADD} --forms default{words}"));
        assert!(files(&session.path("data")) == before && !session.path("data/.adding").exists());
        refused
    };
    let differs = |lines: &[&str], what: &str| {
        let message = refused(lines, "");
        assert!(message.contains(&format!("clinic.csv is not the table in data: {what}")), "{message}");
    };
    differs(&lines[..100], "it has more rows or fewer");
    let row = lines[3].replace("female,20,102", "female,20,103");
    differs(
        &[&lines[..3], &[&row], &lines[4..]].concat(),
        "there are other values, or rows in another order, in `sbp`",
    );
    // Of two rows of women who smoke alike only age and pressure change places.
    let turned =
        [&lines[..3], &[lines[9], lines[4], lines[5], lines[6], lines[7], lines[8], lines[3]], &lines[10..]];
    differs(&turned.concat(), "there are other values, or rows in another order, in `age`, `sbp`");
    let backwards: Vec<&str> = lines[..1].iter().chain(lines[1..].iter().rev()).copied().collect();
    differs(&backwards, "no column is as it was");
    let without: Vec<String> = lines.iter().map(|line| line.rsplit_once(',').unwrap().0.to_owned()).collect();
    let without: Vec<&str> = without.iter().map(String::as_str).collect();
    assert!(refused(&without, "").contains("no column `smoker`"));
    let high = lines[3].replace("female,20,102", "female,20,999");
    let high = [&lines[..3], &[&high], &lines[4..]].concat();
    assert!(refused(&high, "").contains("HQ070"));
    assert!(refused(&high, " --outside missing").contains("in `sbp`. Nothing was added"));

    // The same rows with other columns beside them, in another order, are the same table.
    let turned: Vec<String> =
        lines.iter().map(|line| line.split(',').rev().collect::<Vec<_>>().join(",")).collect();
    session.write("clinic.csv", &turned.join("\n"));
    session.ok(&format!("{ADD} --forms default"));
}

#[test]
fn other_keys_and_unknown_tables_are_refused() {
    if !has_plugin("bgv") {
        return;
    }
    let session = encrypted();
    session.ok("keygen --for clinic.hq --query control.hq --no-passphrase -o other");
    let refused = session.fails(&ADD.replace("--keys keys", "--keys other"));
    assert!(
        refused.contains("data: was encrypted with key ") && refused.contains("other holds key "),
        "{refused}"
    );
    let kept = fs::read_dir(session.path("keys/tables")).unwrap().next().unwrap().unwrap().path();
    let words = format!("{ADD} --forms default");
    fs::write(&kept, "{}").unwrap();
    assert!(session.fails(&words).contains("is no fingerprint of a table"));
    fs::remove_file(&kept).unwrap();
    let refused = session.fails(&words);
    assert!(refused.contains("these keys do not know the table in data"), "{refused}");
    let refused = session.fails(&words.replace("-o data", "-o nowhere"));
    assert!(refused.contains("nowhere") && refused.contains("manifest.json"), "{refused}");
}

#[cfg(unix)]
#[test]
fn a_killed_addition_leaves_the_dataset_as_it_was() {
    if !has_plugin("bgv") {
        return;
    }
    let session = many_blocks();
    // Much to add, so that there is time to stop it.
    let mut forms = json(&fs::read_to_string(session.path("keys/forms.json")).unwrap());
    let cuts = serde_json::json!({ "form": "cuts", "at": (19..=90).collect::<Vec<i64>>() });
    forms["columns"]["age"]["forms"].as_array_mut().unwrap().push(cuts);
    session.write("more.json", &forms.to_string());
    let add = format!("{ADD} --forms more.json");
    let answered = answer(&session, "slow.hq");
    let mut child = start(&session, &add);
    let part = session.path("data/.adding/age.ge19.hqc");
    wait_for(&part);
    let second = session.fails(&add);
    assert!(second.contains("another `hq encrypt --add` is at work on data"), "{second}");
    child.kill().unwrap();
    child.wait().unwrap();
    assert!(part.exists(), "it was faster than the kill");
    assert!(!session.path("data/age.ge19.hqc").exists());
    assert_eq!(answer(&session, "slow.hq"), answered);
    session.ok(&add);
    assert!(session.path("data/age.ge19.hqc").exists() && !session.path("data/.adding").exists());
    assert_eq!(answer(&session, "slow.hq"), answered);
}
