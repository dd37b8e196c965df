//! Plugins are loaded in a process apart: one that crashes, hangs or prints harms nothing, and one that would read, write or connect
//! does not get to it.

use std::fs;
use std::io::ErrorKind;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::native::{Author, compiled};
use crate::session::{Session, has_plugin, json, plugin_dirs};

const HOSTILE: &str = "client/tests/sessions/hostile.c";
const PROGRAM: &str = "use clinic
extern fn same(x: bool) -> bool from \"hostile\"
query q
  from clinic
  report
    n = count(same(smoker))
";

/// A session with a library of that flaw, alone in a folder of plugins.
fn with(flaw: &str) -> Option<Session> {
    let session = Session::new();
    session.write("control.hq", PROGRAM);
    compiled(&session, HOSTILE, "hostile", flaw)?;
    Some(session)
}

/// What `hq check` says, on one line.
fn check(session: &Session) -> (Option<i32>, String) {
    let mut command = session.command("check control.hq --backend none");
    let output = command.env("HQ_PLUGIN_DIR", session.folder.path()).output().unwrap();
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    (output.status.code(), text.split_whitespace().collect::<Vec<_>>().join(" "))
}

#[test]
fn a_function_that_crashes_or_hangs_is_a_diagnostic_with_its_argument() {
    for (flaw, code, wanted) in [
        ("CALL_CRASH", "HQ094", "it ended the process that called it (signal: 6"),
        ("CALL_CRASH", "HQ094", "`x` = true"),
        ("CALL_HANG", "HQ098", "`x` = false"),
        ("LOAD_CRASH", "HQ091", "it ended the process that called it (signal: 6"),
        ("EXIT", "HQ091", "when it was loaded"),
        ("WRONG_KIND", "HQ094", "it gives Scalar"),
    ] {
        let Some(session) = with(flaw) else { return };
        let (status, said) = check(&session);
        assert_eq!(status, Some(1), "{flaw}: {said}");
        assert!(said.contains(code) && said.contains(wanted), "{flaw}: {said}");
    }
}

#[test]
fn what_a_function_prints_is_not_its_answer() {
    for flaw in ["SOUND", "PRINT"] {
        let Some(session) = with(flaw) else { return };
        let (status, said) = check(&session);
        assert_eq!(status, Some(0), "{flaw}: {said}");
    }
}

/// Outside, the plugin does all that it tries; when it is registered and when it is called it does nothing of it.
#[cfg(target_os = "linux")]
#[test]
fn a_plugin_that_is_looked_at_reads_writes_and_reaches_nothing() {
    let session = Session::new();
    let place = session.path("place");
    fs::create_dir(&place).unwrap();
    let prepare = || {
        for name in ["secret", "removed", "moved"] {
            fs::write(place.join(name), "content").unwrap();
        }
    };
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.set_nonblocking(true).unwrap();
    let port = listener.local_addr().unwrap().port();
    let flags = format!("REACH PLACE={:?} PORT={port}", place.display().to_string());

    prepare();
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let program = session.path("alone");
    let Ok(built) = Command::new("cc")
        .arg("-I")
        .arg(root.join("plugins/sdk/include"))
        .args(flags.split(' ').chain(["ALONE"]).map(|flag| format!("-D{flag}")))
        .arg("-o")
        .args([&program, &root.join(HOSTILE)])
        .status()
    else {
        eprintln!("skipped: there is no C compiler");
        return;
    };
    assert!(built.success());
    assert_eq!(Command::new(&program).status().unwrap().code(), Some(7), "outside nothing is refused");
    assert!(listener.accept().is_ok() && place.join("written").exists() && !place.join("removed").exists());

    fs::remove_dir_all(&place).unwrap();
    fs::create_dir(&place).unwrap();
    prepare();
    let library = compiled(&session, HOSTILE, "hostile", &flags).unwrap();
    let author = Author::new();
    author.sign(&library);
    fs::create_dir_all(session.path("registry/keys")).unwrap();
    session.write("registry/keys/author.pub", &author.public());
    let said = session.ok(&format!("plugin register {} --registry registry", library.display()));
    assert!(said.contains("functions same"), "{said}");
    session.write("control.hq", PROGRAM);
    assert_eq!(check(&session).0, Some(0), "{}", check(&session).1);
    assert_eq!(listener.accept().unwrap_err().kind(), ErrorKind::WouldBlock);
    let mut left: Vec<_> = fs::read_dir(&place)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    left.sort();
    assert_eq!(left, ["moved", "removed", "secret"]);
}

/// A result tells which build computed it, and a reader without it as well.
#[test]
fn a_result_names_the_build_of_its_backend() {
    if !has_plugin("clear") {
        return;
    }
    let session = Session::new();
    session.until_result("clear");
    let open = "open out.hqr --keys keys --format json --release off --own-data";
    let said = |dirs: Vec<PathBuf>| {
        let dirs = std::env::join_paths(dirs).unwrap();
        let output = session.command(open).env("HQ_PLUGIN_DIR", dirs).output().unwrap();
        assert!(output.status.success());
        json(&String::from_utf8_lossy(&output.stdout));
        String::from_utf8_lossy(&output.stderr).into_owned()
    };
    let dirs = plugin_dirs();
    let same = said(dirs.clone());
    assert!(same.contains("computed by backend clear") && same.contains("that is here"), "{same}");
    let file = format!("{}hq_plugin_clear{}", std::env::consts::DLL_PREFIX, std::env::consts::DLL_SUFFIX);
    let built = dirs.iter().map(|dir| dir.join(&file)).find(|path| path.is_file()).unwrap();
    fs::create_dir(session.path("other")).unwrap();
    fs::write(session.path("other").join(file), [fs::read(built).unwrap(), b"x".to_vec()].concat()).unwrap();
    let other = said([session.path("other")].into_iter().chain(dirs).collect());
    assert!(other.contains("another build is here, which gives the same plan"), "{other}");
}
