//! The page, in a browser without a window: what a researcher does there, from the login to the picture. Without Node, the
//! packages or Chromium, the test says so and passes.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use hq_server::api::ROUTES;
use serde_json::{Value, json};

use crate::clinic::{owner, owner_of, smokers};
use crate::people::{Person, has_client, repository};
use crate::provider::{AUDIENCE, Provider};
use crate::running::Running;

const ROWS: usize = 300;

/// The script's folder and the browser.
fn browser() -> Option<(PathBuf, PathBuf)> {
    let folder = repository("server/tests/page");
    let chromium = ["chromium", "chromium-browser", "google-chrome"].into_iter().flat_map(|name| {
        std::env::split_paths(&std::env::var_os("PATH").unwrap_or_default())
            .map(move |folder| folder.join(name))
            .collect::<Vec<_>>()
    });
    let chromium = chromium.into_iter().find(|path| path.is_file());
    let installed = folder.join("node_modules/puppeteer-core").is_dir();
    if chromium.is_none() || !installed {
        eprintln!("skipped: Chromium and `npm ci --prefix server/tests/page` are needed");
        return None;
    }
    Some((folder, chromium?))
}

/// What a script sees of the page; nothing is wrong with it. `HQ_PICTURES` is where pictures stay.
fn visit(running: &Running, (folder, chromium): (&Path, &Path), script: &str, words: &[String]) -> Value {
    let pictures = tempfile::tempdir().unwrap();
    let pictures = std::env::var_os("HQ_PICTURES").map_or_else(|| pictures.path().to_owned(), PathBuf::from);
    let mut command = Command::new("node");
    command.arg(script).arg(&running.root).args([&pictures, chromium]).args(words).current_dir(folder);
    let output = command.output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let seen: Value = serde_json::from_slice(&output.stdout).unwrap();
    for list in ["foreign", "errors", "violations"] {
        assert_eq!(seen[list], json!([]), "{list}");
    }
    seen
}

#[test]
fn a_researcher_does_everything_on_the_page() {
    if !has_client("clear") {
        return;
    }
    let Some((folder, chromium)) = browser() else { return };
    let running = Running::new();
    let owner = owner(&running, "clear", ROWS);
    owner.ok("publish data --keys keys --researcher ada --custodian owner");
    let mut custodian = owner
        .command("custodian --keys keys --every 1")
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let seen = visit(&running, (&folder, &chromium), "page.mjs", &[]);
    custodian.kill().unwrap();
    custodian.wait().unwrap();
    let text = |name: &str| seen[name].as_str().unwrap_or_default().to_owned();
    assert!(text("policy").starts_with("default-src 'none'; script-src 'self';"), "{seen}");
    assert!(text("schema").contains("dataset clinic") && text("recipient").starts_with("age1"), "{seen}");
    assert!(
        text("diagnostic").contains("HQ010 line 4: ") && text("diagnostic").contains("Did you mean `smoker`"),
        "{seen}"
    );
    assert_eq!((text("selected").as_str(), &seen["sendable"]), ("smokr", &Value::Bool(false)));
    assert!(text("explained").contains("smokers"), "{seen}");
    for count in smokers(ROWS) {
        assert!(text("table").contains(&count.to_string()), "{seen}");
    }
    assert!(
        text("alt").contains("smokers") && text("focus") == "result-title" && text("trouble").is_empty(),
        "{seen}"
    );
    assert_eq!(seen["routes"], ROUTES.len());
}

/// Kaplan-Meier curves of ACTG 175, computed on ciphertexts, opened by the custodian, shown by the keyboard alone.
#[test]
fn survival_curves_are_shown() {
    if !has_client("bgv") {
        return;
    }
    let Some((folder, chromium)) = browser() else { return };
    let running = Running::with(|config| config.limits.chunk_bytes = 4 << 20);
    let owner = Person::at(&running, "owner");
    let program = repository("tests/queries/P07.hq");
    owner.write("actg175.hq", &std::fs::read_to_string(repository("tests/schemas/actg175.hq")).unwrap());
    owner.write("curves.hq", &std::fs::read_to_string(&program).unwrap());
    let table = repository("data/actg175.csv").display().to_string();
    owner.ok("keygen --for actg175.hq --query curves.hq --no-passphrase -o keys");
    owner.ok(&format!("encrypt actg175.hq --table {table} --keys keys -o data"));
    owner.ok("publish data --keys keys --researcher ada --custodian owner");
    let mut custodian = owner.command("custodian --keys keys --every 1");
    let mut custodian = custodian.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    let seen = visit(&running, (&folder, &chromium), "curve.mjs", &[program.display().to_string()]);
    custodian.kill().unwrap();
    custodian.wait().unwrap();
    let table = seen["table"].as_str().unwrap();
    // The oracle's numbers at risk in the four arms.
    for patients in ["532", "522", "524", "561"] {
        assert!(table.contains(patients), "{patients}: {table}");
    }
    assert_eq!((&seen["focus"], &seen["trouble"]), (&json!("result-title"), &json!("")));
    assert!(seen["alt"].as_str().unwrap().starts_with("survival_by_arm as a picture"), "{seen}");
    assert!(seen["size"][0].as_u64().unwrap() > 300 && seen["size"][1].as_u64().unwrap() > 200, "{seen}");
    assert_eq!(seen["again"], json!(["result-title", table]));
    assert_eq!(seen["wide"], 0);
}

/// The issuer is elsewhere, and its token endpoint in a third place: the browser is told to speak with these and no others.
#[test]
fn one_logs_in_at_an_issuer_of_another_origin() {
    if !has_client("clear") {
        return;
    }
    let (Some((folder, chromium)), Some(provider)) = (browser(), Provider::new()) else { return };
    let elsewhere = provider.issuer.replace("127.0.0.1", "localhost");
    let origin = elsewhere.clone();
    let running =
        Running::at_issuer(&provider.issuer, AUDIENCE, move |config| config.identity.origins = vec![origin]);
    let owner = owner_of(provider.person(&running, "owner"), "clear", ROWS);
    owner.ok("publish data --keys keys --researcher ada --custodian owner");
    let words = [provider.issuer.clone(), elsewhere.clone()];
    let seen = visit(&running, (&folder, &chromium), "login.mjs", &words);
    let text = |name: &str| seen[name].as_str().unwrap_or_default().to_owned();
    assert_eq!(text("who"), format!("ada at {}", provider.issuer));
    assert!(
        text("link").starts_with(&provider.issuer) && text("schema").contains("dataset clinic"),
        "{seen}"
    );
    let connects = format!("connect-src 'self' {} {elsewhere};", provider.issuer);
    assert!(text("policy").contains(&connects) && text("trouble").is_empty(), "{seen}");
}

#[test]
fn the_page_is_whole_and_nothing_else_is_there() {
    let running = Running::new();
    for file in ["", "page/api.html", "page/api.js", "page/page.css", "page/page.js", "page/age.js"] {
        assert_eq!(running.send("GET", &format!("/{file}"), None, &[], b"").status, 200, "{file}");
    }
    for file in ["page/index.html", "page/other.js", "page/..%2fCargo.toml"] {
        assert_eq!(running.send("GET", &format!("/{file}"), None, &[], b"").status, 404, "{file}");
    }
}
