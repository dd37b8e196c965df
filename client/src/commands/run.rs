//! `hq run`: keys, encryption, computation and opening in one process.

use std::path::Path;

use hq_dsl::Query;

use crate::backend::Backend;
use crate::choice;
use crate::cli::RunArgs;
use crate::error::{ClientError, Result};
use crate::execution::{Execution, aggregate_name, execute, threads};
use crate::plot;
use crate::program::Program;
use crate::report::{self, Report};

/// The backend that everything is compared with.
const CLEAR: &str = "clear";

/// Runs every query of a program, or the one that was named.
pub(crate) fn run(args: &RunArgs) -> Result<()> {
    let program = Program::of(&args.file, &args.program)?;
    check_tables(&program, args)?;
    plot::check(&program.queries, args.plot.as_deref())?;
    let name = choice::backend(&args.backend, &program, &args.forms, args.security)?;
    let backend = Backend::load(&name)?;
    let clear = if args.verify { Some(Backend::load(CLEAR)?) } else { None };
    let threads = threads(args.threads);
    let mut executions = Vec::with_capacity(program.queries.len());
    for query in &program.queries {
        let csv = Path::new(table_of(query, args)?);
        let execution =
            execute(&program, query, &backend, (&args.forms, args.security), csv, args.outside, threads)?;
        if let Some(clear) = &clear {
            let oracle =
                execute(&program, query, clear, (&args.forms, args.security), csv, args.outside, threads)?;
            compare(query, &backend, &execution, &oracle)?;
        }
        executions.push(execution);
    }
    let reports: Vec<Report<'_>> = program
        .queries
        .iter()
        .zip(&executions)
        .map(|(query, execution)| {
            let encrypted = backend.is_encrypted();
            Report::new(query, &backend.name, encrypted, execution, args.release, clear.is_some())
        })
        .collect();
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
fn check_tables(program: &Program, args: &RunArgs) -> Result<()> {
    for query in &program.queries {
        table_of(query, args)?;
    }
    for (name, _) in &args.table {
        if !program.queries.iter().any(|query| query.dataset.name == *name) {
            let mut known: Vec<String> =
                program.queries.iter().map(|query| format!("`{}`", query.dataset.name)).collect();
            known.sort_unstable();
            known.dedup();
            let known = format!("they read {}", known.join(", "));
            return Err(ClientError::UnusedTable { name: name.clone(), known });
        }
    }
    Ok(())
}

/// All numbers of two runs, exactly.
fn compare(query: &Query, backend: &Backend, encrypted: &Execution, clear: &Execution) -> Result<()> {
    let pairs = || encrypted.aggregates.iter().zip(&clear.aggregates).enumerate();
    let lengths = encrypted.aggregates.len().abs_diff(clear.aggregates.len());
    let differ = pairs().filter(|(_, (a, b))| a != b).count() + lengths;
    if differ == 0 {
        return Ok(());
    }
    let (index, (&encrypted_value, &clear_value)) =
        pairs().find(|(_, (a, b))| a != b).unwrap_or((0, (&0, &0)));
    Err(ClientError::NotEqual {
        backend: backend.name.clone(),
        differ,
        all: clear.aggregates.len(),
        name: aggregate_name(query, index),
        encrypted: encrypted_value,
        clear: clear_value,
    })
}
