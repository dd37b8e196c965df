//! Several queries in one command.

use crate::session::{SCHEMA, Session, has_plugin, json};

const SMOKERS: &str = "use clinic
param from_age: 18..90 = 40
query smokers \"who smokes\"
  from clinic
  where known(sbp) and sbp >= 140
  report
    n = count(smoker)
    older = count(smoker and age >= from_age)
";

/// Two files with three queries over one dataset, and one over another.
fn session() -> Session {
    let session = Session::new();
    session.write("smokers.hq", SMOKERS);
    session.write(
        "two.hq",
        "use clinic\nquery high from clinic where known(sbp) by sex report high = count(sbp >= 140)\n\
         query all from clinic report n = count()\n",
    );
    session.write("ward.hq", &SCHEMA.replace("dataset clinic \"a clinic\"", "dataset ward"));
    session.write("beds.hq", "use ward\nquery beds from ward report n = count(smoker)\n");
    session
}

#[test]
fn results_are_those_of_runs_by_themselves() {
    for backend in ["clear", "bgv"] {
        if !has_plugin(backend) || !has_plugin("clear") {
            return;
        }
        let session = session();
        let run = |files: &str| {
            let verify = if backend == "clear" { "" } else { " --verify" };
            let tables = if files.contains("beds") { " --table ward=clinic.csv" } else { "" };
            let words = format!("run {files} --table clinic=clinic.csv{tables} --backend {backend}{verify}");
            json(&session.ok(&format!("{words} --format json")))
        };
        let mut alone: Vec<serde_json::Value> = vec![run("control.hq"), run("smokers.hq")];
        alone.extend(run("two.hq").as_array().unwrap().clone());
        let together = run("control.hq smokers.hq two.hq");
        let together = together.as_array().unwrap();
        assert_eq!(together.len(), 4);
        for (one, other) in together.iter().zip(&alone) {
            for part in ["query", "groups", "aggregates"] {
                assert_eq!(one[part], other[part]);
            }
            assert_eq!(one["together"], json(r#"["control", "smokers", "high", "all"]"#));
            assert_eq!(one["certificate"]["plan_blake3"], together[0]["certificate"]["plan_blake3"]);
        }
        assert!(alone[0]["together"].is_null());
    }
}

#[test]
fn other_datasets_have_runs_of_their_own_in_the_order_of_the_files() {
    if !has_plugin("clear") {
        return;
    }
    let session = session();
    let run =
        "run control.hq beds.hq smokers.hq --table clinic=clinic.csv --table ward=clinic.csv --backend clear";
    let reports = json(&session.ok(&format!("{run} --format json")));
    let names = |place: usize| (reports[place]["query"].clone(), reports[place]["together"].clone());
    assert_eq!(names(0), (json("\"control\""), json(r#"["control", "smokers"]"#)));
    assert_eq!(names(1), (json("\"beds\""), serde_json::Value::Null));
    assert_eq!(names(2), (json("\"smokers\""), json(r#"["control", "smokers"]"#)));
    let table = session.ok(run);
    let places =
        ["control: a test", "\nbeds\n", "smokers: who smokes"].map(|title| table.find(title).unwrap());
    assert!(places.is_sorted(), "{table}");
    let words = table.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(words.contains("Computed in one run for `control`, `smokers`: its times"), "{table}");
    let missing = session.fails("run control.hq beds.hq --table clinic=clinic.csv --backend clear");
    assert!(missing.contains("query `beds` reads `ward`"), "{missing}");
}

#[test]
fn parameters_and_names_are_looked_for_in_all_files() {
    if !has_plugin("clear") {
        return;
    }
    let session = session();
    let run = "run control.hq smokers.hq --table clinic=clinic.csv --backend clear --format json";
    let older = |words: &str| {
        let reports = json(&session.ok(&format!("{run}{words}")));
        reports[1]["groups"][0]["report"]["older"].as_i64().unwrap()
    };
    assert!(older(" --param from_age=18") > older(""));
    let unknown = session.fails(&format!("{run} --param from=18"));
    assert!(unknown.contains("has no parameter `from`"), "{unknown}");
    let one = json(&session.ok(&format!("{run} --query smokers")));
    assert_eq!((&one["query"], &one["together"]), (&json("\"smokers\""), &serde_json::Value::Null));
    let unknown = session.fails(&format!("{run} --query nobody"));
    assert!(
        unknown.contains("control.hq, smokers.hq has no query `nobody`; it has control, smokers"),
        "{unknown}"
    );
}

#[test]
fn one_result_holds_the_queries_of_several_files() {
    if !has_plugin("bgv") {
        return;
    }
    let session = session();
    session.ok("keygen --for clinic.hq --query control.hq smokers.hq two.hq --no-passphrase -o keys");
    session.ok("encrypt clinic.hq --table clinic.csv --keys keys -o data");
    let compute =
        "compute control.hq smokers.hq two.hq --data data --eval-keys keys/evaluation.keys -o out.hqr";
    let told = session.ok(&format!("{compute} --param from_age=50"));
    assert!(told.contains("`control`, `smokers`, `high`, `all` on 1 block"), "{told}");
    let opened = json(&session.ok("open out.hqr --keys keys --format json"));
    let run = "run control.hq smokers.hq two.hq --table clinic=clinic.csv --param from_age=50 --format json";
    let run = json(&session.ok(run));
    for place in 0..4 {
        for part in ["query", "groups", "aggregates", "together"] {
            assert_eq!(opened[place][part], run[place][part]);
        }
    }
    session.ok(&format!("{compute} --query high"));
    assert_eq!(json(&session.ok("open out.hqr --keys keys --format json"))["groups"], run[2]["groups"]);
}

#[test]
fn secret_parameters_of_one_name_are_one_or_stand_apart() {
    if !has_plugin("bgv") {
        return;
    }
    let session = session();
    let secret = |file: &str, domain: &str| {
        let text = format!(
            "use clinic\nsecret param least: {domain}\nquery {file} from clinic report n = count(age >= least)\n"
        );
        session.write(&format!("{file}.hq"), &text);
    };
    secret("one", "18..90");
    secret("other", "18..90");
    secret("wider", "0..100");
    let run =
        "run one.hq other.hq wider.hq --table clinic=clinic.csv --param least=50 --verify --format json";
    let reports = json(&session.ok(run));
    assert_eq!(reports[0]["together"], json(r#"["one", "other"]"#));
    assert!(reports[2]["together"].is_null());
    assert_eq!(reports[0]["groups"], reports[2]["groups"]);

    session
        .ok("keygen --for clinic.hq --query one.hq other.hq control.hq --no-passphrase -o keys --forms bits");
    session.ok("encrypt clinic.hq --table clinic.csv --keys keys -o data");
    session.ok("seal one.hq --eval-keys keys/evaluation.keys --param least=50 -o sealed");
    let compute =
        |files: &str| format!("compute {files} --data data --eval-keys keys/evaluation.keys -o out.hqr");
    session.ok(&format!("{} --sealed sealed", compute("one.hq control.hq")));
    let opened = json(&session.ok("open out.hqr --keys keys --format json"));
    assert_eq!(opened[0]["groups"], reports[0]["groups"]);
    let several = session.fails(&format!("{} --sealed sealed", compute("one.hq other.hq")));
    assert!(several.contains("`one`, `other` have secret parameters"), "{several}");
    let apart = session.fails(&format!("{} --sealed sealed", compute("one.hq wider.hq")));
    assert!(apart.contains("`one`, `wider` declare the same secret parameter"), "{apart}");
    assert!(session.fails(&compute("control.hq one.hq")).contains("give `--sealed FILE`"));
}

#[test]
fn what_is_shared_is_explained() {
    if !has_plugin("bgv") {
        return;
    }
    let session = session();
    let told = session.ok("explain control.hq two.hq --graph plan.svg --noise noise.svg");
    for words in [
        "Together, in one plan",
        "needed by several",
        "in the plan",
        "control \u{201c}a test",
        "high \u{201c}",
    ] {
        assert!(told.contains(words), "{words}: {told}");
    }
    assert_eq!(told.matches("\nRelease\n").count(), 1, "{told}");
    let drawn = std::fs::read_to_string(session.path("plan.svg")).unwrap();
    assert!(drawn.contains("control, high, all"));
    let apart = session.ok("explain control.hq beds.hq --graph plan.svg");
    assert!(!apart.contains("Together") && session.path("plan-beds.svg").exists(), "{apart}");
}
