//! Jobs: submitted, watched, cancelled.

use std::time::{Duration, Instant};

use actix_web::{HttpRequest, HttpResponse, web};
use bytes::Bytes;
use futures_util::stream;
use hq_engine::computation::plan_digest;
use hq_engine::dataset::hex_digest;
use hq_engine::signed::{from_hex, hex};
use hq_plugin_sdk::frame::KeyId;
use serde::Deserialize;

use super::bodies::{JobBody, JobsBody, SubmitBody};
use super::programs::numbers;
use super::versions::refuse_secret_key;
use super::{page, whole};
use crate::app::{App, Shared, blocking, compiling, event};
use crate::envelope::{EnvelopeKey, random};
use crate::guard::CallerData;
use crate::identity::Caller;
use crate::jobs::Job;
use crate::objects::parameters_name;
use crate::problem::{Code, Problem, Result};
use crate::programs::{Calls, Checked};
use crate::queue::forget_parameters;
use hq_engine::clock;

/// Most jobs of a page.
const MOST: u32 = 100;
/// Longest purpose, in bytes.
const MAX_PURPOSE_BYTES: usize = 1000;
/// How often a watched job is looked at without news of any.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// Least time between two looks.
const PAUSE: Duration = Duration::from_millis(10);
/// Time without news after which a line keeps the connection alive.
const QUIET: Duration = Duration::from_secs(15);

pub(super) async fn submit(
    app: Shared,
    caller: CallerData,
    name: web::Path<String>,
    request: HttpRequest,
    body: web::Json<SubmitBody>,
) -> Result<HttpResponse> {
    let body = body.into_inner();
    submitted(app, caller.into_inner(), name.into_inner(), &request, Submission { body, sealed: None }).await
}

/// The same with secret parameters behind the document, whose length comes first: four bytes, little-endian.
pub(super) async fn submit_sealed(
    app: Shared,
    caller: CallerData,
    name: web::Path<String>,
    request: HttpRequest,
    bytes: std::result::Result<web::Bytes, actix_web::Error>,
) -> Result<HttpResponse> {
    let bytes = whole(bytes)?;
    let (caller, name) = (caller.into_inner(), name.into_inner());
    let submission = Submission::read(&bytes)?;
    let (noted, of, sent) = (event(&caller, "job.submitted"), name.clone(), bytes.clone());
    blocking(&app, move |app| refuse_secret_key(app, noted, (&of, "parameters"), &sent)).await?;
    submitted(app, caller, name, &request, submission).await
}

/// What is submitted.
struct Submission {
    body: SubmitBody,
    /// Secret parameters, as `hq seal` makes them.
    sealed: Option<Vec<u8>>,
}

impl Submission {
    fn read(bytes: &[u8]) -> Result<Self> {
        let wrong = || Problem::invalid("There is no document of the length that the first four bytes say.");
        let (length, rest) = bytes.split_first_chunk().ok_or_else(wrong)?;
        let length = usize::try_from(u32::from_le_bytes(*length)).map_err(|_| wrong())?;
        let (document, sealed) = rest.split_at_checked(length).ok_or_else(wrong)?;
        let body = serde_json::from_slice(document)
            .map_err(|error| Problem::invalid(format!("The document: {error}.")))?;
        Ok(Self { body, sealed: Some(sealed.to_vec()) })
    }

    /// What equal requests have in common.
    fn digest(&self, name: &str) -> Result<String> {
        let document = serde_json::to_vec(&(name, &self.body))?;
        let sealed = self.sealed.as_deref().map(hex_digest).unwrap_or_default();
        Ok(hex_digest(&[document, sealed.into_bytes()].concat()))
    }
}

async fn submitted(
    app: Shared,
    caller: Caller,
    name: String,
    request: &HttpRequest,
    submission: Submission,
) -> Result<HttpResponse> {
    let key = request.headers().get("idempotency-key").and_then(|value| value.to_str().ok());
    let key = key.filter(|key| (8..=200).contains(&key.len())).map(str::to_owned);
    let key = key.ok_or_else(|| {
        Problem::invalid(
            "The header `idempotency-key` is needed: from 8 to 200 signs that you use for this job alone.",
        )
    })?;
    let SubmitBody { purpose, recipient, .. } = &submission.body;
    if purpose.trim().is_empty() || purpose.len() > MAX_PURPOSE_BYTES {
        return Err(Problem::invalid(format!("`purpose` has from 1 to {MAX_PURPOSE_BYTES} bytes.")));
    }
    if !recipient.starts_with("age1") || recipient.len() > 200 {
        return Err(Problem::invalid("`recipient` is a recipient of age: it begins with `age1`."));
    }
    let digest = submission.digest(&name)?;
    let (known, same) = (caller.clone(), key.clone());
    let earlier = blocking(&app, move |app| app.store.with(|tx| tx.job_under(&known, &same))).await?;
    if let Some(job) = earlier {
        return replayed(job, &digest);
    }
    let Submission { body, sealed } = submission;
    let (by, parameters) = (caller.clone(), sealed.clone());
    let planned =
        compiling(&app, move |app| plan(app, &by, &name, body, parameters.as_deref(), digest)).await?;
    let stored = (planned.job.clone(), planned.sealed_with.clone());
    if let Some(sealed) = sealed {
        let (job, key) = &stored;
        app.objects.put(key, &parameters_name(&job.dataset, &job.id), &sealed).await?;
    }
    let queued = blocking(&app, move |app| queue(app, &caller, planned, &key)).await;
    // Nothing was queued, or another one was before.
    if stored.0.parameters > 0 && queued.as_ref().map_or(true, |job| job.id != stored.0.id) {
        app.objects.remove(&parameters_name(&stored.0.dataset, &stored.0.id)).await?;
    }
    let job = queued?;
    app.queued.notify_one();
    Ok(HttpResponse::Created().json(JobBody::from(job)))
}

/// The same request again is the same job.
fn replayed(job: Job, digest: &str) -> Result<HttpResponse> {
    if job.request == digest {
        return Ok(HttpResponse::Ok().json(JobBody::from(job)));
    }
    let detail = format!("This idempotency key stands for job `{}`, which is another request.", job.id);
    Err(Problem::new(Code::IdempotencyReused, detail))
}

/// A job that may be queued.
struct Planned {
    job: Job,
    /// Digest of the manifest.
    manifest: String,
    /// The key of the dataset.
    sealed_with: EnvelopeKey,
    /// Queries of a researcher on a day.
    per_day: Option<u64>,
}

fn plan(
    app: &App,
    caller: &Caller,
    name: &str,
    body: SubmitBody,
    sealed: Option<&[u8]>,
    request: String,
) -> Result<Planned> {
    let (dataset, version) = app.store.with(|tx| Ok((tx.living(name)?, tx.published(name)?)))?;
    let manifest = version.manifest()?;
    let checked = Checked::of(&body.program, name, &version.schema, Calls::Plugins(&app.supply))?;
    let evaluator = app.planner(&manifest)?;
    let planned = checked.plan(&evaluator, &manifest)?;
    let key = from_hex(&manifest.key_id).map(KeyId);
    let key = key.ok_or_else(|| Problem::internal("a manifest whose key has no id"))?;
    checked.parameters(sealed, evaluator.capabilities(), key)?;
    let per_day = checked.queries().first().and_then(|query| query.dataset.release.per_day);
    let job = Job {
        id: hex(&random::<16>().map_err(Problem::internal)?),
        dataset: name.to_owned(),
        version: version.number,
        issuer: caller.issuer.clone(),
        subject: caller.subject.clone(),
        purpose: body.purpose,
        backend: evaluator.digest().to_owned(),
        numbers: numbers(&checked),
        program: checked.record,
        recipient: body.recipient,
        parameters: sealed.map_or(0, |sealed| sealed.len() as u64),
        plan: plan_digest(&planned.planned.plan),
        state: "queued".to_owned(),
        done: 0,
        blocks: manifest.all_blocks(),
        attempts: 0,
        code: None,
        detail: None,
        request,
        created: clock::now(),
        ended: None,
    };
    Ok(Planned { job, manifest: version.digest, sealed_with: dataset.key(&app.master)?, per_day })
}

fn queue(app: &App, caller: &Caller, planned: Planned, key: &str) -> Result<Job> {
    let Planned { job, manifest, per_day, .. } = planned;
    app.store.with(|tx| {
        tx.living(&job.dataset)?;
        // Two of the same at once: the second finds the first.
        if let Some(earlier) = tx.job_under(caller, key)? {
            return Ok(earlier);
        }
        tx.submit(&job, key, app.config.limits.jobs_per_researcher, per_day)?;
        let mut event = event(caller, "job.submitted");
        event.dataset = Some(job.dataset.clone());
        event.manifest = Some(manifest);
        event.job = Some(job.id.clone());
        event.purpose = Some(job.purpose.clone());
        event.program = Some(hex_digest(job.program.text.as_bytes()));
        event.plan = Some(job.plan.clone());
        event.numbers = Some(job.numbers);
        tx.audit(event)?;
        Ok(job)
    })
}

/// Which jobs.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Which {
    state: Option<String>,
    before: Option<String>,
    limit: Option<u32>,
}

pub(super) async fn list(
    app: Shared,
    caller: CallerData,
    which: web::Query<Which>,
) -> Result<web::Json<JobsBody>> {
    let (caller, Which { state, before, limit }) = (caller.into_inner(), which.into_inner());
    let limit = page(limit, MOST)?;
    let read =
        move |app: &App| app.store.with(|tx| tx.jobs_of(&caller, state.as_deref(), before.as_deref(), limit));
    let jobs = blocking(&app, read).await?;
    Ok(web::Json(JobsBody { jobs: jobs.into_iter().map(JobBody::from).collect() }))
}

async fn read(app: &Shared, id: String) -> Result<Job> {
    blocking(app, move |app| app.store.with(|tx| tx.job(&id))).await
}

pub(super) async fn show(app: Shared, id: web::Path<String>) -> Result<web::Json<JobBody>> {
    read(&app, id.into_inner()).await.map(|job| web::Json(job.into()))
}

pub(super) async fn cancel(
    app: Shared,
    caller: CallerData,
    id: web::Path<String>,
) -> Result<web::Json<JobBody>> {
    let (caller, id) = (caller.into_inner(), id.into_inner());
    let job = id.clone();
    let cancelled = blocking(&app, move |app| {
        app.store.with(|tx| {
            if !tx.move_job(&id, &["queued", "running", "computed"], "cancelled", None)? {
                let state = tx.job(&id)?.state;
                return Err(Problem::new(Code::Conflict, format!("The job is {state} already.")));
            }
            let job = tx.job(&id)?;
            let mut event = event(&caller, "job.cancelled");
            (event.dataset, event.job) = (Some(job.dataset.clone()), Some(job.id.clone()));
            tx.audit(event)?;
            Ok(job)
        })
    });
    let cancelled = cancelled.await?;
    app.news.send_replace(());
    app.end_worker(&job);
    forget_parameters(&app, &cancelled).await?;
    Ok(web::Json(cancelled.into()))
}

/// What a watcher has seen.
struct Watch {
    app: Shared,
    id: String,
    seen: Option<JobBody>,
    over: bool,
    news: tokio::sync::watch::Receiver<()>,
    told: Instant,
}

pub(super) async fn events(app: Shared, id: web::Path<String>) -> Result<HttpResponse> {
    let news = app.news.subscribe();
    let watch = Watch { app, id: id.into_inner(), seen: None, over: false, news, told: Instant::now() };
    let events = stream::unfold(watch, |mut watch| async move {
        loop {
            if watch.over {
                return None;
            }
            if watch.seen.is_some() {
                tokio::time::sleep(PAUSE).await;
                // The sender lives as long as the service.
                let _ = tokio::time::timeout(LOOK_EVERY, watch.news.changed()).await;
            }
            let job = match read(&watch.app, watch.id.clone()).await {
                Ok(job) => job,
                Err(problem) => {
                    watch.over = true;
                    return Some((Err(problem), watch));
                }
            };
            // Nothing goes on before a custodian comes.
            watch.over = job.is_over() || job.state == "computed";
            let body = JobBody::from(job);
            let text = if watch.seen.as_ref() != Some(&body) {
                let text = serde_json::to_string(&body).unwrap_or_default();
                watch.seen = Some(body);
                format!("event: job\ndata: {text}\n\n")
            } else if watch.told.elapsed() >= QUIET {
                ": still there\n\n".to_owned()
            } else {
                continue;
            };
            watch.told = Instant::now();
            return Some((Ok(Bytes::from(text)), watch));
        }
    });
    Ok(HttpResponse::Ok()
        .content_type("text/event-stream")
        .insert_header(("Cache-Control", "no-store"))
        .streaming(Box::pin(events)))
}
