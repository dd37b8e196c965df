//! `hq fmt`: files in place, standard input, and what `--check` says.

use std::fs;
use std::io::Write;
use std::process::{Command, Stdio};

use crate::session::Session;

const LOOSE: &str = "use   clinic # it\nquery q from clinic report n=count()";
const LAID_OUT: &str = "use clinic  # it\nquery q\n  from clinic\n  report n = count()\n";

#[test]
fn files_are_laid_out_in_place() {
    let session = Session::new();
    session.write("loose.hq", LOOSE);
    session.write("good.hq", LAID_OUT);
    let refused = session.hq("fmt --check good.hq loose.hq");
    assert_eq!(refused.status.code(), Some(1));
    assert_eq!(String::from_utf8_lossy(&refused.stdout), "loose.hq\n");
    assert!(String::from_utf8_lossy(&refused.stderr).contains("1 file is not laid out"));
    assert_eq!(fs::read_to_string(session.path("loose.hq")).unwrap(), LOOSE);
    assert_eq!(session.ok("fmt good.hq loose.hq"), "loose.hq\n");
    assert_eq!(fs::read_to_string(session.path("loose.hq")).unwrap(), LAID_OUT);
    assert_eq!(session.ok("fmt --check good.hq loose.hq"), "");
}

#[test]
fn what_does_not_parse_is_left_alone_and_the_rest_is_laid_out() {
    let session = Session::new();
    session.write("wrong.hq", "query q from");
    session.write("loose.hq", LOOSE);
    let errors = session.fails("fmt wrong.hq loose.hq none.hq");
    assert!(errors.contains("HQ006") && errors.contains("wrong.hq: 1 error"), "{errors}");
    assert!(errors.contains("none.hq"), "{errors}");
    assert_eq!(fs::read_to_string(session.path("wrong.hq")).unwrap(), "query q from");
    assert_eq!(fs::read_to_string(session.path("loose.hq")).unwrap(), LAID_OUT);
}

#[cfg(unix)]
#[test]
fn links_and_permissions_stay() {
    use std::os::unix::fs::{PermissionsExt, symlink};
    let session = Session::new();
    session.write("real.hq", LOOSE);
    fs::set_permissions(session.path("real.hq"), fs::Permissions::from_mode(0o640)).unwrap();
    symlink(session.path("real.hq"), session.path("link.hq")).unwrap();
    session.ok("fmt link.hq");
    assert!(session.path("link.hq").is_symlink());
    assert_eq!(fs::read_to_string(session.path("real.hq")).unwrap(), LAID_OUT);
    assert_eq!(fs::metadata(session.path("real.hq")).unwrap().permissions().mode() & 0o777, 0o640);
}

#[test]
fn standard_input_goes_to_standard_output() {
    let session = Session::new();
    for (input, words, code, expected) in [
        (LOOSE.as_bytes(), &["fmt", "-"][..], 0, LAID_OUT),
        (LOOSE.as_bytes(), &["fmt", "-", "--check"], 1, "<standard input>\n"),
        (LAID_OUT.as_bytes(), &["fmt", "-", "--check"], 0, ""),
        (b"\xff", &["fmt", "-"], 1, ""),
        (b"query q from", &["fmt", "-"], 1, ""),
    ] {
        let mut child = Command::new(env!("CARGO_BIN_EXE_hq"))
            .args(words)
            .current_dir(session.folder.path())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        child.stdin.take().unwrap().write_all(input).unwrap();
        let output = child.wait_with_output().unwrap();
        assert_eq!((output.status.code(), &*String::from_utf8_lossy(&output.stdout)), (Some(code), expected));
    }
}
