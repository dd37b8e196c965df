//! The pages about plugins, followed to the letter in folders outside the workspace: their blocks are the plugins, which are
//! tested, built, signed, registered, and used by a query.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::native::Author;
use crate::session::{Session, has_plugin, json, plugin_dirs};

const KIDNEY: &str = "dataset kidney \"creatinine\" {
  rows <= 1_000, one per person
  release { min_cell 3 max_cells 100 }
  sex: {female, male}
  age: 40..79 \"years\"
  creatinine: 0.4..4.3 \"mg/dL\"
}
";

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// The blocks of one language on a page.
fn shown(page: &str, language: &str) -> Vec<String> {
    let page = fs::read_to_string(root().join("docs/plugins").join(page)).unwrap();
    let opened = format!("```{language}\n");
    page.split(&opened).skip(1).map(|rest| rest.split("```").next().unwrap().to_owned()).collect()
}

/// Runs cargo as an author does, in a target folder that is kept, so that the sdk is built once.
fn cargo(folder: &Path, words: &str) {
    let output = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
        .args(words.split(' '))
        .current_dir(folder)
        .env("CARGO_TARGET_DIR", root().join("target/tutorial"))
        .env_remove("RUSTFLAGS")
        .output()
        .unwrap();
    assert!(output.status.success(), "cargo {words}: {}", String::from_utf8_lossy(&output.stderr));
}

fn library(plugin: &str) -> String {
    format!("{}hq_plugin_{plugin}{}", std::env::consts::DLL_PREFIX, std::env::consts::DLL_SUFFIX)
}

/// Makes a page's plugin.
fn follow(session: &Session, page: &str, plugin: &str) -> PathBuf {
    fs::create_dir_all(session.path(plugin).join("src")).unwrap();
    let sdk = fs::canonicalize(root().join("plugins/sdk")).unwrap();
    let manifest = shown(page, "toml").concat().replace("../hq/plugins/sdk", sdk.to_str().unwrap());
    session.write(&format!("{plugin}/Cargo.toml"), &manifest);
    // With the lock file of the workspace nothing is asked of a network.
    fs::copy(root().join("Cargo.lock"), session.path(plugin).join("Cargo.lock")).unwrap();
    session.write(&format!("{plugin}/src/lib.rs"), &shown(page, "rust").join("\n"));
    cargo(&session.path(plugin), "test --offline --quiet");
    cargo(&session.path(plugin), "build --offline --quiet");
    root().join("target/tutorial/debug").join(library(plugin))
}

/// Signs a plugin and has it accepted.
fn register(session: &Session, author: &Author, plugin: &str, from: &Path) {
    let place = session.path(&library(plugin));
    fs::copy(from, &place).unwrap();
    author.sign(&place);
    session.ok(&format!("plugin register {} --registry registry", library(plugin)));
}

#[test]
fn the_pages_give_plugins_that_are_registered_and_run() {
    if !has_plugin("clear") {
        return;
    }
    let (session, author) = (Session::new(), Author::new());
    fs::create_dir_all(session.path("registry/keys")).unwrap();
    session.write("registry/keys/author.pub", &author.public());
    register(&session, &author, "risk", &follow(&session, "functions.md", "risk"));
    register(&session, &author, "tally", &follow(&session, "backends.md", "tally"));
    let built = plugin_dirs().into_iter().map(|dir| dir.join(library("clear")));
    register(&session, &author, "clear", &built.into_iter().find(|path| path.is_file()).unwrap());

    session.write("kidney.hq", KIDNEY);
    let mut table = "sex,age,creatinine\n".to_owned();
    for row in 0..200 {
        let tenths = 4 + row * 7 % 40;
        table +=
            &format!("{},{},{}.{}\n", ["female", "male"][row % 2], 40 + row % 40, tenths / 10, tenths % 10);
    }
    session.write("kidney.csv", &table);
    session.write("grades.hq", shown("functions.md", "hq").last().unwrap());
    let answer = |backend: &str| {
        let run = "run grades.hq --table kidney=kidney.csv --release off --format json --verify --backend";
        let mut command = session.command(&format!("{run} {backend}"));
        let output = command.env("HQ_PLUGIN_REGISTRY", session.path("registry")).output().unwrap();
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{errors}");
        json(&String::from_utf8(output.stdout).unwrap())["groups"].clone()
    };
    let groups = answer("tally");
    assert_eq!(groups, answer("clear"));
    let counts: Vec<u64> =
        groups.as_array().unwrap().iter().map(|group| group["report"]["n"].as_u64().unwrap()).collect();
    assert_eq!((counts.len(), counts.iter().sum::<u64>()), (6, 200), "{groups}");
    assert!(counts.iter().filter(|&&count| count > 0).count() > 3, "{groups}");
}
