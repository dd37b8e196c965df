//! The audit log, to be read: all of it, what is about a dataset, and what is about oneself.

use actix_web::web;
use serde::Deserialize;

use super::bodies::AuditBody;
use super::page;
use crate::app::{App, Shared, blocking};
use crate::guard::CallerData;
use crate::problem::{Problem, Result};
use crate::store::Entries;

/// Most entries of a page.
const MOST: u32 = 1000;
/// Longest time, as in `2026-11-28T03:10:00Z`.
const MAX_TIME_BYTES: usize = 20;

/// Which entries.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Range {
    after: Option<u64>,
    limit: Option<u32>,
    subject: Option<String>,
    from: Option<String>,
    until: Option<String>,
}

impl Range {
    fn entries(&mut self) -> Result<Entries> {
        for time in [&self.from, &self.until].into_iter().flatten() {
            let plain = |c: char| c.is_ascii_digit() || matches!(c, '-' | ':' | 'T' | 'Z');
            if time.len() > MAX_TIME_BYTES || !time.chars().all(plain) {
                let detail =
                    "`from` and `until` are times in UTC, such as `2026-11-28` or `2026-11-28T03:10:00Z`.";
                return Err(Problem::invalid(detail));
            }
        }
        let (subject, from, until) = (self.subject.take(), self.from.take(), self.until.take());
        Ok(Entries { subject, from, until, ..Entries::default() })
    }

    fn read(&self, app: &App, entries: &Entries) -> Result<AuditBody> {
        let limit = page(self.limit, MOST)?;
        app.store.with(|tx| {
            // Entries that were picked are no chain, and no head is of them.
            let heads = if *entries == Entries::default() {
                tx.head()?;
                tx.heads()?
            } else {
                Vec::new()
            };
            Ok(AuditBody { lines: tx.audit_lines(self.after.unwrap_or(0), limit, entries)?, heads })
        })
    }
}

pub(super) async fn all(app: Shared, range: web::Query<Range>) -> Result<web::Json<AuditBody>> {
    let mut range = range.into_inner();
    let entries = range.entries()?;
    blocking(&app, move |app| range.read(app, &entries)).await.map(web::Json)
}

pub(super) async fn of_dataset(
    app: Shared,
    dataset: web::Path<String>,
    range: web::Query<Range>,
) -> Result<web::Json<AuditBody>> {
    let mut range = range.into_inner();
    let entries = Entries { dataset: Some(dataset.into_inner()), ..range.entries()? };
    blocking(&app, move |app| range.read(app, &entries)).await.map(web::Json)
}

pub(super) async fn own(
    app: Shared,
    caller: CallerData,
    range: web::Query<Range>,
) -> Result<web::Json<AuditBody>> {
    let (caller, mut range) = (caller.into_inner(), range.into_inner());
    if range.subject.is_some() {
        return Err(Problem::invalid("These are your own entries: `subject` cannot be chosen."));
    }
    let (subject, issuer) = (Some(caller.subject), Some(caller.issuer));
    let entries = Entries { subject, issuer, ..range.entries()? };
    blocking(&app, move |app| range.read(app, &entries)).await.map(web::Json)
}
