//! The planner applied to checked queries over one dataset: the one entry that `check`, `explain`, `run`, `compute` and
//! `open` share. Operational details become a researcher's diagnostics here.

use std::collections::BTreeMap;

use hq_dsl::{Aggregate, Code, Diagnostic, Query, Severity, Span};
use hq_plugin_sdk::capabilities::{Capabilities, OpKind};
use hq_plugin_sdk::plan::{self, Plan};

use crate::cells;
use crate::forms::parameter_form;
use crate::joint::shares;
use crate::lower::{Scores, lower_all};
use crate::passes::Encodings;
use crate::planner::{self, PlanError, Planned, Resolve, Target};
use crate::sizes::aggregates_per_group;

/// Queries with their common circuit and plan.
#[derive(Clone, Debug)]
pub struct CompiledQueries {
    /// The circuit before any pass; the same for every backend of a kind.
    pub circuit: Plan,
    /// The plan.
    pub planned: Planned,
    /// Notes, such as sums carried in limbs, each with the position of its query.
    pub notes: Vec<(usize, Diagnostic)>,
}

/// Why there is no plan, for the author of the query at this position.
#[derive(Clone, Debug)]
pub struct Refusal {
    /// Position of the query.
    pub query: usize,
    /// What is wrong with it.
    pub diagnostic: Diagnostic,
}

/// Plans a query for a backend.
///
/// # Errors
/// What is wrong with the query on this backend, for its author.
pub fn compile_query(
    query: &Query,
    encodings: &Encodings,
    capabilities: &Capabilities,
    resolve: &Resolve<'_>,
    target: &Target,
) -> Result<CompiledQueries, Box<Diagnostic>> {
    let refused = |refusal: Box<Refusal>| Box::new(refusal.diagnostic);
    compile_queries(&[query], encodings, capabilities, resolve, target).map_err(refused)
}

/// Plans queries that may be together ([`crate::joint::may_join`]) for a backend, as one.
///
/// # Errors
/// What is wrong with one of the queries on this backend, for its author.
pub fn compile_queries(
    queries: &[&Query],
    encodings: &Encodings,
    capabilities: &Capabilities,
    resolve: &Resolve<'_>,
    target: &Target,
) -> Result<CompiledQueries, Box<Refusal>> {
    let shares = shares(queries);
    let explain = |error| {
        // Of an error that no number stands for, the first query is told.
        let aggregate = if let PlanError::TooDeep { aggregate, .. } = error { aggregate } else { 0 };
        let query = shares.iter().position(|share| share.contains(&aggregate)).unwrap_or(0);
        let within = aggregate.saturating_sub(shares.get(query).map_or(0, |share| share.start));
        let diagnostic = diagnose(queries.get(query).copied(), within, capabilities, error);
        Box::new(Refusal { query, diagnostic })
    };
    let scores = if capabilities.ops.contains(&OpKind::Lookup) { Scores::AsNumbers } else { Scores::AsMasks };
    let mut circuit =
        lower_all(queries, scores).map_err(|source| explain(PlanError::Pass { pass: "lower", source }))?;
    if capabilities.encrypted {
        circuit.gates = cells::gates(&circuit, queries);
    }
    if let (true, None, Some(query)) = (circuit.gates.is_some(), &capabilities.gates, queries.first()) {
        return Err(Box::new(Refusal { query: 0, diagnostic: no_gates(query, capabilities) }));
    }
    let mut encodings = encodings.clone();
    let secrets = queries.iter().flat_map(|query| &query.secrets);
    encodings.extend(secrets.map(|secret| (secret.name.clone(), parameter_form(secret, capabilities))));
    let planned = planner::plan(&circuit, &encodings, capabilities, resolve, target).map_err(explain)?;
    let notes = (0..)
        .zip(queries.iter().zip(&shares))
        .flat_map(|(index, (query, share))| {
            let aggregates = planned.plan.aggregates.get(share.clone()).unwrap_or_default();
            limb_notes(query, aggregates).into_iter().map(move |note| (index, note))
        })
        .collect();
    Ok(CompiledQueries { circuit, planned, notes })
}

/// The span that an aggregate of the plan was written at. Aggregates come group by group; a size was not
/// written.
fn aggregate_span(query: &Query, aggregate: usize) -> Span {
    let within = aggregate.checked_rem(aggregates_per_group(query)).unwrap_or(0);
    query.aggregates.get(within).map_or(query.dataset.span, |aggregate| aggregate.span)
}

/// For the author of a query; `within` is the position among its aggregates of the one that is too deep.
fn diagnose(
    query: Option<&Query>,
    within: usize,
    capabilities: &Capabilities,
    error: PlanError,
) -> Diagnostic {
    match error {
        PlanError::TooDeep { depth, allowed, .. } => Diagnostic::new(
            Code::TooDeep,
            Severity::Error,
            query.map_or_else(Span::default, |query| aggregate_span(query, within)),
            format!(
                "This number needs {depth} multiplications in sequence; the keys of `{}` allow {allowed}.",
                query.map_or("", |query| query.dataset.name.as_str())
            ),
            "Use fewer conditions on wide columns, ask the owner for a prepared flag, or make keys for this \
             query with `hq keygen --query`.",
        ),
        other @ (PlanError::Pass { .. }
        | PlanError::Uncertified(_)
        | PlanError::Unsure { .. }
        | PlanError::Shown { .. }
        | PlanError::Claims(_)
        | PlanError::Backend(_)) => Diagnostic::new(
            Code::Unsupported,
            Severity::Error,
            query.map_or_else(Span::default, |query| query.dataset.span),
            format!("Backend `{}` has no certified plan for this query: {other}.", capabilities.name),
            "Simplify the query, lower `rows <=` if it is larger than the table, or use another backend.",
        ),
    }
}

/// The dataset's small counts are to stay encrypted, which the backend cannot do.
fn no_gates(query: &Query, capabilities: &Capabilities) -> Diagnostic {
    let (fact, remedy) = match capabilities.leveled {
        Some(_) => (
            "it decides on counts together with backend `tfhe`, which is not here",
            "Put the plugin of backend `tfhe` beside that of this one.",
        ),
        None => (
            "its counts are opened before they are hidden",
            "Use backend `bgv`, which decides on them first.",
        ),
    };
    Diagnostic::new(
        Code::Unsupported,
        Severity::Error,
        query.dataset.span,
        format!(
            "`{}` lets no small count be decrypted (`min_cell {} encrypted`); backend `{}` cannot see to that: {fact}.",
            query.dataset.name, query.dataset.release.min_cell, capabilities.name
        ),
        remedy,
    )
}

/// HQ051: sums that one plaintext does not hold; one note for all that a place of the program gives.
fn limb_notes(query: &Query, aggregates: &[plan::Aggregate]) -> Vec<Diagnostic> {
    let per_group = aggregates_per_group(query);
    let mut wide: BTreeMap<usize, usize> = BTreeMap::new();
    for (index, aggregate) in aggregates.iter().enumerate() {
        let limbs = wide.entry(index.checked_rem(per_group).unwrap_or(0)).or_default();
        *limbs = aggregate.terms.len().max(*limbs);
    }
    let mut places: Vec<(&Aggregate, usize, usize)> = Vec::new();
    for (within, limbs) in wide.into_iter().filter(|&(_, limbs)| limbs > 1) {
        let Some(aggregate) = query.aggregates.get(within) else { continue };
        match places.iter_mut().find(|(first, _, _)| first.span == aggregate.span) {
            Some((_, most_limbs, more)) => (*most_limbs, *more) = (limbs.max(*most_limbs), *more + 1),
            None => places.push((aggregate, limbs, 0)),
        }
    }
    places.into_iter().map(|(aggregate, limbs, more)| limb_note(query, aggregate, limbs, more)).collect()
}

fn limb_note(query: &Query, aggregate: &Aggregate, limbs: usize, more: usize) -> Diagnostic {
    let (lo, hi) = query.rows.get(aggregate.value).range;
    let most = lo.unsigned_abs().max(hi.unsigned_abs());
    let most = hq_dsl::with_commas(u128::from(most) * u128::from(query.dataset.rows));
    let also = match more {
        0 => String::new(),
        _ => format!(" So can {more} more that are written here."),
    };
    Diagnostic::new(
        Code::WideSum,
        Severity::Note,
        aggregate.span,
        format!("`{}` can reach {most}, more than one plaintext holds.{also}", aggregate.name),
        format!("It is carried in {limbs} limbs and put together exactly after opening."),
    )
}
