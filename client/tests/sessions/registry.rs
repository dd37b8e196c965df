//! The registry of plugins: what is signed is accepted and used, and whatever else is refused, by name and with a remedy.

use std::fs;
use std::path::{Path, PathBuf};

use crate::native::{Author, compiled};
use crate::session::{Session, has_plugin, json, plugin_dirs};

const POINTS: &str = "plugins/examples/c/points.c";
const HOSTILE: &str = "client/tests/sessions/hostile.c";

const PROGRAM: &str = "use clinic
extern fn cha2ds2_vasc(
  age: 18..90, sex: {female, male}, heart_failure: bool, hypertension: bool, diabetes: bool, stroke: bool, vascular: bool
) -> 0..9 from \"points\"
query risk
  from clinic
  report
    high = count(cha2ds2_vasc(age, sex, false, false, smoker, false, false) >= 2)
";

const RUN: &str = "run control.hq --table clinic=clinic.csv --backend clear --release off --format json";

struct Registry {
    session: Session,
    author: Author,
}

impl Registry {
    fn new() -> Self {
        let (session, author) = (Session::new(), Author::new());
        session.write("control.hq", PROGRAM);
        fs::create_dir_all(session.path("registry/keys")).unwrap();
        session.write("registry/keys/author.pub", &author.public());
        Self { session, author }
    }

    /// What a command says, with one space between words, and whether it succeeded.
    fn says(&self, words: &str) -> (bool, String) {
        let output = self
            .session
            .command(words)
            .env("HQ_PLUGIN_REGISTRY", self.session.path("registry"))
            .output()
            .unwrap();
        let text = [output.stdout, output.stderr].concat();
        let text = String::from_utf8(text).unwrap();
        (output.status.success(), text.split_whitespace().collect::<Vec<_>>().join(" "))
    }

    fn done(&self, words: &str) -> String {
        let (done, text) = self.says(words);
        assert!(done, "hq {words}: {text}");
        text
    }

    fn refused(&self, words: &str, wanted: &str) {
        let (done, text) = self.says(words);
        assert!(!done && text.contains(wanted), "hq {words}: {text}");
    }

    fn register(&self, library: &Path) -> String {
        format!("plugin register {}", library.display())
    }
}

/// A plugin that `cargo build` made.
fn built(name: &str) -> PathBuf {
    let file = format!("{}hq_plugin_{name}{}", std::env::consts::DLL_PREFIX, std::env::consts::DLL_SUFFIX);
    plugin_dirs().into_iter().map(|dir| dir.join(&file)).find(|path| path.is_file()).unwrap()
}

/// By the table of the paper, of the rows that a session has.
fn high() -> usize {
    let points = |row: i32| {
        let age = 18 + row % 70;
        i32::from(age >= 65) + i32::from(age >= 75) + i32::from(row % 2 == 0) + i32::from(row % 3 == 2)
    };
    (0..100).filter(|&row| points(row) >= 2).count()
}

#[test]
fn what_is_signed_is_accepted_and_used_until_it_is_revoked() {
    let registry = Registry::new();
    let Some(library) = compiled(&registry.session, POINTS, "points", "SOUND") else { return };
    if !has_plugin("clear") {
        return;
    }
    // Where plugins lie in folders alone, none is loaded.
    registry.refused(RUN, "is not registered in");
    let backend = registry.session.path(built("clear").file_name().unwrap().to_str().unwrap());
    fs::copy(built("clear"), &backend).unwrap();
    for file in [&library, &backend] {
        registry.author.sign(file);
        let said = registry.done(&registry.register(file));
        assert!(said.starts_with("registered ") && said.contains("signed by author"), "{said}");
    }
    let report = json(&registry.done(RUN))["groups"][0]["report"].clone();
    assert_eq!(report["high"], high(), "{report}");
    assert!((1..100).contains(&high()));
    let said = registry.done("plugin list");
    assert!(said.contains("functions cha2ds2_vasc") && said.contains("computes and holds keys"), "{said}");
    let said = registry.done("plugin verify");
    assert_eq!(said, "clear: as it was registered points: as it was registered");

    registry.done("plugin revoke points --reason wrong");
    registry.refused(RUN, "`points` was revoked on");
    registry.refused(&registry.register(&library), ": wrong. Register another build of it");
    let said = registry.done("plugin list");
    assert!(said.contains("points: REVOKED") && !said.contains("cha2ds2_vasc"), "{said}");
    registry.refused("plugin revoke points --reason again", "was revoked");

    // All of it stands in the log, whose entries are chained.
    let log = fs::read_to_string(registry.session.path("registry/audit.log")).unwrap();
    let outcomes = log.lines().map(|line| json(line.split_once(' ').unwrap().1)["event"].clone());
    let outcomes: Vec<String> =
        outcomes.map(|event| format!("{}: {}", event["action"], event["outcome"]).replace('"', "")).collect();
    let wanted =
        ["registered: done", "registered: done", "revoked: done", "registered: revoked", "revoked: revoked"];
    assert_eq!(outcomes, wanted.map(|words| format!("plugin.{words}")));
    registry.done("audit verify registry/audit.log");
    registry.session.write("registry/audit.log", &log.replace("wrong", "right"));
    registry.refused("audit verify registry/audit.log", "was altered");
}

#[test]
fn what_is_unsigned_signed_by_others_altered_or_misnamed_is_refused_and_audited() {
    let registry = Registry::new();
    let Some(library) = compiled(&registry.session, POINTS, "points", "SOUND") else { return };
    let register = registry.register(&library);
    registry.refused(&register, "is not signed: there is no");
    Author::new().sign(&library);
    registry.refused(&register, "is signed with a key that does not count here; those that do are author.");
    registry.author.sign(&library);
    let bytes = fs::read(&library).unwrap();
    fs::write(&library, [&bytes[..], b"x"].concat()).unwrap();
    registry.refused(&register, "is not what was signed");
    fs::write(&library, &bytes).unwrap();
    let elsewhere = registry.session.path("points.so");
    fs::copy(&library, &elsewhere).unwrap();
    registry.author.sign(&elsewhere);
    registry.refused(&registry.register(&elsewhere), "is no name of a plugin's file");
    registry.refused(
        &registry.register(&registry.session.path("libhq_plugin_..so")),
        "is no name of a plugin's file",
    );
    registry.refused("plugin revoke ../points --reason none", "is not registered");
    let log = fs::read_to_string(registry.session.path("registry/audit.log")).unwrap();
    for outcome in ["unsigned", "key", "signature", "name"] {
        assert!(log.contains(&format!("\"outcome\":\"{outcome}\"")), "{log}");
    }
    assert!(!registry.session.path("registry/plugins.json").exists());
    fs::remove_file(registry.session.path("registry/keys/author.pub")).unwrap();
    registry.refused(&register, "holds no key: no signature counts yet");
    registry.session.write("registry/keys/author.pub", "none");
    registry.refused(&register, "is no public key of minisign");
}

#[test]
fn a_file_that_was_exchanged_is_not_loaded() {
    let registry = Registry::new();
    let Some(library) = compiled(&registry.session, POINTS, "points", "SOUND") else { return };
    registry.author.sign(&library);
    registry.done(&registry.register(&library));
    let kept = registry.session.path("registry/plugins").join(library.file_name().unwrap());
    let check = "check control.hq --backend none";
    registry.done("plugin verify points");

    // By one that its author signed too, but nobody accepted.
    let bytes = fs::read(&kept).unwrap();
    fs::write(&kept, [&bytes[..], b"x"].concat()).unwrap();
    registry.author.sign(&kept);
    for words in ["plugin verify", check] {
        registry.refused(words, "is not the file that was registered");
    }
    // By itself, with a signature by somebody else.
    fs::write(&kept, &bytes).unwrap();
    Author::new().sign(&kept);
    registry.refused(check, "is signed with a key that does not count here");
    // In the list, by a name that leads elsewhere.
    let list = fs::read_to_string(registry.session.path("registry/plugins.json")).unwrap();
    for (from, to) in [("\"points\"", "\"../points\""), ("\"version\": 1", "\"version\": 2")] {
        registry.session.write("registry/plugins.json", &list.replace(from, to));
        registry.refused(check, "Bring the file back from a backup");
    }
    // A program does not lead out either.
    registry.session.write("registry/plugins.json", &list);
    registry.session.write("control.hq", &PROGRAM.replace("\"points\"", "\"../plugins/points\""));
    registry.refused(check, "HQ091");
}

#[test]
fn a_plugin_that_crashes_hangs_leaks_or_lies_is_refused_and_harms_nothing() {
    let registry = Registry::new();
    let said = |flaw: &str, wanted: &str| {
        let library = compiled(&registry.session, HOSTILE, "hostile", flaw)?;
        registry.author.sign(&library);
        let register = registry.register(&library);
        let (done, text) = registry.says(&register);
        assert!(!done && text.contains(wanted), "{flaw}: {text}");
        assert!(text.contains("libhq_plugin_hostile"), "{flaw}: {text}");
        Some(())
    };
    for (flaw, wanted) in [
        ("CRASH", "it ended the process that looked at it (signal: 6"),
        ("EXIT", "its description: EOF"),
        ("LEAK", "it ended the process that looked at it (signal: 6"),
        ("HANG", "it did not describe itself in 10 seconds, and was ended. This is a fault of the plugin"),
        ("OTHER_ABI", "speaks plugin ABI version 3, this program version 2. Rebuild the plugin"),
        ("SHORT_TABLE", "has a table of 16 bytes under `hq_functions_v2`"),
        ("NULL_FUNCTION", "has an incomplete table under `hq_functions_v2`. This is a fault of the plugin"),
        ("LONG_BUFFER", "it returns 5368709120 bytes, more than any frame has"),
        ("NULL_BUFFER", "it returns a null buffer"),
        ("CUT_DESCRIPTION", "its answer: EOF while parsing"),
        ("UNKNOWN_STATUS", "unknown status 77: it gives no reason"),
    ] {
        if said(flaw, wanted).is_none() {
            return;
        }
    }
    assert!(!registry.session.path("registry/plugins.json").exists());
    assert_eq!(fs::read_dir(registry.session.path("registry/plugins")).unwrap().count(), 0);
    // One that lies when it is called is found out then.
    let library = compiled(&registry.session, HOSTILE, "hostile", "WRONG_KIND").unwrap();
    registry.author.sign(&library);
    registry.done(&registry.register(&library));
    let program = "use clinic\nextern fn same(x: bool) -> bool from \"hostile\"\nquery q\n  from clinic\n  report\n    \
                   n = count(same(smoker))\n";
    registry.session.write("control.hq", program);
    registry.refused("check control.hq --backend none", "plugin `hostile`: it gives Scalar");
    // One that says that it is another.
    if has_plugin("clear") {
        let library = registry.session.path("libhq_plugin_other.so");
        fs::copy(built("clear"), &library).unwrap();
        registry.author.sign(&library);
        let wanted = "its file is named after `other`, but it says that it is backend `clear`";
        registry.refused(&registry.register(&library), wanted);
    }
}
