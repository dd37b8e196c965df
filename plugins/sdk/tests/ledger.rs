//! The backend in C of `plugins/examples/c`: compiled against the header, it passes the conformance suite as any other.
#![expect(clippy::unwrap_used, reason = "a failing test may panic")]

use std::path::{Path, PathBuf};
use std::process::Command;

use hq_plugin_sdk::conformance::{Options, run_loaded};
use hq_plugin_sdk::host::file_name;

/// The C library of BLAKE3, which comes with the crate.
fn blake3() -> PathBuf {
    let cargo = std::env::var("CARGO").unwrap_or_else(|_| "cargo".to_owned());
    let output = Command::new(cargo)
        .args(["metadata", "--offline", "--format-version", "1", "--manifest-path"])
        .arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("Cargo.toml"))
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let metadata: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let packages = metadata["packages"].as_array().unwrap();
    let found = packages.iter().find(|package| package["name"] == "blake3").unwrap();
    Path::new(found["manifest_path"].as_str().unwrap()).with_file_name("c")
}

#[test]
fn the_backend_in_c_conforms() {
    let folder = tempfile::tempdir().unwrap();
    let library = folder.path().join(file_name("ledger").unwrap());
    let (sdk, blake3) = (Path::new(env!("CARGO_MANIFEST_DIR")), blake3());
    let own = ["ledger.c", "plan.c"].map(|file| sdk.join("../examples/c").join(file));
    let theirs = ["blake3.c", "blake3_dispatch.c", "blake3_portable.c"].map(|file| blake3.join(file));
    let Ok(output) = Command::new("cc")
        .args(["-std=gnu11", "-O1", "-Wall", "-Wextra", "-Werror", "-shared", "-fPIC", "-fvisibility=hidden"])
        .args(["SSE2", "SSE41", "AVX2", "AVX512"].map(|unit| format!("-DBLAKE3_NO_{unit}")))
        .arg("-I")
        .arg(sdk.join("include"))
        .arg("-I")
        .arg(&blake3)
        .arg("-o")
        .arg(&library)
        .args(own)
        .args(theirs)
        .output()
    else {
        eprintln!("skipped: there is no C compiler");
        return;
    };
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert_eq!(run_loaded(&library, &Options::default()), Ok(()));
}
