//! `kill -9` of the service, its workers and the program `hq` at any moment of an upload, a computation and an opening: no job is
//! lost or doubled, nothing is left over, and the log is whole.

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::net::TcpListener;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use serde_json::Value;

use crate::clinic::{PROGRAM, opened, owner_of};
use crate::people::{Person, has_client};
use crate::running::built;

const ROWS: usize = 20_000;
/// Kills in each of the stages.
const KILLS: u64 = 6;
/// Tries in a stage that is not killed any more.
const TRIES: u64 = 20;

/// A service that is a process of its own.
struct Process {
    root: String,
    folder: tempfile::TempDir,
    child: Child,
}

fn start(folder: &tempfile::TempDir) -> (Child, String) {
    let mut child = Command::new(env!("CARGO_BIN_EXE_hq-server"))
        .args(["--dev", "--config"])
        .arg(folder.path().join("hq-server.toml"))
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut root = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut root).unwrap();
    (child, root.trim().to_owned())
}

impl Process {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let config = format!(
            "listen = \"{free}\"\ndata = {:?}\nplugins = {:?}\nbackends = [\"clear\"]\n[identity]\n\
             issuer = \"https://replaced.example\"\naudience = \"hq-test\"\n[limits]\nchunk_bytes = 1024\nattempts = 50\n",
            folder.path().join("data"),
            built(),
        );
        fs::write(folder.path().join("hq-server.toml"), config).unwrap();
        let (child, root) = start(&folder);
        Self { root, folder, child }
    }

    /// As a crash of the machine would.
    fn kill_and_begin(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
        let (child, root) = start(&self.folder);
        assert_eq!(root, self.root);
        self.child = child;
    }

    fn person(&self, name: &'static str) -> Person {
        let person = Person::new(name);
        person.login_with(&self.root, |code| {
            let form = [("user_code", code), ("user", name)];
            let answer = ureq::post(format!("{}/dev/device", self.root)).send_form(form).unwrap();
            assert_eq!(answer.status(), 200);
        });
        person
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Delays of up to so many milliseconds that look random and are the same in every run (xorshift, Marsaglia 2003).
struct Delays(u64);

impl Delays {
    fn pause(&mut self, most_ms: u64) {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        std::thread::sleep(Duration::from_millis(self.0 % most_ms));
    }
}

/// Runs a command again and again until it succeeds; at first the service is killed while it runs, or the command itself.
fn until_done(service: &mut Process, delays: &mut Delays, person: &Person, words: &str) -> String {
    for round in 0..KILLS + TRIES {
        let mut command = person.command(words);
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        if round < KILLS {
            delays.pause(300);
            if round % 3 == 2 {
                child.kill().unwrap();
            } else {
                service.kill_and_begin();
            }
        }
        let output = child.wait_with_output().unwrap();
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(!errors.contains("panicked"), "{words}: {errors}");
        if output.status.success() && round >= KILLS {
            return String::from_utf8(output.stdout).unwrap();
        }
        assert!(round < KILLS + TRIES - 1, "{words}: {errors}");
    }
    unreachable!("the last round returns or fails")
}

#[test]
fn whatever_is_killed_nothing_is_lost_doubled_or_left_over() {
    if !has_client("clear") {
        return;
    }
    let mut service = Process::new();
    let mut delays = Delays(0x9e37_79b9_7f4a_7c15);
    let owner = owner_of(service.person("owner"), "clear", ROWS);
    let ada = service.person("ada");
    ada.write("smokers.hq", PROGRAM);
    let publish = "publish data --keys keys --researcher ada --custodian owner";
    until_done(&mut service, &mut delays, &owner, publish);

    let submit = "submit smokers.hq --dataset clinic --purpose trial --detach --idempotency-key the-only-one";
    let job = until_done(&mut service, &mut delays, &ada, submit).trim().to_owned();
    until_done(&mut service, &mut delays, &ada, &format!("jobs watch {job}"));
    until_done(&mut service, &mut delays, &owner, "custodian --keys keys --once");
    opened(&owner, &ada, &job, ROWS);
    assert_eq!(ada.ok("jobs").lines().count(), 1);

    let auditor = service.person("auditor");
    auditor.ok("audit export -o log");
    assert!(auditor.ok("audit verify log").contains("unbroken; signed up to"));
    let log = fs::read_to_string(auditor.path("log")).unwrap();
    let times = |action: &str| log.lines().filter(|line| line.contains(&format!("\"{action}\""))).count();
    for action in [
        "dataset.created",
        "version.begun",
        "version.published",
        "job.submitted",
        "job.computed",
        "job.released",
    ] {
        assert!(times(action) == 1 || action == "version.begun", "{action}: {}", times(action));
    }
    assert!(times("service.started") as u64 > 2 * KILLS);
    let history = fs::read_to_string(owner.path("keys/history.jsonl")).unwrap();
    assert_eq!(history.lines().count(), 1);
    let entry: Value = serde_json::from_str(history.trim()).unwrap();
    assert_eq!(entry["job"], job.as_str());

    service.kill_and_begin();
    let data = service.folder.path().join("data");
    assert_eq!(fs::read_dir(data.join("work")).unwrap().count(), 0);
    for (folder, files) in [("results", 1), ("released", 1)] {
        assert_eq!(
            fs::read_dir(data.join("objects/datasets/clinic").join(folder)).unwrap().count(),
            files,
            "{folder}"
        );
    }
}
