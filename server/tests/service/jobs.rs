//! Jobs whose workers crash, hang, take too much or are stopped with the service: each costs an attempt or the job, and never
//! the service. Workers are stood in for by scripts that end as a plugin may make them end, and begin the worker otherwise.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use crate::clinic::{await_state, log, opened, published, submit};
use crate::people::has_client;
use crate::running::Running;

const ROWS: usize = 300;

/// A worker that is a script; `$WORKER` in it is the real one, `$NOTES` a folder that stays.
pub(crate) fn script(notes: &Path, text: &str) -> PathBuf {
    let path = notes.join("worker.sh");
    let worker = env!("CARGO_BIN_EXE_hq-server");
    fs::write(&path, format!("#!/bin/sh\nWORKER={worker}\nNOTES={}\n{text}\n", notes.display())).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    path
}

#[test]
fn a_crash_costs_an_attempt() {
    if !has_client("clear") {
        return;
    }
    let notes = tempfile::tempdir().unwrap();
    let crash_once = "[ -e $NOTES/begun ] && exec $WORKER worker\n: > $NOTES/begun\nkill -9 $$";
    let worker = script(notes.path(), crash_once);
    let running = Running::with(|config| config.worker = Some(worker));
    let (owner, ada) = published(&running, "clear", ROWS);
    let job = submit(&ada);
    await_state(&running, &job, &["computed"]);
    opened(&owner, &ada, &job, ROWS);
    let retried: Vec<String> =
        log(&running).into_iter().filter(|line| line.contains("\"job.retried\"")).collect();
    assert!(retried.len() == 1 && retried[0].contains("signal: 9"), "{retried:?}");
    // Nothing of the job stays behind.
    assert_eq!(fs::read_dir(running.folder.path().join("data/work")).unwrap().count(), 0);
}

#[test]
fn whatever_crashes_hangs_or_takes_too_much_fails_with_the_reason() {
    if !has_client("clear") {
        return;
    }
    let notes = tempfile::tempdir().unwrap();
    let worker = script(notes.path(), ": > $NOTES/begun.$$\n. $NOTES/how");
    let running = Running::with(|config| {
        config.worker = Some(worker);
        config.limits.attempts = 2;
        config.limits.worker_wall_s = 3;
    });
    let (owner, ada) = published(&running, "clear", ROWS);
    let begun = || fs::read_dir(notes.path()).unwrap().count();
    for (how, code, detail, attempts) in [
        ("kill -11 $$", "crashed", "tried 2 times; its worker ended without a word (signal: 11", 2),
        ("exit 3", "crashed", "ended without a word (exit status: 3", 2),
        ("echo nonsense\nkill -6 $$", "crashed", "signal: 6", 2),
        ("exec sleep 1000", "timeout", "longer than a job may", 1),
        ("ulimit -v 60000\nexec $WORKER worker", "", "", 1),
    ] {
        fs::write(notes.path().join("how"), how).unwrap();
        let before = begun();
        let job = submit(&ada);
        let failed = await_state(&running, &job, &["failed"]);
        let told = failed["detail"].as_str().unwrap();
        assert!(failed["code"].as_str().unwrap().contains(code) && told.contains(detail), "{how}: {failed}");
        assert!(!told.is_empty() && begun() >= before + attempts, "{how}: {failed}");
        let said = ada.fails(&format!("result {job}"));
        assert!(said.contains("is failed") && said.contains(told), "{said}");
    }
    // The service is as well as before.
    fs::write(notes.path().join("how"), "exec $WORKER worker").unwrap();
    let job = submit(&ada);
    await_state(&running, &job, &["computed"]);
    opened(&owner, &ada, &job, ROWS);
}

#[test]
fn a_job_that_is_cancelled_ends_its_worker() {
    if !has_client("clear") {
        return;
    }
    let notes = tempfile::tempdir().unwrap();
    let worker = script(notes.path(), "echo $$ > $NOTES/new\nmv $NOTES/new $NOTES/pid\nexec sleep 1000");
    let running = Running::with(|config| {
        config.worker = Some(worker);
        config.limits.jobs_per_researcher = 2;
    });
    let (_, ada) = published(&running, "clear", ROWS);
    let (first, second) = (submit(&ada), submit(&ada));
    let third = ada.fails("submit smokers.hq --dataset clinic --purpose trial --detach");
    assert!(third.contains("quota: 2 of your jobs wait or are computed"), "{third}");
    await_state(&running, &first, &["running"]);
    let pid = wait_for(&notes.path().join("pid"));
    let process = PathBuf::from(format!("/proc/{}", pid.trim()));
    assert!(process.exists());
    // One that waits, then the one that is computed.
    for job in [&second, &first] {
        assert!(ada.ok(&format!("jobs cancel {job}")).contains(" cancelled "));
        assert!(ada.fails(&format!("jobs cancel {job}")).contains("conflict"));
    }
    let end = std::time::Instant::now() + std::time::Duration::from_secs(10);
    while process.exists() {
        assert!(std::time::Instant::now() < end, "the worker goes on");
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
    let list = ada.ok("jobs");
    assert!(list.lines().count() == 2 && list.lines().all(|line| line.contains(" cancelled ")), "{list}");
}

/// The text of a file, once it is there.
fn wait_for(path: &Path) -> String {
    let end = std::time::Instant::now() + std::time::Duration::from_secs(30);
    loop {
        if let Ok(text) = fs::read_to_string(path) {
            return text;
        }
        assert!(std::time::Instant::now() < end, "there is no {}", path.display());
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
}

#[test]
fn a_service_that_begins_again_goes_on_with_its_jobs() {
    if !has_client("clear") {
        return;
    }
    let notes = tempfile::tempdir().unwrap();
    let worker =
        script(notes.path(), "[ -e $NOTES/go ] && exec $WORKER worker\n: > $NOTES/begun\nexec sleep 1000");
    let mut running = Running::with(|config| config.worker = Some(worker));
    let (owner, ada) = published(&running, "clear", ROWS);
    let (first, second) = (submit(&ada), submit(&ada));
    wait_for(&notes.path().join("begun"));
    await_state(&running, &first, &["running"]);
    running.end();
    fs::write(notes.path().join("go"), "").unwrap();
    running.begin(true);
    for person in [&owner, &ada] {
        person.login(&running);
    }
    for job in [&first, &second] {
        await_state(&running, job, &["computed"]);
    }
    owner.ok("custodian --keys keys --once");
    for job in [&first, &second] {
        assert!(ada.ok(&format!("result {job}")).contains("smokers"));
    }
    let log = log(&running);
    assert!(log.iter().any(|line| line.contains("1 jobs are computed again")), "the log says so");
    let computed = log.iter().filter(|line| line.contains("\"job.computed\"")).count();
    assert_eq!(computed, 2, "no job is lost and none is doubled");
}

/// After the days that results are kept for.
#[test]
fn what_is_too_old_is_removed() {
    if !has_client("clear") {
        return;
    }
    let mut running = Running::with(|config| config.retention_days = Some(30));
    let (owner, ada) = published(&running, "clear", ROWS);
    let (old, new) = (submit(&ada), submit(&ada));
    for job in [&old, &new] {
        await_state(&running, job, &["computed"]);
    }
    owner.ok("custodian --keys keys --once");
    running.end();
    let data = running.folder.path().join("data");
    let database = rusqlite::Connection::open(data.join("hq.sqlite")).unwrap();
    let sql = "UPDATE jobs SET ended = '2026-01-01T00:00:00Z' WHERE id = ?1";
    assert_eq!(database.execute(sql, [&old]).unwrap(), 1);
    drop(database);
    running.begin(true);
    for person in [&owner, &ada] {
        person.login(&running);
    }
    await_state(&running, &old, &["expired"]);
    assert!(
        ada.fails(&format!("result {old}"))
            .contains("is expired: there is no table. It was kept for 30 days")
    );
    assert!(ada.ok(&format!("result {new}")).contains("smokers"));
    let end = std::time::Instant::now() + std::time::Duration::from_secs(10);
    let folder = data.join("objects/datasets/clinic");
    for kind in ["results", "released"] {
        while folder.join(kind).join(&old).exists() {
            assert!(std::time::Instant::now() < end, "it stays in {kind}");
            std::thread::sleep(std::time::Duration::from_millis(20));
        }
        assert!(folder.join(kind).join(&new).exists());
    }
    assert!(log(&running).iter().any(|line| line.contains("\"job.expired\"")));
}

/// A library that is loaded as a plugin tries what a hostile one would, before anything of it is called.
#[test]
fn a_hostile_plugin_reads_writes_and_tells_nothing() {
    if !has_client("clear") {
        return;
    }
    let notes = tempfile::tempdir().unwrap();
    let library = notes.path().join("hostile.so");
    let source = crate::people::repository("server/tests/service/hostile/plugin.rs");
    let built = std::process::Command::new("rustc")
        .args(["--edition=2024", "--crate-type=cdylib", "-Cpanic=abort", "-o"])
        .args([&library, &source])
        .status();
    assert!(built.unwrap().success());
    let secret = notes.path().join("secret");
    fs::write(&secret, "content").unwrap();
    // What it found out stands in the folder of the job, which is all that it can write.
    let worker = script(notes.path(), "$WORKER worker > words\ncp probe $NOTES/probe\ncat words");
    let plugins = tempfile::tempdir().unwrap();
    let name = "libhq_plugin_clear.so";
    let real = crate::running::built().into_iter().map(|folder| folder.join(name)).find(|file| file.exists());
    fs::copy(real.unwrap(), plugins.path().join(name)).unwrap();
    let running = Running::with(|config| {
        config.worker = Some(worker);
        config.plugins = vec![plugins.path().to_owned()];
    });
    let (_, ada) = published(&running, "clear", ROWS);
    // A job is of the build that planned it, which this one is not: nobody is to know which that was.
    let database = rusqlite::Connection::open(running.folder.path().join("data/hq.sqlite")).unwrap();
    let forget = "CREATE TRIGGER forget AFTER INSERT ON jobs BEGIN UPDATE jobs SET backend = '' WHERE id = NEW.id; END";
    database.execute_batch(forget).unwrap();
    // The service has loaded the real one; its workers load what is there now.
    fs::rename(&library, plugins.path().join(name)).unwrap();
    let job = submit(&ada);
    let failed = await_state(&running, &job, &["failed"]);
    let probe = fs::read_to_string(notes.path().join("probe")).unwrap();
    assert_eq!(probe.lines().count(), 7, "{probe} {failed}");
    assert!(probe.lines().all(|line| line.ends_with(": refused")), "{probe}");
}

#[test]
fn a_worker_whose_service_is_gone_computes_nothing() {
    let mut gone = std::process::Command::new("true").spawn().unwrap();
    gone.wait().unwrap();
    let nothing = serde_json::json!({
        "job": "j", "service": gone.id(), "plan": "", "dataset": "d", "version": 1, "schema": "", "manifest": "", "digest": "",
        "program": { "name": "", "text": "", "modules": {}, "params": [], "queries": [] },
        "key_bytes": 1, "parameter_bytes": 0, "key": vec![0; 32], "objects": "/", "folder": "/", "plugins": [], "chunk_bytes": 1,
        "threads": 1, "memory_bytes": 1_u64 << 32, "cpu_s": 10, "checkpoint_s": 1,
    });
    let (mut ours, theirs) = std::os::unix::net::UnixStream::pair().unwrap();
    let worker = std::process::Command::new(env!("CARGO_BIN_EXE_hq-server"))
        .arg("worker")
        .stdin(std::os::fd::OwnedFd::from(theirs))
        .stdout(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    std::io::Write::write_all(&mut ours, format!("{nothing}\n").as_bytes()).unwrap();
    let said = String::from_utf8(worker.wait_with_output().unwrap().stdout).unwrap();
    assert!(said.contains("the service is gone"), "{said}");
}

/// On ciphertexts: the second worker goes on where the first was killed.
#[test]
fn a_killed_worker_is_continued_from_its_checkpoint() {
    const MANY: usize = 40_000;
    if !has_client("bgv") {
        return;
    }
    let notes = tempfile::tempdir().unwrap();
    let kill_on_the_way = "if [ -e $NOTES/begun ]; then $WORKER worker | tee $NOTES/second; exit; fi
: > $NOTES/begun
exec 3<&0
$WORKER worker <&3 > $NOTES/first &
until [ -e checkpoint ] && grep -q '\"done\":[3-9]' $NOTES/first; do sleep 0.01; done
kill -9 $! $$";
    let worker = script(notes.path(), kill_on_the_way);
    let running = Running::with(|config| {
        config.worker = Some(worker);
        config.limits.worker_checkpoint_s = 0;
        config.limits.worker_threads = 1;
    });
    let (owner, ada) = published(&running, "bgv", MANY);
    let job = submit(&ada);
    let computed = await_state(&running, &job, &["computed"]);
    let first = fs::read_to_string(notes.path().join("first")).unwrap();
    let second = fs::read_to_string(notes.path().join("second")).unwrap();
    assert!(
        computed["blocks"].as_u64().unwrap() > 3 && first.starts_with("{\"done\":1}"),
        "{computed} {first}"
    );
    assert!(second.starts_with("{\"continued\":"), "it began anew: {second}");
    opened(&owner, &ada, &job, MANY);
}
