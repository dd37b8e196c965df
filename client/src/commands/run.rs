//! `hq run`: keys, encryption, computation and opening in one process.

use std::path::Path;

use hq_dsl::Query;

use crate::backend::{Backend, datasets_of};
use crate::choice::{self, Choice};
use crate::cli::RunArgs;
use crate::error::{ClientError, Result};
use crate::execution::{Execution, execute, threads};
use crate::forms;
use crate::loader::FileLoader;
use crate::planned::PlannedJoint;
use crate::plot;
use crate::program::read_all;
use crate::report::{self, Run};

/// The backend that everything is compared with.
const CLEAR: &str = "clear";

/// Runs every query of programs, or the one that was named; those over one dataset together.
pub(crate) fn run(args: &RunArgs) -> Result<()> {
    let loader = |file: &Path| FileLoader::beside(file, &args.program.schema);
    let programs = read_all(&args.files, &args.program, loader)?;
    let queries: Vec<&Query> = programs.iter().flat_map(|program| &program.queries).collect();
    check_tables(&queries, args)?;
    plot::check(&queries, args.plot.as_deref())?;
    let Choice { name, plans, .. } = choice::choose(&args.backend, &programs, &args.forms, args.security)?;
    let backend = Backend::load_for(&name, datasets_of(&programs))?;
    let clear = if args.verify { Some(Backend::load(CLEAR)?) } else { None };
    let threads = threads(args.threads);
    let mut reports = Vec::with_capacity(queries.len());
    for planned in &plans {
        let csv = Path::new(table_of(planned.joint.first(), args)?);
        let execution = execute(planned, &backend, csv, args.outside, threads)?;
        if let Some(clear) = &clear {
            let (joint, forms) = (planned.joint.clone(), planned.forms.clone());
            let compiled = forms::plan(&joint, &clear.evaluator, &forms, args.security)?;
            let oracle =
                execute(&PlannedJoint { joint, forms, compiled }, clear, csv, args.outside, threads)?;
            compare(planned, &backend, &execution, &oracle)?;
        }
        let run = Run {
            backend: &backend.name,
            encrypted: backend.is_encrypted(),
            planned: &planned.compiled.planned,
            execution,
            verified: clear.is_some(),
        };
        reports.extend(report::of(&planned.joint, &run, args.release));
    }
    let reports = report::in_order(reports);
    plot::write(&reports, args.plot.as_deref())?;
    report::print(&reports, args.format)
}

fn table_of<'a>(query: &Query, args: &'a RunArgs) -> Result<&'a str> {
    let table = args.table.iter().find(|(name, _)| *name == query.dataset.name);
    table.map(|(_, path)| path.as_str()).ok_or_else(|| ClientError::NoTable {
        query: query.name.clone(),
        dataset: query.dataset.name.clone(),
    })
}

/// Tables that no query reads are most likely misspelt.
fn check_tables(queries: &[&Query], args: &RunArgs) -> Result<()> {
    for query in queries {
        table_of(query, args)?;
    }
    for (name, _) in &args.table {
        if !queries.iter().any(|query| query.dataset.name == *name) {
            let mut known: Vec<String> =
                queries.iter().map(|query| format!("`{}`", query.dataset.name)).collect();
            known.sort_unstable();
            known.dedup();
            let known = format!("they read {}", known.join(", "));
            return Err(ClientError::UnusedTable { name: name.clone(), known });
        }
    }
    Ok(())
}

/// All numbers of two runs, exactly; where small counts stay encrypted, also which are closed.
fn compare(
    planned: &PlannedJoint<'_>,
    backend: &Backend,
    encrypted: &Execution,
    clear: &Execution,
) -> Result<()> {
    let clear: Vec<i128> = clear.aggregates.iter().copied().flatten().collect();
    let clear = hq_engine::open::behind_gates(&planned.compiled.planned.plan, &clear);
    let pairs = || encrypted.aggregates.iter().zip(&clear).enumerate();
    let lengths = encrypted.aggregates.len().abs_diff(clear.len());
    let differ = pairs().filter(|(_, (a, b))| a != b).count() + lengths;
    if differ == 0 {
        return Ok(());
    }
    let (index, (encrypted, wanted)) = pairs().find(|(_, (a, b))| a != b).unwrap_or((0, (&None, &None)));
    let shown = |value: &Option<i128>| value.map_or_else(|| "closed".to_owned(), |value| value.to_string());
    Err(ClientError::NotEqual {
        backend: backend.name.clone(),
        differ,
        all: clear.len(),
        name: planned.joint.aggregate_name(index),
        encrypted: shown(encrypted),
        clear: shown(wanted),
    })
}
