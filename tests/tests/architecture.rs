//! What the folders promise each other: who depends on whom, where secret keys and unsafe code may stand, how long
//! a file may be, and that nothing tracked names a folder of the machine it was written on.
#![expect(clippy::unwrap_used, reason = "tests stop at the first surprise")]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

/// Lines of a source file without a reason.
const MAX_LINES: usize = 500;

/// Longer files, and why they are one concept.
const LONG_FILES: &[(&str, &str)] = &[];

/// Files that hold unsafe code.
const UNSAFE_FILES: &[&str] = &[
    "plugins/clear/src/call.rs",
    "plugins/sdk/src/abi.rs",
    "plugins/sdk/src/export.rs",
    "plugins/sdk/src/export/custody.rs",
    "plugins/sdk/src/export/evaluator.rs",
    "plugins/sdk/src/export/function.rs",
    "plugins/sdk/src/host.rs",
    "plugins/sdk/src/host/custody.rs",
    "plugins/sdk/src/host/evaluator.rs",
    "plugins/sdk/src/host/function.rs",
    "plugins/sdk/tests/toy/main.rs",
    "server/tests/service/hostile/plugin.rs",
];

/// Files with unsafe types only, which the lint does not see.
const UNSAFE_TYPES: &str = "plugins/sdk/src/abi.rs";

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

/// Paths of the tracked files under the root; those on disk where the root is no repository.
fn files() -> Vec<String> {
    let root = root();
    let listed = Command::new("git").args(["ls-files", "-z"]).current_dir(&root).output();
    let mut files: Vec<String> = match listed {
        Ok(output) if output.status.success() && !output.stdout.is_empty() => {
            String::from_utf8_lossy(&output.stdout).split_terminator('\0').map(str::to_owned).collect()
        }
        _ => {
            let mut found = Vec::new();
            walk(&root, &root, &mut found);
            found
        }
    };
    files.retain(|file| root.join(file).is_file());
    assert!(files.len() > 100, "{} files", files.len());
    files
}

fn walk(root: &Path, folder: &Path, found: &mut Vec<String>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        if path.is_dir() {
            if name != "target" && name != ".git" {
                walk(root, &path, found);
            }
        } else {
            found.push(path.strip_prefix(root).unwrap().to_string_lossy().into_owned());
        }
    }
}

fn sources() -> Vec<(String, String)> {
    let root = root();
    let rust = |file: &String| Path::new(file).extension().is_some_and(|extension| extension == "rs");
    files()
        .into_iter()
        .filter(rust)
        .map(|file| {
            let text = fs::read_to_string(root.join(&file)).unwrap();
            (file, text)
        })
        .collect()
}

/// Each package's folder, and the folders of the packages of this workspace that it depends on.
struct Package {
    uses: BTreeSet<String>,
    uses_in_tests: BTreeSet<String>,
}

fn packages() -> BTreeMap<String, Package> {
    let cargo = std::env::var("CARGO").unwrap_or_else(|_| "cargo".to_owned());
    let output = Command::new(cargo)
        .args(["metadata", "--no-deps", "--offline", "--format-version", "1"])
        .current_dir(root())
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let metadata: Value = serde_json::from_slice(&output.stdout).unwrap();
    let root = PathBuf::from(metadata["workspace_root"].as_str().unwrap());
    let folder = |path: &Path| path.strip_prefix(&root).unwrap().to_string_lossy().into_owned();
    let described = metadata["packages"].as_array().unwrap().iter().map(|package| {
        let manifest = Path::new(package["manifest_path"].as_str().unwrap());
        let mut found = Package { uses: BTreeSet::new(), uses_in_tests: BTreeSet::new() };
        for dependency in package["dependencies"].as_array().unwrap() {
            let Some(path) = dependency["path"].as_str() else { continue };
            let tests = dependency["kind"].as_str() == Some("dev");
            let set = if tests { &mut found.uses_in_tests } else { &mut found.uses };
            set.insert(folder(Path::new(path)));
        }
        (folder(manifest.parent().unwrap()), found)
    });
    described.collect()
}

/// What a package's code may depend on.
fn allowed(folder: &str) -> &'static [&'static str] {
    match folder {
        "dsl" | "plugins/sdk" => &[],
        "engine" => &["dsl", "plugins/sdk"],
        "client" | "server" => &["engine", "dsl", "plugins/sdk"],
        "wasm" => &["engine", "plugins/sdk"],
        "tests" => &[
            "engine",
            "dsl",
            "plugins/sdk",
            "plugins/bgv",
            "plugins/clear",
            "plugins/tfhe",
            "plugins/examples/risk",
        ],
        _ => &["plugins/sdk"],
    }
}

#[test]
fn arrows_point_down() {
    let packages = packages();
    for folder in ["dsl", "engine", "client", "plugins/sdk", "plugins/bgv", "plugins/clear", "tests"] {
        assert!(packages.contains_key(folder), "{folder} is a package of the workspace");
    }
    for (folder, package) in &packages {
        let may = allowed(folder);
        for used in &package.uses {
            assert!(may.contains(&used.as_str()), "{folder} may depend on {may:?}, not on {used}");
        }
        for used in &package.uses_in_tests {
            let end = matches!(used.as_str(), "client" | "server" | "wasm");
            assert!(!end, "{folder} depends on {used} in its tests: nothing depends on a program");
            let plugin = folder.starts_with("plugins/") || folder == "dsl";
            assert!(!plugin || used == "plugins/sdk", "{folder} depends on {used} in its tests");
        }
    }
}

#[test]
fn secret_keys_are_the_custodians() {
    let mut looked_at = 0;
    for (file, text) in sources() {
        let service = ["engine/src/", "server/src/"].iter().any(|folder| file.starts_with(folder));
        if !service {
            continue;
        }
        looked_at += 1;
        for word in ["Custody", "SecretKey", "PluginKey"] {
            for (index, line) in text.lines().enumerate() {
                // A service names the kind of frame that it refuses.
                let line = line.replace("Kind::SecretKey", "");
                assert!(!line.contains(word), "{file}:{}: `{word}` is the client's alone", index + 1);
            }
        }
    }
    assert!(looked_at > 10, "{looked_at} files of the engine");
}

#[test]
fn unsafe_code_stands_in_named_files() {
    let mut found = BTreeSet::new();
    for (file, text) in sources() {
        // This file spells the words out.
        if file.ends_with("tests/architecture.rs") {
            continue;
        }
        let code: Vec<&str> = text.lines().map(|line| line.split("//").next().unwrap_or("")).collect();
        let keyword = |line: &&str| {
            let line = line.trim_start();
            ["unsafe {", "unsafe fn", "unsafe impl", "unsafe trait", "unsafe extern", "#[unsafe("]
                .iter()
                .any(|form| line.contains(form))
        };
        if code.iter().any(keyword) {
            assert!(
                UNSAFE_FILES.contains(&file.as_str()),
                "{file} holds unsafe code and is not named for it"
            );
            if file != UNSAFE_TYPES {
                assert!(text.contains("expect(unsafe_code"), "{file} waives the lint without a reason");
            }
            found.insert(file);
        } else {
            assert!(!text.contains("(unsafe_code"), "{file} waives a lint that it does not need");
        }
    }
    for file in UNSAFE_FILES {
        assert!(found.contains(*file), "{file} holds no unsafe code any more: take it off the list");
    }
}

#[test]
fn files_are_short() {
    let long: BTreeMap<&str, &str> = LONG_FILES.iter().copied().collect();
    for (file, text) in sources() {
        let lines = text.lines().count();
        if lines > MAX_LINES {
            let reason = long.get(file.as_str());
            assert!(reason.is_some(), "{file} has {lines} lines: divide it, or say in LONG_FILES why not");
        }
    }
    for file in long.keys() {
        assert!(root().join(file).is_file(), "{file} is gone: take it off LONG_FILES");
    }
}

#[test]
fn no_file_names_a_folder_of_a_machine() {
    // Put together here, so that this file does not name them either.
    let folders = ["home", "root", "Users", "work", "tmp", "farm"].map(|folder| format!("/{folder}/"));
    let root = root();
    let mut wrong = Vec::new();
    for file in files() {
        let bytes = fs::read(root.join(&file)).unwrap();
        if bytes.contains(&0) {
            continue;
        }
        for (index, line) in String::from_utf8_lossy(&bytes).lines().enumerate() {
            for folder in &folders {
                // In the middle of a path or an address it is no folder of the machine.
                let absolute = line.match_indices(folder.as_str()).any(|(at, _)| {
                    let before = line.get(..at).and_then(|head| head.chars().next_back());
                    !before.is_some_and(|c| c.is_alphanumeric() || "._-/}~".contains(c))
                });
                if absolute {
                    wrong.push(format!("{file}:{}: {folder}", index + 1));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
