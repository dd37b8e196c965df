//! Results: encrypted sums for the custodian, released tables for the researcher.

use actix_web::{HttpResponse, web};

use super::bodies::{JobBody, ReasonBody};
use super::whole;
use crate::app::{App, Shared, blocking, event};
use crate::envelope::EnvelopeKey;
use crate::guard::CallerData;
use crate::jobs::Job;
use crate::objects::{release_name, result_name};
use crate::problem::{Code, Problem, Result};

/// Longest reason of a refusal, in bytes.
const MAX_REASON_BYTES: usize = 1000;
/// How an encrypted table begins.
const AGE_MAGIC: &[u8] = b"age-encryption.org/";

async fn job_in(app: &Shared, id: String, states: &'static [&'static str]) -> Result<(Job, EnvelopeKey)> {
    blocking(app, move |app| {
        let (job, dataset) = app.store.with(|tx| {
            let job = tx.job(&id)?;
            let dataset = tx.living(&job.dataset)?;
            Ok((job, dataset))
        })?;
        if !states.contains(&job.state.as_str()) {
            let detail = format!("The job is {}, not {}.", job.state, states.join(" or "));
            return Err(Problem::new(Code::Conflict, detail));
        }
        Ok((job, dataset.key(&app.master)?))
    })
    .await
}

fn bytes(bytes: Vec<u8>) -> HttpResponse {
    HttpResponse::Ok()
        .content_type("application/octet-stream")
        .insert_header(("Cache-Control", "no-store"))
        .body(bytes)
}

pub(super) async fn result(app: Shared, caller: CallerData, id: web::Path<String>) -> Result<HttpResponse> {
    let caller = caller.into_inner();
    let (job, key) = job_in(&app, id.into_inner(), &["computed", "released", "refused"]).await?;
    let result = app.objects.get(&key, &result_name(&job.dataset, &job.id)).await?;
    blocking(&app, move |app| {
        let mut event = event(&caller, "result.fetched");
        (event.dataset, event.job) = (Some(job.dataset), Some(job.id));
        (event.plan, event.numbers) = (Some(job.plan), Some(job.numbers));
        app.store.audit(event)
    })
    .await?;
    Ok(bytes(result))
}

pub(super) async fn release(
    app: Shared,
    caller: CallerData,
    id: web::Path<String>,
    table: std::result::Result<web::Bytes, actix_web::Error>,
) -> Result<web::Json<JobBody>> {
    let table = whole(table)?;
    if !table.starts_with(AGE_MAGIC) {
        let detail = "The table is not encrypted with age. The service does not take what it could read.";
        return Err(Problem::invalid(detail));
    }
    let (job, key) = job_in(&app, id.into_inner(), &["computed"]).await?;
    app.objects.put(&key, &release_name(&job.dataset, &job.id), &table).await?;
    end(app, caller, job, "released", None).await
}

pub(super) async fn refuse(
    app: Shared,
    caller: CallerData,
    id: web::Path<String>,
    reason: web::Json<ReasonBody>,
) -> Result<web::Json<JobBody>> {
    let reason = reason.into_inner().reason;
    if reason.trim().is_empty() || reason.len() > MAX_REASON_BYTES {
        return Err(Problem::invalid(format!("`reason` has from 1 to {MAX_REASON_BYTES} bytes.")));
    }
    let (job, _) = job_in(&app, id.into_inner(), &["computed"]).await?;
    end(app, caller, job, "refused", Some(reason)).await
}

async fn end(
    app: Shared,
    caller: CallerData,
    job: Job,
    state: &'static str,
    reason: Option<String>,
) -> Result<web::Json<JobBody>> {
    let caller = caller.into_inner();
    let ended = blocking(&app, move |app: &App| {
        app.store.with(|tx| {
            let why = reason.as_deref().map(|reason| ("refused", reason));
            if !tx.move_job(&job.id, &["computed"], state, why)? {
                return Err(Problem::new(Code::Conflict, "The job was ended meanwhile."));
            }
            let mut event = event(&caller, &format!("job.{state}"));
            (event.dataset, event.job) = (Some(job.dataset.clone()), Some(job.id.clone()));
            (event.plan, event.numbers) = (Some(job.plan.clone()), Some(job.numbers));
            event.purpose = Some(job.purpose.clone());
            tx.audit(event)?;
            tx.job(&job.id)
        })
    });
    ended.await.map(|job| web::Json(job.into()))
}

pub(super) async fn released(app: Shared, id: web::Path<String>) -> Result<HttpResponse> {
    let (job, key) = job_in(&app, id.into_inner(), &["released"]).await?;
    let table = app.objects.get(&key, &release_name(&job.dataset, &job.id)).await?;
    Ok(bytes(table))
}
