//! A session: a folder of files, and the program run in it.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::Value;

pub(crate) const SCHEMA: &str = "dataset clinic \"a clinic\" {
  rows <= 1_000, one per person
  release { min_cell 3 max_cells 100 }
  sex: {female, male}
  age: 18..90 \"years\"
  sbp: 60..250 ? \"mmHg\"
  smoker: bool
}
";
const QUERY: &str = "use clinic
query control \"a test\"
  from clinic
  where known(sbp)
  by sex
  report
    n = count()
    high = count(sbp >= 140)
    mean_age = sum(age) / n
";

/// A folder with a schema, a query and a table.
pub(crate) struct Session {
    pub(crate) folder: tempfile::TempDir,
}

pub(crate) fn plugin_dirs() -> Vec<PathBuf> {
    let program = Path::new(env!("CARGO_BIN_EXE_hq"));
    let mut dirs: Vec<PathBuf> = program.parent().map(Path::to_owned).into_iter().collect();
    dirs.extend(std::env::split_paths(&std::env::var_os("HQ_PLUGIN_DIR").unwrap_or_default()));
    dirs
}

pub(crate) fn has_plugin(name: &str) -> bool {
    let file = format!("{}hq_plugin_{name}{}", std::env::consts::DLL_PREFIX, std::env::consts::DLL_SUFFIX);
    let found = plugin_dirs().iter().any(|dir| dir.join(&file).is_file());
    if !found {
        eprintln!("skipped: plugin {name} is not built");
    }
    found
}

impl Session {
    pub(crate) fn new() -> Self {
        let session = Self { folder: tempfile::tempdir().unwrap() };
        session.write("clinic.hq", SCHEMA);
        session.write("control.hq", QUERY);
        let mut table = "id,sex,age,sbp,smoker\n".to_owned();
        for row in 0..100 {
            let sex = if row % 2 == 0 { "female" } else { "male" };
            let sbp = if row % 5 == 0 { String::new() } else { (100 + row).to_string() };
            table += &format!("{row},{sex},{},{sbp},{}\n", 18 + row % 70, row % 3 / 2);
        }
        session.write("clinic.csv", &table);
        session
    }

    pub(crate) fn write(&self, name: &str, text: &str) {
        fs::write(self.path(name), text).unwrap();
    }

    pub(crate) fn write_bytes(&self, name: &str, bytes: &[u8]) {
        fs::write(self.path(name), bytes).unwrap();
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(crate) fn hq(&self, words: &str) -> Output {
        self.command(words).output().unwrap()
    }

    pub(crate) fn command(&self, words: &str) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_hq"));
        command
            .args(words.split(' '))
            .current_dir(self.folder.path())
            .env("HQ_PLUGIN_DIR", std::env::join_paths(plugin_dirs()).unwrap())
            .env("HQ_PASSPHRASE", "correct horse")
            .env("HQ_CALIBRATION", self.path("calibration.json"))
            .env("HQ_FUNCTION_CACHE", self.path("functions"));
        command
    }

    /// Standard output of a command that succeeds.
    pub(crate) fn ok(&self, words: &str) -> String {
        let output = self.hq(words);
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "hq {words}: {errors}");
        String::from_utf8(output.stdout).unwrap()
    }

    /// Standard error of a command that ends with code 1.
    pub(crate) fn fails(&self, words: &str) -> String {
        let output = self.hq(words);
        let errors = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(1), "hq {words}: {errors}");
        assert!(!errors.contains("panicked"), "hq {words}: {errors}");
        errors
    }

    /// Keys, an encrypted table and a result.
    pub(crate) fn until_result(&self, backend: &str) {
        let keygen = "keygen --for clinic.hq --query control.hq --no-passphrase -o keys --backend";
        self.ok(&format!("{keygen} {backend}"));
        self.ok("encrypt clinic.hq --table clinic.csv --keys keys -o data");
        self.ok("compute control.hq --data data --eval-keys keys/evaluation.keys -o out.hqr");
    }
}

pub(crate) fn json(text: &str) -> Value {
    serde_json::from_str(text).unwrap()
}
