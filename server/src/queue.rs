//! The queue: takes jobs in a fair order and has each computed by a worker process. A worker that ends without a word costs an
//! attempt, not the service.

use std::collections::BTreeMap;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::process::Stdio;
use std::sync::PoisonError;
use std::time::Duration;

use hq_engine::audit::Event;
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::UnixStream as Stream;
use tokio::process::{Child, Command};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tracing::Instrument as _;

use crate::app::{App, Shared, blocking, work_folder};
use crate::envelope::OVERHEAD_BYTES;
use crate::jobs::Job;
use crate::objects::{parameters_name, result_name};
use crate::problem::{Problem, Result};
use crate::programs::{Calls, Checked};
use crate::supply::{Scope, supply};
use crate::telemetry::SPANS;
use crate::worker::{RESULT, Task, Word};

/// How a worker ended.
enum End {
    Finished,
    Failed(String),
    /// No word: killed, crashed, or out of memory.
    Crashed(String),
    Cancelled,
    TimedOut,
}

impl End {
    fn text(&self) -> &'static str {
        match self {
            Self::Finished => "finished",
            Self::Failed(_) => "failed",
            Self::Crashed(_) => "crashed",
            Self::Cancelled => "cancelled",
            Self::TimedOut => "timed-out",
        }
    }
}

/// Takes jobs until the service ends.
pub(crate) async fn serve(app: Shared) {
    let slots = std::sync::Arc::new(tokio::sync::Semaphore::new(app.config.limits.workers));
    loop {
        let Ok(slot) = std::sync::Arc::clone(&slots).acquire_owned().await else { return };
        match blocking(&app, |app| app.store.with(|tx| tx.claim())).await {
            Ok(Some(job)) => {
                app.news.send_replace(());
                let app = app.clone();
                actix_web::rt::spawn(async move {
                    let id = job.id.clone();
                    let of = job.clone();
                    let span = span(&job);
                    if let Err(problem) = compute(&app, job).instrument(span).await {
                        tracing::error!(job = %id, %problem, "a job cannot be computed");
                        let failed =
                            blocking(&app, move |app| fail(app, &id, "internal", "The service failed."))
                                .await;
                        if let Err(problem) = failed {
                            tracing::error!(%problem, "and that cannot be noted");
                        }
                    }
                    if let Err(problem) = forget_parameters(&app, &of).await {
                        tracing::error!(%problem, "secret parameters are left over");
                    }
                    app.news.send_replace(());
                    drop(slot);
                });
            }
            Ok(None) => {
                drop(slot);
                // The bell, or a look now and then.
                let _ = tokio::time::timeout(Duration::from_secs(2), app.queued.notified()).await;
            }
            Err(problem) => {
                drop(slot);
                tracing::error!(%problem, "no job can be taken");
                tokio::time::sleep(Duration::from_secs(2)).await;
            }
        }
    }
}

fn span(job: &Job) -> tracing::Span {
    tracing::info_span!(
        target: SPANS,
        "job",
        job = %job.id,
        dataset = %job.dataset,
        version = job.version,
        blocks = job.blocks,
        attempt = job.attempts,
        end = tracing::field::Empty,
    )
}

async fn compute(app: &Shared, job: Job) -> Result<()> {
    let (sender, cancelled) = oneshot::channel();
    app.running.lock().unwrap_or_else(PoisonError::into_inner).insert(job.id.clone(), sender);
    let of = job.clone();
    let functions = match blocking(app, move |app| functions(app, &of)).await? {
        Ok(functions) => functions,
        Err(reason) => {
            app.running.lock().unwrap_or_else(PoisonError::into_inner).remove(&job.id);
            let id = job.id.clone();
            return blocking(app, move |app| fail(app, &id, "computation", &reason)).await;
        }
    };
    let of = job.clone();
    let task = blocking(app, move |app| task(app, &of, functions)).await?;
    let folder = task.folder.clone();
    let end = work(app, &task, cancelled).await?;
    app.running.lock().unwrap_or_else(PoisonError::into_inner).remove(&job.id);
    tracing::Span::current().record("end", end.text());
    let keep = match end {
        End::Finished => {
            let path = folder.join(RESULT);
            let sealed = blocking(app, move |_| std::fs::read(path).map_err(Problem::internal)).await?;
            finish(app, &job, sealed).await?;
            false
        }
        End::Failed(reason) => {
            let id = job.id.clone();
            blocking(app, move |app| fail(app, &id, "computation", &reason)).await?;
            false
        }
        End::TimedOut => {
            let id = job.id.clone();
            blocking(app, move |app| fail(app, &id, "timeout", "It took longer than a job may.")).await?;
            false
        }
        End::Cancelled => false,
        End::Crashed(how) => {
            let (id, last) = (job.id.clone(), job.attempts >= app.config.limits.attempts);
            blocking(app, move |app| again(app, &id, &how, last)).await?;
            app.queued.notify_one();
            !last
        }
    };
    if !keep {
        let _ = std::fs::remove_dir_all(&folder);
    }
    Ok(())
}

/// Values of the functions that a program calls: the worker loads no plugin but that of the backend.
fn functions(app: &App, job: &Job) -> Result<std::result::Result<BTreeMap<String, Vec<i64>>, String>> {
    if job.program.functions.is_empty() {
        return Ok(Ok(BTreeMap::new()));
    }
    let schema = app.store.with(|tx| tx.version(&job.dataset, job.version))?.schema;
    let calls = Calls::Pinned(&app.supply, &job.program.functions);
    Ok(match Checked::again(&job.program, &job.dataset, &schema, calls) {
        Ok(checked) => Ok(checked.values.into_iter().map(|(name, values)| (name, values.to_vec())).collect()),
        Err(problem) => {
            Err(problem.diagnostics.first().map_or(problem.detail, |found| found.message.clone()))
        }
    })
}

/// Removes the secret parameters of a job that is not computed any more.
///
/// # Errors
/// Those of the store.
pub(crate) async fn forget_parameters(app: &Shared, job: &Job) -> Result<()> {
    if job.parameters == 0 {
        return Ok(());
    }
    let id = job.id.clone();
    if blocking(app, move |app| app.store.with(|tx| tx.job(&id))).await?.is_computed() {
        app.objects.remove(&parameters_name(&job.dataset, &job.id)).await?;
    }
    Ok(())
}

/// What the worker is told.
fn task(app: &App, job: &Job, functions: BTreeMap<String, Vec<i64>>) -> Result<Task> {
    let (dataset, version) =
        app.store.with(|tx| Ok((tx.living(&job.dataset)?, tx.version(&job.dataset, job.version)?)))?;
    let folder = work_folder(&app.config).join(&job.id);
    std::fs::create_dir_all(&folder).map_err(Problem::internal)?;
    let absolute = |path: std::path::PathBuf| std::path::absolute(path).map_err(Problem::internal);
    let limits = &app.config.limits;
    Ok(Task {
        job: job.id.clone(),
        service: std::process::id(),
        program: job.program.clone(),
        functions,
        plan: job.plan.clone(),
        backend: job.backend.clone(),
        dataset: job.dataset.clone(),
        version: job.version,
        key: dataset.key(&app.master)?,
        schema: version.schema,
        manifest: version.manifest,
        digest: version.digest,
        key_bytes: version.key_bytes,
        parameter_bytes: job.parameters,
        objects: app.objects.folder().map(|folder| absolute(folder.to_owned())).transpose()?,
        folder: absolute(folder)?,
        plugins: app.plugin_dirs(),
        registry: app.config.registry.clone().map(absolute).transpose()?,
        chunk_bytes: limits.chunk_bytes,
        threads: limits.worker_threads,
        memory_bytes: limits.worker_memory_bytes,
        cpu_s: limits.worker_cpu_s,
        checkpoint_s: limits.worker_checkpoint_s,
    })
}

/// Runs a worker to its end.
async fn work(app: &Shared, task: &Task, mut cancelled: oneshot::Receiver<()>) -> Result<End> {
    let (mut child, stream) = start(app, task).await?;
    let supplied = supplies(app, task, stream);
    let mut end = End::Crashed("it said nothing".to_owned());
    let Some(stdout) = child.stdout.take() else { return Ok(end) };
    let mut lines = BufReader::new(stdout).lines();
    let limit = tokio::time::sleep(Duration::from_secs(app.config.limits.worker_wall_s));
    tokio::pin!(limit);
    loop {
        tokio::select! {
            _ = &mut cancelled => { end = End::Cancelled; break }
            () = &mut limit => { end = End::TimedOut; break }
            line = lines.next_line() => match line.ok().flatten().map(|line| serde_json::from_str(&line)) {
                Some(Ok(Word::Done(done))) => {
                    let id = task.job.clone();
                    blocking(app, move |app| app.store.with(|tx| tx.progress(&id, done))).await?;
                    app.news.send_replace(());
                }
                Some(Ok(Word::Continued(done))) => tracing::info!(job = %task.job, done, "a job is continued"),
                Some(Ok(Word::Finished)) => end = End::Finished,
                Some(Ok(Word::Failed(reason))) => end = End::Failed(reason),
                Some(Err(_)) => {}
                None => break,
            }
        }
    }
    // After its last word, or because it must end.
    let _ = child.start_kill();
    supplied.abort();
    let status = child.wait().await.map_err(Problem::internal)?;
    if let End::Crashed(how) = &mut end {
        *how = format!("its worker ended without a word ({status})");
    }
    Ok(end)
}

/// Gives a worker the objects that it asks for, where they are in no folder that it reads.
fn supplies(app: &Shared, task: &Task, stream: Stream) -> JoinHandle<()> {
    let limits = &app.config.limits;
    let most_bytes = limits.chunk_bytes.max(task.parameter_bytes) + OVERHEAD_BYTES;
    let scope = Scope::of((&task.dataset, task.version), &task.job, most_bytes);
    let (objects, job) = (task.objects.is_none().then(|| app.objects.clone()), task.job.clone());
    actix_web::rt::spawn(async move {
        let Some(objects) = objects else { return };
        if let Err(error) = supply(stream, &objects, &scope).await {
            tracing::info!(%job, %error, "a worker takes no more objects");
        }
    })
}

/// The worker, and the way to it.
async fn start(app: &Shared, task: &Task) -> Result<(Child, Stream)> {
    let program = app.worker_program().map_err(Problem::internal)?;
    let (ours, theirs) = UnixStream::pair().map_err(Problem::internal)?;
    let child = Command::new(program)
        .arg("worker")
        .env_clear()
        .envs(std::env::var("HQ_TEST_PARAMETERS").map(|value| ("HQ_TEST_PARAMETERS", value)))
        .current_dir(&task.folder)
        .stdin(Stdio::from(OwnedFd::from(theirs)))
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .kill_on_drop(true)
        .spawn()
        .map_err(Problem::internal)?;
    let mut text = zeroize::Zeroizing::new(serde_json::to_vec(task)?);
    text.push(b'\n');
    ours.set_nonblocking(true).map_err(Problem::internal)?;
    let mut ours = Stream::from_std(ours).map_err(Problem::internal)?;
    // A worker that ended before it was told anything is a crash, found below.
    let _ = ours.write_all(&text).await;
    Ok((child, ours))
}

/// The result is stored before the job says that there is one.
async fn finish(app: &Shared, job: &Job, sealed: Vec<u8>) -> Result<()> {
    app.objects.put_sealed(&result_name(&job.dataset, &job.id), sealed).await?;
    let job = job.clone();
    blocking(app, move |app| {
        app.store.with(|tx| {
            // Cancelled meanwhile: the result stays unread, and goes with the dataset.
            if tx.move_job(&job.id, &["running"], "computed", None)? {
                tx.audit(of_job(&job, "job.computed", "done", None))?;
            }
            Ok(())
        })
    })
    .await
}

fn fail(app: &App, id: &str, code: &str, detail: &str) -> Result<()> {
    app.store.with(|tx| {
        let job = tx.job(id)?;
        if tx.move_job(id, &["running", "queued"], "failed", Some((code, detail)))? {
            tx.audit(of_job(&job, "job.computed", code, Some(detail)))?;
        }
        Ok(())
    })
}

fn again(app: &App, id: &str, how: &str, last: bool) -> Result<()> {
    if last {
        return fail(
            app,
            id,
            "crashed",
            &format!("It was tried {} times; {how}.", app.config.limits.attempts),
        );
    }
    app.store.with(|tx| {
        let job = tx.job(id)?;
        if tx.move_job(id, &["running"], "queued", None)? {
            tx.audit(of_job(&job, "job.retried", "done", Some(how)))?;
        }
        Ok(())
    })
}

/// An event of the service about a job.
pub(crate) fn of_job(job: &Job, action: &str, outcome: &str, detail: Option<&str>) -> Event {
    Event {
        action: action.to_owned(),
        outcome: outcome.to_owned(),
        dataset: Some(job.dataset.clone()),
        job: Some(job.id.clone()),
        plan: Some(job.plan.clone()),
        detail: detail.map(str::to_owned),
        ..Event::default()
    }
}
