//! The library of the tutorial as a module of WebAssembly: found, signed, registered, and with the values of the native one.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::functions::PROGRAM;
use crate::native::Author;
use crate::session::{Session, has_plugin, json, plugin_dirs};

const TARGET: &str = "wasm32-unknown-unknown";
const FILE: &str = "hq_plugin_risk.wasm";
const RUN: &str = "run control.hq --table clinic=clinic.csv --backend clear --release off --format json";

/// The module, built from the sources of the workspace; `None` where something for that is missing.
fn built() -> Option<PathBuf> {
    let program = format!("hq-wasm{}", std::env::consts::EXE_SUFFIX);
    if !Path::new(env!("CARGO_BIN_EXE_hq")).with_file_name(program).is_file() {
        eprintln!("skipped: `cargo build -p hq-wasm` comes first");
        return None;
    }
    let sysroot = Command::new("rustc").args(["--print", "sysroot"]).output().unwrap().stdout;
    let sysroot = PathBuf::from(String::from_utf8(sysroot).unwrap().trim());
    if !sysroot.join("lib/rustlib").join(TARGET).is_dir() {
        eprintln!("skipped: `rustup target add {TARGET}` comes first");
        return None;
    }
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let target = root.join("target/module");
    let output = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
        .args(["build", "--offline", "--quiet", "--release", "-p", "hq-plugin-risk", "--target", TARGET])
        .current_dir(&root)
        .env("CARGO_TARGET_DIR", &target)
        .env_remove("RUSTFLAGS")
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    Some(target.join(TARGET).join("release").join(FILE))
}

#[test]
fn the_module_of_a_library_gives_what_the_library_gives() {
    if !(has_plugin("clear") && has_plugin("risk")) {
        return;
    }
    let Some(module) = built() else { return };
    let session = Session::new();
    session.write("control.hq", PROGRAM);
    let native = json(&session.ok(RUN))["groups"].clone();

    // The first folder has the module alone.
    fs::create_dir(session.path("modules")).unwrap();
    fs::copy(&module, session.path("modules").join(FILE)).unwrap();
    let dirs = [session.path("modules")].into_iter().chain(plugin_dirs());
    let dirs = std::env::join_paths(dirs).unwrap();
    let kept = || fs::read_dir(session.path("functions")).unwrap().count();
    let before = kept();
    let output = session.command(RUN).env("HQ_PLUGIN_DIR", &dirs).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout).unwrap();
    assert_eq!(json(&text)["groups"], native);
    assert_eq!(kept(), 2 * before, "they are another plugin's values");

    // What it refuses is told as of any plugin.
    session.write("control.hq", &PROGRAM.replace("0.5..2.0", "0.0..2.0"));
    let output =
        session.command("check control.hq --backend none").env("HQ_PLUGIN_DIR", &dirs).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(said.contains("HQ094") && said.contains("creatinine must be above 0"), "{said}");
}

#[test]
fn a_module_is_signed_registered_and_revoked_as_any_plugin() {
    let Some(module) = built() else { return };
    let (session, author) = (Session::new(), Author::new());
    fs::create_dir_all(session.path("registry/keys")).unwrap();
    session.write("registry/keys/author.pub", &author.public());
    let place = session.path(FILE);
    fs::copy(&module, &place).unwrap();
    let register = format!("plugin register {FILE} --registry registry");
    assert!(session.fails(&register).contains("is not signed"));
    author.sign(&place);
    let said = session.ok(&register);
    assert!(said.contains("risk: functions of a module egfr, gfr_grade"), "{said}");
    assert!(session.path("registry/plugins").join(FILE).is_file());
    assert!(session.ok("plugin verify --registry registry").contains("as it was registered"));
    session.write("control.hq", PROGRAM);
    let check = || {
        let mut command = session.command("check control.hq --backend none");
        command.env("HQ_PLUGIN_REGISTRY", session.path("registry")).output().unwrap()
    };
    let checked = check();
    assert!(checked.status.success(), "{}", String::from_utf8_lossy(&checked.stderr));
    session.ok("plugin revoke risk --reason wrong --registry registry");
    let said = String::from_utf8_lossy(&check().stderr).into_owned();
    assert!(said.contains("HQ091") && said.contains("was revoked"), "{said}");
}
