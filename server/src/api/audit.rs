//! The audit log, to be read.

use actix_web::web;
use serde::Deserialize;

use super::bodies::AuditBody;
use super::page;
use crate::app::{Shared, blocking};
use crate::problem::Result;

/// Most entries of a page.
const MOST: u32 = 1000;

/// Which entries.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Range {
    after: Option<u64>,
    limit: Option<u32>,
}

pub(super) async fn all(app: Shared, range: web::Query<Range>) -> Result<web::Json<AuditBody>> {
    let (after, limit) = (range.after.unwrap_or(0), page(range.limit, MOST)?);
    let read = move |app: &crate::app::App| {
        app.store.with(|tx| {
            tx.head()?;
            Ok(AuditBody { lines: tx.audit_lines(after, limit, None)?, heads: tx.heads()? })
        })
    };
    blocking(&app, read).await.map(web::Json)
}

pub(super) async fn of_dataset(
    app: Shared,
    dataset: web::Path<String>,
    range: web::Query<Range>,
) -> Result<web::Json<AuditBody>> {
    let (after, limit) = (range.after.unwrap_or(0), page(range.limit, MOST)?);
    let lines =
        blocking(&app, move |app| app.store.with(|tx| tx.audit_lines(after, limit, Some(&dataset)))).await?;
    Ok(web::Json(AuditBody { lines, heads: Vec::new() }))
}
