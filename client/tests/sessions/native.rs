//! Plugins in C, compiled for a session and signed as minisign does.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use minisign::KeyPair;

use crate::session::Session;

/// A library of a plugin, from a C source in the workspace, with flags for its preprocessor; `None` where there is no C compiler.
pub(crate) fn compiled(session: &Session, source: &str, name: &str, flaw: &str) -> Option<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let file = format!("{}hq_plugin_{name}{}", std::env::consts::DLL_PREFIX, std::env::consts::DLL_SUFFIX);
    let library = session.path(&file);
    let Ok(output) = Command::new("cc")
        .args(["-std=gnu11", "-Wall", "-Wextra", "-Werror", "-shared", "-fPIC", "-fvisibility=hidden"])
        .args(flaw.split(' ').map(|flag| format!("-D{flag}")))
        .arg("-I")
        .arg(root.join("plugins/sdk/include"))
        .arg("-o")
        .arg(&library)
        .arg(root.join(source))
        .output()
    else {
        eprintln!("skipped: there is no C compiler");
        return None;
    };
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    Some(library)
}

/// An author with a key pair of minisign.
pub(crate) struct Author(KeyPair);

impl Author {
    pub(crate) fn new() -> Self {
        Self(KeyPair::generate_unencrypted_keypair().unwrap())
    }

    /// The file `NAME.pub`.
    pub(crate) fn public(&self) -> String {
        self.0.pk.to_box().unwrap().into_string()
    }

    /// Puts a signature beside a file.
    pub(crate) fn sign(&self, file: &Path) {
        let bytes = fs::File::open(file).unwrap();
        let signature = minisign::sign(Some(&self.0.pk), &self.0.sk, bytes, None, None).unwrap();
        let mut beside = file.as_os_str().to_owned();
        beside.push(".minisig");
        fs::write(beside, signature.into_string()).unwrap();
    }
}
