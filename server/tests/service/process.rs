//! A service that is a process of its own, so that it can be killed, and has variables of its own.

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::net::TcpListener;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use crate::people::Person;
use crate::running::built;

/// Tries in a stage that is not killed any more.
const TRIES: u64 = 20;

/// A service that is a process of its own.
pub(crate) struct Process {
    pub(crate) root: String,
    pub(crate) folder: tempfile::TempDir,
    variables: Vec<(String, String)>,
    child: Option<Child>,
}

impl Process {
    /// With small chunks, so that there are several of a file.
    pub(crate) fn new() -> Self {
        Self::with("", Vec::new(), 1024)
    }

    /// With further settings and variables.
    pub(crate) fn with(settings: &str, variables: Vec<(String, String)>, chunk_bytes: u64) -> Self {
        let mut process = Self::begun_not(settings, variables);
        process.set("chunk_bytes = 1024", &format!("chunk_bytes = {chunk_bytes}"));
        process.begin();
        process
    }

    /// The same, not begun.
    pub(crate) fn begun_not(settings: &str, variables: Vec<(String, String)>) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let config = format!(
            "listen = \"{free}\"\ndata = {:?}\nplugins = {:?}\nbackends = [\"clear\"]\n{settings}\n[identity]\n\
             issuer = \"https://replaced.example\"\naudience = \"hq-test\"\n[limits]\n\
             chunk_bytes = 1024\nattempts = 50\n",
            folder.path().join("data"),
            built(),
        );
        fs::write(folder.path().join("hq-server.toml"), config).unwrap();
        Self { root: String::new(), folder, variables, child: None }
    }

    fn set(&self, from: &str, to: &str) {
        let path = self.folder.path().join("hq-server.toml");
        let text = fs::read_to_string(&path).unwrap();
        assert!(text.contains(from));
        fs::write(&path, text.replace(from, to)).unwrap();
    }

    /// Another service in the place of one that ended: the same keys and address, other objects, and nothing yet.
    pub(crate) fn again(&self, objects: &str) -> Self {
        let again = Self::begun_not(objects, self.variables.clone());
        let text = fs::read_to_string(self.folder.path().join("hq-server.toml")).unwrap();
        let listen = |text: &str| text.lines().next().unwrap().to_owned();
        let path = again.folder.path().join("hq-server.toml");
        let new = fs::read_to_string(&path).unwrap();
        again.set(&listen(&new), &listen(&text));
        let data = again.folder.path().join("data");
        fs::create_dir(&data).unwrap();
        for name in ["master.key", "service.key"] {
            fs::copy(self.folder.path().join("data").join(name), data.join(name)).unwrap();
        }
        let chunk_bytes = text.lines().find(|line| line.starts_with("chunk_bytes")).unwrap();
        again.set("chunk_bytes = 1024", chunk_bytes);
        again
    }

    /// The program on the service's settings.
    pub(crate) fn program(&self, words: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_hq-server"));
        command.arg("--config").arg(self.folder.path().join("hq-server.toml")).args(words);
        command.envs(self.variables.iter().map(|(name, value)| (name, value)));
        command
    }

    /// The issuer of trials is the service itself, so it has the address that it had.
    pub(crate) fn begin(&mut self) {
        let mut child =
            self.program(&["--dev"]).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
        let mut root = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut root).unwrap();
        assert!(self.root.is_empty() || root.trim() == self.root, "{root}");
        root.trim().clone_into(&mut self.root);
        self.child = Some(child);
    }

    /// As a crash of the machine would.
    pub(crate) fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            child.kill().unwrap();
            child.wait().unwrap();
        }
    }

    pub(crate) fn kill_and_begin(&mut self) {
        self.kill();
        self.begin();
    }

    pub(crate) fn person(&self, name: &'static str) -> Person {
        let person = Person::new(name);
        self.login(&person);
        person
    }

    pub(crate) fn login(&self, person: &Person) {
        person.login_with(&self.root, |code| {
            let form = [("user_code", code), ("user", person.name)];
            let answer = ureq::post(format!("{}/dev/device", self.root)).send_form(form).unwrap();
            assert_eq!(answer.status(), 200);
        });
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill();
    }
}

/// Kills after delays that look random and are the same in every run (xorshift, Marsaglia 2003).
pub(crate) struct Kills {
    state: u64,
    /// In each of the stages.
    pub(crate) times: u64,
}

impl Kills {
    pub(crate) fn new(times: u64) -> Self {
        Self { state: 0x9e37_79b9_7f4a_7c15, times }
    }

    fn pause(&mut self, most_ms: u64) {
        self.state ^= self.state << 13;
        self.state ^= self.state >> 7;
        self.state ^= self.state << 17;
        std::thread::sleep(Duration::from_millis(self.state % most_ms));
    }
}

/// Runs a command again and again until it succeeds; at first the service is killed while it runs, or the command itself.
pub(crate) fn until_done(service: &mut Process, kills: &mut Kills, person: &Person, words: &str) -> String {
    for round in 0..kills.times + TRIES {
        let mut command = person.command(words);
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        if round < kills.times {
            kills.pause(300);
            if round % 3 == 2 {
                child.kill().unwrap();
            } else {
                service.kill_and_begin();
            }
        }
        let output = child.wait_with_output().unwrap();
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(!errors.contains("panicked"), "{words}: {errors}");
        if output.status.success() && round >= kills.times {
            return String::from_utf8(output.stdout).unwrap();
        }
        assert!(round < kills.times + TRIES - 1, "{words}: {errors}");
    }
    unreachable!("the last round returns or fails")
}
