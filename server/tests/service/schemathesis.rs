//! Requests that are made from the OpenAPI document, sound and unsound, by `schemathesis`: none fails the service, and every answer is as
//! the document says. Without the program `st`, the test says so and passes.

use std::process::Command;

use crate::clinic::published;
use crate::people::has_client;
use crate::running::Running;

const ROWS: usize = 300;

#[test]
fn no_request_fails_the_service() {
    if !has_client("clear") {
        return;
    }
    if Command::new("st").arg("--version").output().is_err() {
        eprintln!("skipped: schemathesis is needed: `pip install schemathesis`");
        return;
    }
    let notes = tempfile::tempdir().unwrap();
    let registry = crate::plugins::Registered::new(notes.path());
    registry.with("clear");
    let running = Running::with(|config| config.registry = Some(registry.folder.clone()));
    let _people = published(&running, "clear", ROWS);
    for user in ["ada", "auditor", "owner", "administrator"] {
        let folder = tempfile::tempdir().unwrap();
        let output = Command::new("st")
            .args(["run", &format!("{}/v1/openapi.json", running.root), "--no-color", "--seed=1"])
            .args(["--max-examples=10", "--phases=examples,coverage,fuzzing"])
            .args(["--checks=not_a_server_error,content_type_conformance,response_schema_conformance"])
            .args(["--header", &format!("Authorization: Bearer {}", running.token(user))])
            .current_dir(folder.path())
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&output.stdout);
        assert!(output.status.success(), "as {user}:\n{said}");
        assert!(said.contains("passed") && !said.contains(" 0 generated"), "{said}");
    }
    assert_eq!(running.send("GET", "/health/ready", None, &[], b"").status, 200);
}
