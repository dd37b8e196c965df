//! Many researchers at once: each looks at jobs, checks, explains and submits for a bounded time. Says how many requests were
//! answered, how fast, and with what memory; ends with code 1 where one was refused for another reason than too many.
//!
//! `cargo build -p hq-plugin-bgv -p hq-client -p hq-server --example load`, then `target/debug/examples/load --seconds 120`.
#![expect(clippy::unwrap_used, reason = "a measurement that goes wrong may panic")]
#![expect(clippy::print_stdout, reason = "it is a program of the command line")]

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitCode, Stdio};
use std::sync::Mutex;
use std::time::{Duration, Instant};

use clap::Parser;
use serde_json::{Value, json};

const SCHEMA: &str = "dataset clinic \"a clinic\" {\n  rows <= 8_000, one per person\n  release { min_cell 3 max_cells 100 per_day 50 }\n  \
                      sex: {female, male}\n  age: 18..90\n  smoker: bool\n}\n";
const PROGRAM: &str = "use clinic\nquery smokers \"a test\"\n  from clinic\n  where smoker and age >= 40\n  by sex\n  report\n    n = count()\n";
const RECIPIENT: &str = "age1qyqszqgpqyqszqgpqyqszqgpqyqszqgpqyqszqgpqyqszqgpqyqs3290gq";

/// Many researchers at once.
#[derive(Clone, Debug, Parser)]
struct Load {
    /// How long
    #[arg(long, default_value_t = 120)]
    seconds: u64,
    /// How many
    #[arg(long, default_value_t = 200)]
    researchers: usize,
    /// What each waits between two requests, in milliseconds
    #[arg(long, default_value_t = 1000)]
    pause_ms: u64,
    /// Measure instead, on an idle machine, what the service adds to a computation
    #[arg(long)]
    overhead: bool,
}

/// Times in microseconds, and how often each status was seen.
#[derive(Default)]
struct Seen {
    took_us: Vec<u64>,
    statuses: BTreeMap<u16, u64>,
}

type All = Mutex<BTreeMap<&'static str, Seen>>;

/// A service that ends with the measurement.
struct Service {
    child: Child,
    root: String,
}

impl Drop for Service {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Service {
    fn start(programs: &Path, folder: &Path) -> Self {
        let config = folder.join("hq-server.toml");
        let text = format!(
            "listen = \"127.0.0.1:0\"\ndata = {:?}\nplugins = [{programs:?}]\nlog = \"warn\"\n[identity]\nissuer = \
             \"https://replaced.example\"\naudience = \"hq-load\"\n[limits]\nworker_threads = 1\n",
            folder.join("data")
        );
        std::fs::write(&config, text).unwrap();
        let mut command = Command::new(programs.join("hq-server"));
        command.arg("--dev").arg("--config").arg(&config).stdout(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let mut root = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut root).unwrap();
        Self { child, root: root.trim().to_owned() }
    }

    /// Resident memory in KiB.
    fn memory_kib(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
        line.trim().trim_end_matches(" kB").parse().unwrap()
    }

    fn form(&self, agent: &ureq::Agent, path: &str, form: &[(&str, &str)]) -> Value {
        let mut answer = agent.post(format!("{}/dev/{path}", self.root)).send_form(form.to_vec()).unwrap();
        serde_json::from_str(&answer.body_mut().read_to_string().unwrap()).unwrap_or_default()
    }

    fn token(&self, agent: &ureq::Agent, user: &str) -> String {
        let begun = self.form(agent, "device_authorization", &[]);
        self.form(agent, "device", &[("user_code", begun["user_code"].as_str().unwrap()), ("user", user)]);
        let grant = ("grant_type", "urn:ietf:params:oauth:grant-type:device_code");
        let tokens =
            self.form(agent, "token", &[grant, ("device_code", begun["device_code"].as_str().unwrap())]);
        tokens["access_token"].as_str().unwrap().to_owned()
    }
}

fn agent() -> ureq::Agent {
    ureq::Agent::config_builder().http_status_as_error(false).build().new_agent()
}

/// A program of the owner, who works in a folder.
fn hq(programs: &Path, folder: &Path, words: &str) {
    let mut command = Command::new(programs.join("hq"));
    command.args(words.split(' ')).current_dir(folder).env("XDG_CONFIG_HOME", folder);
    let output = command.env("HQ_PLUGIN_DIR", programs).output().unwrap();
    assert!(output.status.success(), "hq {words}: {}", String::from_utf8_lossy(&output.stderr));
}

/// Publishes the dataset for all researchers.
fn publish(service: &Service, programs: &Path, folder: &Path, researchers: usize) {
    std::fs::write(folder.join("clinic.hq"), SCHEMA).unwrap();
    std::fs::write(folder.join("smokers.hq"), PROGRAM).unwrap();
    let row = |row: usize| format!("{},{},{}\n", ["female", "male"][row % 2], 18 + row % 70, row % 3 / 2);
    let rows: String = (0..8000).map(row).collect();
    std::fs::write(folder.join("clinic.csv"), format!("sex,age,smoker\n{rows}")).unwrap();
    hq(programs, folder, "keygen --for clinic.hq --query smokers.hq --no-passphrase -o keys");
    hq(programs, folder, "encrypt clinic.hq --table clinic.csv --keys keys -o data.hq");
    let mut login = Command::new(programs.join("hq"));
    login.args(["login", &service.root]).env("XDG_CONFIG_HOME", folder).stderr(Stdio::piped());
    let mut child = login.spawn().unwrap();
    let mut line = String::new();
    BufReader::new(child.stderr.take().unwrap()).read_line(&mut line).unwrap();
    let code = line.trim().rsplit(' ').next().unwrap();
    service.form(&agent(), "device", &[("user_code", code), ("user", "owner")]);
    assert!(child.wait().unwrap().success());
    let names: String = (0..researchers).map(|at| format!(" --researcher r{at}")).collect();
    hq(programs, folder, &format!("publish data.hq --keys keys{names}"));
}

/// What one researcher does until the end.
fn work(root: &str, token: &str, at: usize, end: Instant, pause: Duration, all: &All) {
    let agent = agent();
    let send = |name: &'static str, path: &str, body: Option<(Value, String)>| {
        let mut request = ureq::http::Request::builder()
            .method(if body.is_some() { "POST" } else { "GET" })
            .uri(format!("{root}/v1/{path}"))
            .header("Authorization", format!("Bearer {token}"));
        let text = body.map(|(body, key)| {
            request = std::mem::take(&mut request)
                .header("Content-Type", "application/json")
                .header("idempotency-key", key);
            body.to_string()
        });
        let start = Instant::now();
        let mut answer = agent.run(request.body(text.unwrap_or_default()).unwrap()).unwrap();
        let body = answer.body_mut().read_to_string().unwrap();
        let took_us = u64::try_from(start.elapsed().as_micros()).unwrap();
        let mut all = all.lock().unwrap();
        let seen = all.entry(name).or_default();
        seen.took_us.push(took_us);
        *seen.statuses.entry(answer.status().as_u16()).or_default() += 1;
        serde_json::from_str::<Value>(&body).unwrap_or_default()
    };
    let program = json!({ "name": "smokers.hq", "text": PROGRAM });
    let mut job = None;
    // Not all at one moment, and not all the same: as people who began at any time.
    std::thread::sleep(pause * u32::try_from(at % 100).unwrap() / 100);
    for round in at / 20.. {
        if Instant::now() >= end {
            return;
        }
        match round % 10 {
            0 => drop(send("check", "datasets/clinic/check", Some((program.clone(), String::new())))),
            3 => drop(send("explain", "datasets/clinic/explain", Some((program.clone(), String::new())))),
            6 => {
                let body = json!({ "program": program, "purpose": "load", "recipient": RECIPIENT });
                let key = format!("load-{at}-{round}");
                let sent = send("submit", "datasets/clinic/jobs", Some((body, key)));
                job = sent["id"].as_str().map(str::to_owned).or(job);
            }
            _ => {
                let path =
                    job.as_ref().map_or_else(|| "jobs?limit=10".to_owned(), |job| format!("jobs/{job}"));
                send("status", &path, None);
            }
        }
        std::thread::sleep(pause);
    }
}

/// Milliseconds from a submission to its result, and of the same on the command line: the median of several.
fn overhead(service: &Service, programs: &Path, folder: &Path) {
    const TIMES: usize = 15;
    let (agent, token) = (agent(), service.token(&agent(), "r0"));
    let middle = |mut took: Vec<f64>| {
        took.sort_by(f64::total_cmp);
        took[TIMES / 2]
    };
    let local = |round: usize| {
        let start = Instant::now();
        let words = format!(
            "compute smokers.hq --data data.hq --eval-keys keys/evaluation.keys -o {round}.hqr --threads 1"
        );
        hq(programs, folder, &words);
        start.elapsed().as_secs_f64() * 1e3
    };
    let remote = |round: usize| {
        let program = json!({ "name": "smokers.hq", "text": PROGRAM });
        let body = json!({ "program": program, "purpose": "load", "recipient": RECIPIENT });
        let start = Instant::now();
        let request = agent.post(format!("{}/v1/datasets/clinic/jobs", service.root));
        let request = request.header("Authorization", format!("Bearer {token}"));
        let mut sent =
            request.header("idempotency-key", format!("overhead-{round}")).send_json(body).unwrap();
        let job: Value = sent.body_mut().read_json().unwrap();
        let events = agent.get(format!("{}/v1/jobs/{}/events", service.root, job["id"].as_str().unwrap()));
        let mut events = events.header("Authorization", format!("Bearer {token}")).call().unwrap();
        let told = events.body_mut().read_to_string().unwrap();
        assert!(told.contains("\"state\":\"computed\""), "{told}");
        start.elapsed().as_secs_f64() * 1e3
    };
    let (local, remote) = (middle((0..TIMES).map(local).collect()), middle((0..TIMES).map(remote).collect()));
    println!("submit to result {remote:.0} ms, `hq compute` {local:.0} ms: {:.0} ms more", remote - local);
}

fn main() -> ExitCode {
    let load = Load::parse();
    let programs: PathBuf = std::env::current_exe().unwrap().parent().unwrap().parent().unwrap().to_owned();
    let folder = tempfile::tempdir().unwrap();
    let service = Service::start(&programs, folder.path());
    publish(&service, &programs, folder.path(), load.researchers);
    if load.overhead {
        overhead(&service, &programs, folder.path());
        return ExitCode::SUCCESS;
    }
    let first = agent();
    let tokens: Vec<String> =
        (0..load.researchers).map(|at| service.token(&first, &format!("r{at}"))).collect();
    let (all, start) = (All::default(), Instant::now());
    let (end, pause) = (start + Duration::from_secs(load.seconds), Duration::from_millis(load.pause_ms));
    let memory = std::thread::scope(|scope| {
        for (at, token) in tokens.iter().enumerate() {
            let (all, root) = (&all, service.root.as_str());
            scope.spawn(move || work(root, token, at, end, pause, all));
        }
        let quarters = (1..=4).map(|quarter| {
            let then = start + Duration::from_secs(load.seconds) * quarter / 4;
            std::thread::sleep(then.saturating_duration_since(Instant::now()));
            service.memory_kib().to_string()
        });
        quarters.collect::<Vec<_>>().join(", ")
    });
    let all = all.into_inner().unwrap();
    let requests: usize = all.values().map(|seen| seen.took_us.len()).sum();
    let seconds = start.elapsed().as_secs_f64();
    println!(
        "{} researchers, {seconds:.0} s: {:.0} requests a second",
        load.researchers,
        requests as f64 / seconds
    );
    let mut code = ExitCode::SUCCESS;
    for (name, mut seen) in all {
        seen.took_us.sort_unstable();
        let at = |percent: usize| {
            seen.took_us[(seen.took_us.len() * percent / 100).min(seen.took_us.len() - 1)] as f64 / 1e3
        };
        println!(
            "{name:8} {:6} p50 {:7.1} ms  p99 {:7.1} ms  {:?}",
            seen.took_us.len(),
            at(50),
            at(99),
            seen.statuses
        );
        if seen.statuses.keys().any(|status| *status >= 400 && *status != 429) {
            code = ExitCode::FAILURE;
        }
    }
    println!("memory of the service after each quarter, KiB: {memory}");
    code
}
