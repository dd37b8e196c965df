//! People with the program `hq`, each with a configuration of their own, at a service that runs for a test. The program and the
//! plugins are those that `cargo build` made; without them the tests say so and pass.

use std::io::{BufRead as _, BufReader, Read as _};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use serde_json::Value;

use crate::running::{Running, built};

/// Somebody.
pub(crate) struct Person {
    pub(crate) name: &'static str,
    /// Where they work; removed with them.
    pub(crate) folder: tempfile::TempDir,
}

fn program() -> PathBuf {
    built().first().unwrap().join(format!("hq{}", std::env::consts::EXE_SUFFIX))
}

/// Whether the program and a plugin are built.
pub(crate) fn has_client(backend: &str) -> bool {
    let plugin =
        format!("{}hq_plugin_{backend}{}", std::env::consts::DLL_PREFIX, std::env::consts::DLL_SUFFIX);
    let found = program().is_file() && built().iter().any(|folder| folder.join(&plugin).is_file());
    if !found {
        eprintln!("skipped: `cargo build -p hq-client -p hq-plugin-{backend}` comes first");
    }
    found
}

impl Person {
    pub(crate) fn new(name: &'static str) -> Self {
        Self { name, folder: tempfile::tempdir().unwrap() }
    }

    /// Somebody who is logged in.
    pub(crate) fn at(running: &Running, name: &'static str) -> Self {
        let person = Self::new(name);
        person.login(running);
        person
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(crate) fn write(&self, name: &str, text: &str) {
        std::fs::write(self.path(name), text).unwrap();
    }

    pub(crate) fn command(&self, words: &str) -> Command {
        let mut command = Command::new(program());
        command
            .args(words.split(' '))
            .current_dir(self.folder.path())
            .env("HQ_PLUGIN_DIR", std::env::join_paths(built()).unwrap())
            .env("HQ_PASSPHRASE", "correct horse")
            .env("XDG_CONFIG_HOME", self.path("config"));
        command
    }

    pub(crate) fn hq(&self, words: &str) -> Output {
        self.command(words).output().unwrap()
    }

    /// Standard output of a command that succeeds.
    pub(crate) fn ok(&self, words: &str) -> String {
        let output = self.hq(words);
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{}: hq {words}: {errors}", self.name);
        String::from_utf8(output.stdout).unwrap()
    }

    /// Standard error of a command that ends with code 1.
    pub(crate) fn fails(&self, words: &str) -> String {
        let output = self.hq(words);
        let errors = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(1), "{}: hq {words}: {errors}", self.name);
        assert!(!errors.contains("panicked"), "{}: hq {words}: {errors}", self.name);
        errors
    }

    pub(crate) fn json(&self, words: &str) -> Value {
        serde_json::from_str(&self.ok(words)).unwrap()
    }

    /// At the issuer of trials.
    pub(crate) fn login(&self, running: &Running) {
        self.login_with(&running.root, |code| {
            let form = format!("user_code={code}&user={}", self.name);
            let header = ("Content-Type", "application/x-www-form-urlencoded");
            let confirmed = running.send("POST", "/dev/device", None, &[header], form.as_bytes());
            assert_eq!(confirmed.status, 200, "{code}");
        });
    }

    /// By the device flow: the program shows a code, which somebody confirms elsewhere.
    pub(crate) fn login_with(&self, service: &str, confirm: impl FnOnce(&str)) {
        let mut command = self.command(&format!("login {service}"));
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let mut errors = BufReader::new(child.stderr.take().unwrap());
        let mut line = String::new();
        errors.read_line(&mut line).unwrap();
        assert!(line.starts_with("Open http://127.0.0.1"), "{line}");
        confirm(line.rsplit(' ').next().unwrap().trim());
        let output = child.wait_with_output().unwrap();
        let mut rest = String::new();
        errors.read_to_string(&mut rest).unwrap();
        let said = String::from_utf8(output.stdout).unwrap();
        assert!(output.status.success(), "{line}{rest}");
        assert!(said.contains(&format!("as {}", self.name)), "{said}");
    }
}

/// A file of the repository.
pub(crate) fn repository(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().join(path)
}
