//! Programs: checked, and explained, over the published version of a dataset.

use actix_web::web;
use hq_engine::computation::plan_digest;
use hq_engine::explain::price::Prices;
use hq_engine::explain::{Asked, Detail, Request, explain as describe};
use hq_engine::sizes::sizes;

use super::bodies::{CheckedBody, ExplainedBody};
use crate::app::{Shared, compiling};
use crate::diagnostics::DiagnosticBody;
use crate::problem::Result;
use crate::programs::{Calls, Checked, ProgramBody};

/// Numbers that are opened for a program, those for the small-cell rule among them.
pub(super) fn numbers(checked: &Checked) -> u64 {
    let of = |query: &&hq_dsl::Query| {
        query.group_count().saturating_mul((query.aggregates.len() + sizes(query).len()) as u64)
    };
    checked.queries().iter().map(of).fold(0, u64::saturating_add)
}

pub(super) async fn check(
    app: Shared,
    name: web::Path<String>,
    program: web::Json<ProgramBody>,
) -> Result<web::Json<CheckedBody>> {
    let checked = compiling(&app, move |app| {
        let version = app.store.with(|tx| tx.published(&name))?;
        let manifest = version.manifest()?;
        let mut checked = Checked::of(&program, &name, &version.schema, Calls::Plugins(&app.supply))?;
        let planned = checked.plan(&app.planner(&manifest)?, &manifest)?;
        let sources = &checked.compiled.sources;
        let notes = planned.notes.iter().map(|(_, note)| DiagnosticBody::of(note, sources));
        checked.diagnostics.extend(notes.collect::<Vec<_>>());
        let numbers = numbers(&checked);
        Ok(CheckedBody { queries: checked.record.queries, numbers, diagnostics: checked.diagnostics })
    });
    checked.await.map(web::Json)
}

pub(super) async fn explain(
    app: Shared,
    name: web::Path<String>,
    program: web::Json<ProgramBody>,
) -> Result<web::Json<ExplainedBody>> {
    let explained = compiling(&app, move |app| {
        let version = app.store.with(|tx| tx.published(&name))?;
        let manifest = version.manifest()?;
        let checked = Checked::of(&program, &name, &version.schema, Calls::Plugins(&app.supply))?;
        let evaluator = app.planner(&manifest)?;
        let compiled = checked.plan(&evaluator, &manifest)?;
        let backend = evaluator.capabilities();
        let prices = Prices {
            costs: backend.leveled.as_ref().map_or_else(Vec::new, |leveled| leveled.costs.clone()),
            source: format!("of backend `{}`, not measured here", backend.name),
        };
        let sources = &checked.compiled.sources;
        let asked: Vec<Asked<'_>> =
            checked.compiled.queries.iter().map(|query| Asked { query, sources }).collect();
        let text = describe(&Request {
            asked: &asked,
            compiled: &compiled,
            backend,
            prices: &prices,
            measured: None,
            detail: Detail::Plan,
        });
        Ok(ExplainedBody { text, plan: plan_digest(&compiled.planned.plan) })
    });
    explained.await.map(web::Json)
}
