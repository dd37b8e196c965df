//! Functions of the plugin `risk`: found, kept, and pinned by results.

use std::fs;
use std::path::PathBuf;

use crate::session::{Session, has_plugin, json, plugin_dirs};

pub(crate) const PROGRAM: &str = "use clinic
extern fn gfr_grade(sex: {female, male}, age: 18..90, creatinine: 0.5..2.0) -> {G4, G3b, G3a, G2, G1} from \"risk\"
extern fn egfr(sex: {female, male}, age: 18..90, creatinine: 0.5..2.0) -> 0.00..200.00 from \"risk\"
query kidney
  from clinic
  report
    reduced = count(gfr_grade(sex, age, 1.3) in {G4, G3b, G3a})
    below   = count(egfr(sex, age, 1.3) < 60)
    oldest  = egfr(male, 90, 1.3)
";

fn session() -> Session {
    let session = Session::new();
    session.write("control.hq", PROGRAM);
    session
}

/// CKD-EPI 2021 for a creatinine of 1.3 mg/dL, above kappa of both sexes.
fn rate(male: bool, age: i32) -> f64 {
    let (kappa, factor) = if male { (0.9, 1.0) } else { (0.7, 1.012) };
    142.0 * (1.3_f64 / kappa).powf(-1.2) * 0.9938_f64.powi(age) * factor
}

const RUN: &str = "run control.hq --table clinic=clinic.csv --backend clear --release off --format json";

#[test]
fn functions_are_computed_and_their_values_kept() {
    if !(has_plugin("clear") && has_plugin("risk")) {
        return;
    }
    let session = session();
    let reduced = (0..100).filter(|row| rate(row % 2 == 1, 18 + row % 70) < 60.0).count();
    assert!((1..100).contains(&reduced));
    let check = || {
        let report = json(&session.ok(RUN))["groups"][0]["report"].clone();
        assert_eq!((&report["reduced"], &report["below"]), (&reduced.into(), &reduced.into()), "{report}");
        let oldest = report["oldest"].as_f64().unwrap();
        assert!((oldest - rate(true, 90)).abs() <= 0.005, "{oldest}");
    };
    check();
    let kept: Vec<PathBuf> =
        fs::read_dir(session.path("functions")).unwrap().map(|entry| entry.unwrap().path()).collect();
    assert_eq!(kept.len(), 2);
    // Kept values are taken, and damaged ones computed again.
    let whole = fs::read(&kept[0]).unwrap();
    let mut damaged = whole.clone();
    damaged[40] ^= 1;
    fs::write(&kept[0], damaged).unwrap();
    check();
    assert_eq!(fs::read(&kept[0]).unwrap(), whole);
}

#[test]
fn a_result_is_opened_with_the_plugin_that_computed_it() {
    if !(has_plugin("clear") && has_plugin("risk")) {
        return;
    }
    let session = session();
    session.until_result("clear");
    let open = "open out.hqr --keys keys --format json --release off --own-data";
    let opened = json(&session.ok(open));
    assert_eq!(opened["groups"], json(&session.ok(RUN))["groups"]);

    // The same functions from another build.
    let file = format!("{}hq_plugin_risk{}", std::env::consts::DLL_PREFIX, std::env::consts::DLL_SUFFIX);
    let built = plugin_dirs().into_iter().map(|dir| dir.join(&file)).find(|path| path.is_file()).unwrap();
    let mut bytes = fs::read(built).unwrap();
    bytes.extend(b"another build");
    fs::create_dir(session.path("other")).unwrap();
    session.write("other/nothing", "");
    fs::write(session.path("other").join(&file), bytes).unwrap();
    let dirs = std::env::join_paths([session.path("other")].into_iter().chain(plugin_dirs())).unwrap();
    let refused = session.command(open).env("HQ_PLUGIN_DIR", dirs).output().unwrap();
    let said = String::from_utf8_lossy(&refused.stderr);
    assert!(!refused.status.success() && said.contains("HQ091") && said.contains("digest"), "{said}");
}

#[test]
fn a_plugin_that_is_not_there_or_has_no_functions_is_told() {
    if !(has_plugin("clear") && has_plugin("risk")) {
        return;
    }
    let session = session();
    for (plugin, words) in [
        ("rsik", "Did you mean \"risk\"?"),
        ("nowhere", "There are risk."),
        ("clear", "has no symbol `hq_functions_v2`"),
    ] {
        session.write("control.hq", &PROGRAM.replace("\"risk\"", &format!("\"{plugin}\"")));
        let said = session.fails("check control.hq --backend clear");
        let said: Vec<&str> = said.split_whitespace().collect();
        assert!(said.join(" ").contains(words) && said.contains(&"[HQ091]"), "{said:?}");
    }
    session.write("control.hq", &PROGRAM.replace("0.5..2.0", "0.0..2.0"));
    let said = session.fails("check control.hq --backend clear");
    assert!(said.contains("HQ094") && said.contains("creatinine must be above 0"), "{said}");
    session.write("control.hq", &PROGRAM.replace("age: 18..90", "age: 0..90"));
    let said = session.fails("check control.hq --backend clear");
    assert!(said.contains("HQ093") && said.contains("age: 18..120"), "{said}");
}
