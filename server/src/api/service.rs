//! The service itself: health, where to log in, metrics.

use actix_web::{HttpResponse, web};

use super::bodies::{MeBody, ServiceBody};
use super::document;
use crate::app::{Shared, blocking};
use crate::guard::CallerData;
use crate::jobs::STATES;
use crate::problem::{Code, Problem, Result};
use crate::store::Entries;

pub(super) async fn live() -> &'static str {
    "live\n"
}

/// The database answers. The issuer may be away: tokens whose keys are known go on.
pub(super) async fn ready(app: Shared) -> Result<&'static str> {
    let answers =
        blocking(&app, |app| app.store.with(|tx| tx.audit_lines(0, 1, &Entries::default()).map(drop))).await;
    answers.map_err(|_| Problem::new(Code::Unavailable, "The database does not answer."))?;
    Ok("ready\n")
}

pub(super) async fn openapi() -> Result<HttpResponse> {
    Ok(HttpResponse::Ok().content_type("application/json").body(document()?))
}

pub(super) async fn service(app: Shared) -> web::Json<ServiceBody> {
    let identity = app.verifier.config();
    web::Json(ServiceBody {
        version: env!("CARGO_PKG_VERSION").to_owned(),
        issuer: identity.issuer.clone(),
        client_id: identity.client_id.clone(),
        audience: identity.audience.clone(),
        chunk_bytes: app.config.limits.chunk_bytes,
    })
}

pub(super) async fn me(caller: CallerData) -> web::Json<MeBody> {
    let caller = caller.into_inner();
    web::Json(MeBody {
        issuer: caller.issuer,
        subject: caller.subject,
        owner: caller.owner,
        operator: caller.operator,
        auditor: caller.auditor,
        administrator: caller.administrator,
    })
}

/// How many workers there may be, and jobs by state; nothing of any dataset. A state without a job is a 0: what a series was before its first
/// sample, no alert knows.
pub(super) async fn metrics(app: Shared) -> Result<HttpResponse> {
    let counts = blocking(&app, |app| {
        app.store.with(|tx| {
            let mut count = tx.sql.prepare("SELECT count(*) FROM jobs WHERE state = ?1")?;
            let mut jobs = Vec::new();
            for state in STATES {
                jobs.push((state, count.query_row([state], |row| row.get::<_, u64>(0))?));
            }
            let entries = tx.sql.query_row("SELECT count(*) FROM audit", [], |row| row.get::<_, u64>(0))?;
            Ok((jobs, entries))
        })
    });
    let (jobs, entries) = counts.await?;
    let mut text = format!("# TYPE hq_workers gauge\nhq_workers {}\n", app.config.limits.workers);
    text += "# TYPE hq_jobs gauge\n";
    for (state, count) in jobs {
        text += &format!("hq_jobs{{state=\"{state}\"}} {count}\n");
    }
    text += &format!("# TYPE hq_audit_entries counter\nhq_audit_entries {entries}\n");
    Ok(HttpResponse::Ok().content_type("text/plain; version=0.0.4").body(text))
}
