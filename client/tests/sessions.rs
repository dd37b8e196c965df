//! Sessions of the program as a person has them, on the clear backend: the plugin is looked for where cargo
//! puts it and in `HQ_PLUGIN_DIR`; without it the tests say so and pass.
#![expect(clippy::unwrap_used, reason = "a failing test may panic")]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::Value;

const SCHEMA: &str = "dataset clinic \"a clinic\" {
  rows <= 1_000, one per person
  release { min_cell 3 max_cells 100 }
  sex: {female, male}
  age: 18..90 \"years\"
  sbp: 60..250 ? \"mmHg\"
  smoker: bool
}
";
const QUERY: &str = "use clinic
query control \"a test\"
  from clinic
  where known(sbp)
  by sex
  report
    n = count()
    high = count(sbp >= 140)
    mean_age = sum(age) / n
";

struct Session {
    folder: tempfile::TempDir,
}

fn plugin_dirs() -> Vec<PathBuf> {
    let program = Path::new(env!("CARGO_BIN_EXE_hq"));
    let mut dirs: Vec<PathBuf> = program.parent().map(Path::to_owned).into_iter().collect();
    dirs.extend(std::env::split_paths(&std::env::var_os("HQ_PLUGIN_DIR").unwrap_or_default()));
    dirs
}

fn has_plugin(name: &str) -> bool {
    let file = format!("{}hq_plugin_{name}{}", std::env::consts::DLL_PREFIX, std::env::consts::DLL_SUFFIX);
    let found = plugin_dirs().iter().any(|dir| dir.join(&file).is_file());
    if !found {
        eprintln!("skipped: plugin {name} is not built");
    }
    found
}

impl Session {
    fn new() -> Self {
        let session = Self { folder: tempfile::tempdir().unwrap() };
        session.write("clinic.hq", SCHEMA);
        session.write("control.hq", QUERY);
        let mut table = "id,sex,age,sbp,smoker\n".to_owned();
        for row in 0..100 {
            let sex = if row % 2 == 0 { "female" } else { "male" };
            let sbp = if row % 5 == 0 { String::new() } else { (100 + row).to_string() };
            table += &format!("{row},{sex},{},{sbp},{}\n", 18 + row % 70, row % 3 / 2);
        }
        session.write("clinic.csv", &table);
        session
    }

    fn write(&self, name: &str, text: &str) {
        fs::write(self.path(name), text).unwrap();
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn hq(&self, words: &str) -> Output {
        Command::new(env!("CARGO_BIN_EXE_hq"))
            .args(words.split(' '))
            .current_dir(self.folder.path())
            .env("HQ_PLUGIN_DIR", std::env::join_paths(plugin_dirs()).unwrap())
            .env("HQ_PASSPHRASE", "correct horse")
            .output()
            .unwrap()
    }

    /// Standard output of a command that succeeds.
    fn ok(&self, words: &str) -> String {
        let output = self.hq(words);
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "hq {words}: {errors}");
        String::from_utf8(output.stdout).unwrap()
    }

    /// Standard error of a command that ends with code 1.
    fn fails(&self, words: &str) -> String {
        let output = self.hq(words);
        let errors = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(1), "hq {words}: {errors}");
        assert!(!errors.contains("panicked"), "hq {words}: {errors}");
        errors
    }

    /// Keys, an encrypted table and a result.
    fn until_result(&self, backend: &str) {
        let keygen = "keygen --for clinic.hq --query control.hq --no-passphrase -o keys --backend";
        self.ok(&format!("{keygen} {backend}"));
        self.ok("encrypt clinic.hq --table clinic.csv --keys keys -o data");
        self.ok("compute control.hq --data data --eval-keys keys/evaluation.keys -o out.hqr");
    }
}

fn json(text: &str) -> Value {
    serde_json::from_str(text).unwrap()
}

#[test]
fn run_gives_exact_numbers_in_every_format() {
    if !has_plugin("clear") {
        return;
    }
    let session = Session::new();
    let run = "run control.hq --table clinic=clinic.csv --backend clear --verify";
    let result = json(&session.ok(&format!("{run} --format json")));
    assert_eq!(result["query"], "control");
    assert_eq!(result["backend"], "clear");
    // 100 rows, alternating; every fifth has no blood pressure; sbp is 100 + row.
    let groups = result["groups"].as_array().unwrap();
    assert_eq!(groups[0]["by"]["sex"], "female");
    assert_eq!(groups[0]["report"]["n"], 40);
    assert_eq!(groups[0]["report"]["high"], (40..100).filter(|row| row % 2 == 0 && row % 5 != 0).count());
    assert_eq!(groups[1]["hidden"], json("[]"));
    let ages: i64 = (0..100).filter(|row| row % 2 == 1 && row % 5 != 0).map(|row| 18 + row % 70).sum();
    let total = result["aggregates"].as_array().unwrap().iter().find(|aggregate| {
        aggregate["by"]["sex"] == "male" && aggregate["name"].as_str().unwrap().contains("sum(age)")
    });
    assert_eq!(total.unwrap()["value"], ages);
    assert!(result["timing"]["server_s"].is_number() && result["sizes"]["upload_bytes"].is_number());

    let table = session.ok(run);
    assert!(table.contains("control: a test") && table.contains("female"), "{table}");
    assert!(table.contains("IN THE CLEAR"), "{table}");
    let csv = session.ok(&format!("{run} --format csv"));
    assert!(csv.starts_with("sex,n,high,mean_age\nfemale,40,"), "{csv}");
}

#[test]
fn the_long_way_gives_the_numbers_of_run() {
    if !has_plugin("clear") {
        return;
    }
    let session = Session::new();
    session.until_result("clear");
    let opened = json(&session.ok("open out.hqr --keys keys --format json"));
    let run = json(&session.ok("run control.hq --table clinic=clinic.csv --backend clear --format json"));
    assert_eq!(opened["aggregates"], run["aggregates"]);
    assert_eq!(opened["groups"], run["groups"]);
    let refused = session.hq("open out.hqr --keys keys --release off");
    assert_eq!(refused.status.code(), Some(2));
    session.ok("open out.hqr --keys keys --release off --own-data");
}

#[test]
fn a_secret_key_is_locked_and_never_taken_for_evaluation_keys() {
    if !has_plugin("clear") {
        return;
    }
    let session = Session::new();
    session.ok("keygen --for clinic.hq --query control.hq --backend clear -o locked");
    let bytes = fs::read(session.path("locked/secret.key")).unwrap();
    assert!(bytes.starts_with(b"age-encryption.org/"));
    session.ok("encrypt clinic.hq --table clinic.csv --keys locked -o data");
    let compute = "compute control.hq --data data -o out.hqr --eval-keys";
    assert!(session.fails(&format!("{compute} locked/secret.key")).contains("SECRET KEY"));
    session.write("wrong", "not the passphrase\n");
    let wrong =
        session.fails("encrypt clinic.hq --table clinic.csv --keys locked -o x --passphrase-file wrong");
    assert!(wrong.contains("secret.key") && !session.path("x").exists(), "{wrong}");

    session.ok("keygen --for clinic.hq --query control.hq --backend clear --no-passphrase -o bare");
    assert!(session.fails(&format!("{compute} bare/secret.key")).contains("SECRET KEY"));
    assert!(!session.path("out.hqr").exists());
    let again = session.fails("keygen --for clinic.hq --backend clear --no-passphrase -o bare");
    assert!(again.contains("exists"), "{again}");
}

#[test]
fn cells_outside_the_schema_stop_encryption() {
    if !has_plugin("clear") {
        return;
    }
    let session = Session::new();
    session.ok("keygen --for clinic.hq --query control.hq --backend clear --no-passphrase -o keys");
    session.write("bad.csv", "sex,age,sbp,smoker\nfemale,20,1180,0\nFemale,20,,1\nmale,,100,1\n");
    let encrypt = "encrypt clinic.hq --keys keys -o data --table";
    let errors = session.fails(&format!("{encrypt} bad.csv"));
    for part in [
        "HQ070",
        "row 1, `sbp` = 1180 is outside 60..250",
        "row 2, `sex` = Female",
        "row 3, `age` is missing",
        "--outside missing",
    ] {
        assert!(errors.contains(part), "{part}: {errors}");
    }
    assert!(!session.path("data").exists());
    session.write("bad.csv", "sex,age,sbp,smoker\nfemale,20,1180,0\n");
    session.ok("encrypt clinic.hq --keys keys -o data --table bad.csv --outside missing");
    session.write("bad.csv", "sex,age,smoker\nfemale,20,0\n");
    let missing = session.fails("encrypt clinic.hq --keys keys -o data2 --table bad.csv");
    assert!(missing.contains("no column `sbp`; the table has sex, age, smoker"), "{missing}");
    let mut long = "sex,age,sbp,smoker\n".to_owned();
    long += &"female,20,,0\n".repeat(1001);
    session.write("bad.csv", &long);
    assert!(session.fails("encrypt clinic.hq --keys keys -o data2 --table bad.csv").contains("rows <= 1000"));
    let left: Vec<_> = fs::read_dir(session.folder.path())
        .unwrap()
        .filter(|entry| entry.as_ref().unwrap().file_name().to_string_lossy().starts_with(".hq-"))
        .collect();
    assert!(left.is_empty(), "{left:?}");
}

/// Bits flipped and bytes cut at some places of a file: an error that names it, and no panic.
fn damage(session: &Session, file: &str, command: &str, places: usize) {
    let path = session.path(file);
    let name = Path::new(file).file_name().unwrap().to_string_lossy();
    let good = fs::read(&path).unwrap();
    for step in 0..places {
        let mut bad = good.clone();
        let at = (good.len() - 1) * step / (places - 1);
        if step % 3 == 2 {
            bad.truncate(at);
        } else {
            bad[at] ^= 1 << (step % 8);
        }
        fs::write(&path, &bad).unwrap();
        let errors = session.fails(command);
        assert!(errors.contains(&*name), "{file} at {at}: {errors}");
    }
    fs::write(&path, &good).unwrap();
    session.ok(command);
}

const COMPUTE: &str = "compute control.hq --data data --eval-keys keys/evaluation.keys -o again.hqr";
const OPEN: &str = "open out.hqr --keys keys";

#[test]
fn damaged_files_are_refused_by_name() {
    if !has_plugin("clear") {
        return;
    }
    let session = Session::new();
    session.until_result("clear");
    for file in ["keys/evaluation.keys", "data/manifest.json", "data/schema.hq", "data/age.hqc"] {
        damage(&session, file, COMPUTE, 12);
    }
    for file in ["out.hqr", "keys/secret.key", "keys/keys.json"] {
        damage(&session, file, OPEN, 12);
    }
}

/// The same with ciphertexts, and the numbers of the clear run.
#[test]
fn the_long_way_on_ciphertexts() {
    if !has_plugin("bgv") || !has_plugin("clear") {
        return;
    }
    let session = Session::new();
    session.until_result("bgv");
    let opened = json(&session.ok(&format!("{OPEN} --format json")));
    let run =
        json(&session.ok("run control.hq --table clinic=clinic.csv --backend bgv --verify --format json"));
    assert_eq!(run["equal_to_clear_run"], true);
    assert_eq!(opened["aggregates"], run["aggregates"]);
    assert_eq!(opened["certificate"]["encrypted"], true);
    assert!(opened["certificate"]["failure_log2"].as_f64().unwrap() <= -128.0);
    for (file, command) in [
        ("keys/evaluation.keys", COMPUTE),
        ("data/sbp.known.hqc", COMPUTE),
        ("data/sex.bit0.hqc", COMPUTE),
        ("out.hqr", OPEN),
        ("keys/secret.key", OPEN),
    ] {
        damage(&session, file, command, 4);
    }
}

#[test]
fn small_counts_are_hidden_from_what_is_opened() {
    if !has_plugin("clear") {
        return;
    }
    let session = Session::new();
    session.write(
        "clinic.csv",
        "sex,age,sbp,smoker\nfemale,20,100,0\nmale,30,150,1\nmale,31,150,1\nmale,32,100,0\n",
    );
    let run = "run control.hq --table clinic=clinic.csv --backend clear --format json";
    let output = session.hq(run);
    let result = json(&String::from_utf8(output.stdout).unwrap());
    assert_eq!(result["groups"][0]["report"]["n"], "hidden");
    assert_eq!(result["groups"][1]["report"]["n"], "hidden");
    assert!(String::from_utf8_lossy(&output.stderr).contains("HQ080"));
    assert!(result["aggregates"].as_array().unwrap().iter().all(|aggregate| aggregate["name"] != "n"));
    let all = json(&session.ok(&format!("{run} --release off")));
    assert_eq!(all["groups"][0]["report"]["n"], 1);
}

#[test]
fn mistakes_of_usage_are_told() {
    let session = Session::new();
    assert_eq!(session.hq("run control.hq").status.code(), Some(2));
    let unknown = session.fails("run control.hq --table clnic=clinic.csv --backend clear");
    assert!(unknown.contains("--table clinic=FILE.csv"), "{unknown}");
    let none = session.fails("run control.hq --table clinic=clinic.csv --backend nothing");
    assert!(none.contains("backend `nothing` is not found"), "{none}");
    session.write("bad.hq", "use clinic\nquery q from clinic where age > report n = count()\n");
    assert!(session.fails("check bad.hq").contains("HQ0"));
    assert!(session.ok("check control.hq").contains("no errors: control (6 numbers decrypted)"));
    let query = session.fails("run control.hq --table clinic=clinic.csv --backend clear --query other");
    assert!(query.contains("has no query `other`; it has control"), "{query}");
}

#[test]
fn synthetic_tables_fit_their_schema_and_their_seed() {
    let session = Session::new();
    let first = session.ok("generate clinic.hq --rows 200 --seed 7");
    assert_eq!(first, session.ok("generate clinic.hq --rows 200 --seed 7"));
    assert_ne!(first, session.ok("generate clinic.hq --rows 200 --seed 8"));
    assert!(first.starts_with("sex,age,sbp,smoker\n"));
    assert_eq!(first.lines().count(), 201);
    if has_plugin("clear") {
        session.ok("generate clinic.hq --rows 1000 --seed 1 -o synthetic.csv");
        let run = "run control.hq --table clinic=synthetic.csv --backend clear --format json";
        let result = json(&session.ok(run));
        let n = |group: usize| result["groups"][group]["report"]["n"].as_u64().unwrap();
        assert!((800..1000).contains(&(n(0) + n(1))));
    }
}
