//! Sessions of the program as a person has them, on the clear backend: the plugin is looked for where cargo
//! puts it and in `HQ_PLUGIN_DIR`; without it the tests say so and pass.
#![expect(clippy::unwrap_used, reason = "a failing test may panic")]

mod add_forms;
mod apart;
mod codes;
mod controls;
mod examples;
mod explain;
mod forms;
mod functions;
mod gated;
mod interrupted;
mod layout;
mod modules;
mod native;
mod registry;
mod session;
mod tables;
mod tfhe;
mod together;
mod tutorial_plugin;

use std::fs;
use std::path::Path;

use session::{SCHEMA, Session, has_plugin, json};

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

/// A researcher seals a cutoff; the service computes with it and never sees it.
#[test]
fn secret_parameters_are_sealed_and_compared() {
    if !has_plugin("bgv") || !has_plugin("clear") {
        return;
    }
    let session = Session::new();
    session.write(
        "secret.hq",
        "use clinic\nsecret param cutoff: 18..90\nquery above\n  from clinic\n  \
         report n = count(age >= cutoff)  s = sum(case { age < cutoff -> 0 else -> age - 18 })\n",
    );
    session.ok("keygen --for clinic.hq --query secret.hq -o keys");
    session.ok("encrypt clinic.hq --table clinic.csv --keys keys -o data");
    let compute = "compute secret.hq --data data --eval-keys keys/evaluation.keys -o out.hqr";
    assert!(session.fails(compute).contains("hq seal"));
    assert!(session.fails(&format!("{compute} --param cutoff=60")).contains("must not see it"));
    let seal = "seal secret.hq --eval-keys keys/evaluation.keys -o cutoff.sealed";
    assert!(session.fails(seal).contains("--param cutoff=VALUE"));
    // The smallest value is 0 in every bit: an absent row then meets the condition, and is not counted.
    for (cutoff, above) in [(60, 28), (18, 100)] {
        session.ok(&format!("{seal} --param cutoff={cutoff}"));
        session.ok(&format!("{compute} --sealed cutoff.sealed"));
        let opened = json(&session.ok("open out.hqr --keys keys --format json"));
        assert_eq!(opened["groups"][0]["report"]["n"], above, "{opened}");
        let run = session.ok(&format!(
            "run secret.hq --table clinic=clinic.csv --param cutoff={cutoff} --verify --format json"
        ));
        assert_eq!(opened["aggregates"], json(&run)["aggregates"]);
        assert!(!String::from_utf8_lossy(&fs::read(session.path("out.hqr")).unwrap()).contains("\"cutoff\""));
    }
    damage(&session, "cutoff.sealed", &format!("{compute} --sealed cutoff.sealed"), 12);
    session.write(
        "other.hq",
        "use clinic\nsecret param cutoff: 18..91\nquery above from clinic report n = count(age >= cutoff)\n",
    );
    session.ok("seal other.hq --eval-keys keys/evaluation.keys -o cutoff.sealed --param cutoff=60");
    assert!(session.fails(&format!("{compute} --sealed cutoff.sealed")).contains("another program"));
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
fn sums_over_few_rows_are_hidden_without_a_count() {
    if !has_plugin("clear") {
        return;
    }
    let session = Session::new();
    let total = "use clinic\nquery total from clinic by smoker report total = sum(age)\n";
    session.write("total.hq", total);
    let mut table = "sex,age,sbp,smoker\nmale,40,,1\nmale,50,,1\n".to_owned();
    table += &"female,30,,0\n".repeat(10);
    session.write("clinic.csv", &table);
    let backends = ["clear", "bgv"].into_iter().filter(|backend| has_plugin(backend));
    for backend in backends {
        let run = format!("run total.hq --table clinic=clinic.csv --backend {backend} --format json");
        let output = session.hq(&run);
        let result = json(&String::from_utf8(output.stdout).unwrap());
        assert_eq!(result["groups"][1]["report"]["total"], "hidden");
        assert_eq!(result["aggregates"], json("[]"));
        // Two groups, a sum and its rows.
        assert_eq!(result["certificate"]["released_numbers"], 4);
        assert!(String::from_utf8_lossy(&output.stderr).contains("a sum over too few rows"));
        let shown = json(&session.ok(&format!("{run} --release off")));
        assert_eq!(shown["groups"][1]["report"]["total"], 90);
        assert_eq!(shown["aggregates"].as_array().unwrap().len(), 2);
        let explained = session.ok(&format!("explain total.hq --backend {backend}"));
        assert!(explained.contains("One more number per group: its size, for the small-cell rule"));
        assert!(explained.contains("x (1 aggregate(s) + 1 size(s)) = 4 numbers"), "{explained}");
    }
    // Enough of both.
    session.write("clinic.csv", &(table + "male,60,,1\n"));
    let run = "run total.hq --table clinic=clinic.csv --backend clear --verify --format json";
    assert_eq!(json(&session.ok(run))["groups"][1]["report"]["total"], 150);
    assert!(
        session.ok("check total.hq").contains("total (2 numbers decrypted, and 2 for the small-cell rule)")
    );
}

#[test]
fn exchanged_parts_are_refused_by_name() {
    if !has_plugin("clear") {
        return;
    }
    let session = Session::new();
    session.until_result("clear");
    let (one, other) = (session.path("data/age.hqc"), session.path("data/sbp.hqc"));
    let (first, second) = (fs::read(&one).unwrap(), fs::read(&other).unwrap());
    fs::write(&one, second).unwrap();
    fs::write(&other, first).unwrap();
    let errors = session.fails(COMPUTE);
    assert!(errors.contains(".hqc") && !session.path("again.hqr").exists(), "{errors}");
}

#[test]
fn check_plans_where_it_can() {
    let session = Session::new();
    session.write("wide.hq", "use clinic\nquery wide from clinic report n = count() s = sum(sbp * sbp)\n");
    session.write("clinic.hq", &SCHEMA.replace("60..250 ?", "60..250").replace("1_000,", "1_000_000,"));
    let unplanned = session.hq("check wide.hq control.hq --backend nothing");
    let errors = String::from_utf8_lossy(&unplanned.stderr);
    assert_eq!(
        errors.matches("checked, but not planned: backend `nothing` is not found").count(),
        1,
        "{errors}"
    );
    assert!(String::from_utf8_lossy(&unplanned.stdout).contains("wide.hq: no errors"), "{errors}");
    if has_plugin("bgv") {
        let planned = session.hq("check wide.hq");
        let errors = String::from_utf8_lossy(&planned.stderr);
        assert!(planned.status.success() && errors.contains("HQ051"), "{errors}");
        // More rows than any plaintext modulus counts.
        session.write(
            "clinic.hq",
            &SCHEMA.replace("60..250 ?", "60..250").replace("1_000,", "1_000_000_000_000,"),
        );
        let errors = session.fails("check wide.hq");
        assert!(errors.contains("more rows than the plaintext modulus can count"), "{errors}");
    }
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

#[test]
fn pictures_are_drawn_of_what_was_released() {
    if !has_plugin("clear") {
        return;
    }
    let session = Session::new();
    session.until_result("clear");
    session.ok("run control.hq --table clinic=clinic.csv --backend clear --plot run.svg");
    session.ok("open out.hqr --keys keys --plot open.svg");
    let drawn = fs::read_to_string(session.path("run.svg")).unwrap();
    assert_eq!(drawn, fs::read_to_string(session.path("open.svg")).unwrap());
    for words in ["<title id=\"title\">control: a test</title>", ">mean_age (years)<", ">female<"] {
        assert!(drawn.contains(words), "{words} in {drawn}");
    }
    session.write("one.hq", "use clinic\nquery one from clinic report n = count()\n");
    let refused = session.fails("run one.hq --table clinic=clinic.csv --backend clear --plot one.svg");
    assert!(refused.contains("no result of `one`") && refused.contains("survival curves"), "{refused}");
    assert!(!session.path("one.svg").exists());
    let place = session.fails("run control.hq --table clinic=clinic.csv --backend clear --plot no/where.svg");
    assert!(place.contains("where.svg"), "{place}");
}
