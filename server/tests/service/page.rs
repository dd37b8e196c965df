//! The page, in a browser without a window: what a researcher does there, from the login to the picture. Without Node, the
//! packages or Chromium, the test says so and passes.

use std::path::PathBuf;
use std::process::{Command, Stdio};

use hq_server::api::ROUTES;
use serde_json::Value;

use crate::clinic::{owner, smokers};
use crate::people::{has_client, repository};
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
    let pictures = tempfile::tempdir().unwrap();
    let pictures = std::env::var_os("HQ_PICTURES").map_or_else(|| pictures.path().to_owned(), PathBuf::from);
    let output = Command::new("node")
        .arg("page.mjs")
        .args([PathBuf::from(&running.root), pictures, chromium])
        .current_dir(folder)
        .output()
        .unwrap();
    custodian.kill().unwrap();
    custodian.wait().unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{errors}");
    let seen: Value = serde_json::from_slice(&output.stdout).unwrap();
    for list in ["foreign", "errors", "violations"] {
        assert_eq!(seen[list], serde_json::json!([]), "{list}");
    }
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
