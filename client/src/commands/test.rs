//! `hq test`: every example of programs and modules, on each backend, by the same road as a query.

use std::path::{Path, PathBuf};
use std::time::Instant;

use hq_dsl::{Example, Group, Mismatch, Value};
use hq_engine::forms::Forms;

use crate::backend::Backend;
use crate::blocks::columns_of;
use crate::cli::TestArgs;
use crate::error::{ClientError, Result};
use crate::execution::{execute_plan, threads};
use crate::forms;
use crate::joint::Joint;
use crate::loader::FileLoader;
use crate::modules::{self, Module};
use crate::output;
use crate::planned::PlannedJoint;
use crate::program::Program;
use crate::table::Table;

/// Runs the examples of everything that was named; the command fails if one of them does.
pub(crate) fn test(args: &TestArgs) -> Result<()> {
    let start = Instant::now();
    let mut targets: Vec<Module> = Vec::new();
    if args.stdlib {
        targets.extend(modules::standard());
    }
    for name in &args.targets {
        targets.push(modules::find(name)?);
    }
    let programs = targets.into_iter().map(|target| program(target, args)).collect::<Result<Vec<_>>>()?;
    let mut names: Vec<&String> = Vec::new();
    for name in &args.backend {
        if !names.contains(&name) {
            names.push(name);
        }
    }
    let backends = names.iter().map(|name| Backend::load(name)).collect::<Result<Vec<_>>>()?;
    let (mut failed, mut all) = (0, 0);
    for program in &programs {
        for example in &program.examples {
            all += 1;
            if !run(program, example, &backends, args.security) {
                failed += 1;
            }
        }
    }
    let names: Vec<&str> = backends.iter().map(|backend| backend.name.as_str()).collect();
    let names = names.join(" and ");
    if failed > 0 {
        return Err(ClientError::Examples { failed, all });
    }
    let s = if all == 1 { "" } else { "s" };
    output::out(&format!(
        "{all} example{s} as expected on {names}, {:.1} s\n",
        start.elapsed().as_secs_f64()
    ));
    Ok(())
}

fn program(target: Module, args: &TestArgs) -> Result<Program> {
    let Module { path, text, .. } = target;
    let loader = FileLoader::beside(&path, &args.schema);
    let program = Program::compile(&path, text, &args.param, loader)?;
    if program.examples.is_empty() { Err(ClientError::NoExample { path }) } else { Ok(program) }
}

/// Runs one example and writes what became of it; whether all was as expected.
fn run(program: &Program, example: &Example, backends: &[Backend], security_bits: u32) -> bool {
    let line = program.sources.line(example.span);
    let purpose = if example.purpose.is_empty() { String::new() } else { format!(": {}", example.purpose) };
    let head = format!("{}:{line}  {}{purpose}", program.file.display(), example.name);
    // Backends that give the same are told of once.
    let mut wrong: Vec<(String, String)> = Vec::new();
    for backend in backends {
        let text = match mismatches(program, example, backend, security_bits) {
            Ok(found) => found.iter().map(|mismatch| explain(program, example, mismatch)).collect(),
            Err(error) => format!("        {error}\n"),
        };
        match wrong.iter_mut().find(|(_, other)| *other == text) {
            _ if text.is_empty() => {}
            Some((names, _)) => *names += &format!(" and {}", backend.name),
            None => wrong.push((backend.name.clone(), text)),
        }
    }
    let word = if wrong.is_empty() { "ok  " } else { "FAIL" };
    let lines: String = wrong.iter().map(|(names, text)| format!("      on {names}\n{text}")).collect();
    output::out(&format!("{word}  {head}\n{lines}"));
    wrong.is_empty()
}

/// What an example gives on a backend, where it is not what it expects.
fn mismatches(
    program: &Program,
    example: &Example,
    backend: &Backend,
    security_bits: u32,
) -> Result<Vec<Mismatch>> {
    let query = &example.query;
    let aggregates = if query.aggregates.is_empty() {
        // Nothing is asked of the rows.
        Vec::new()
    } else {
        let forms = Forms::for_backend(&query.dataset, backend.evaluator.capabilities());
        let joint = Joint::single(program, query);
        let compiled = forms::plan(&joint, &backend.evaluator, &forms, security_bits)?;
        let name = PathBuf::from(format!("the table of `{}`", example.name));
        let wanted = columns_of(compiled.planned.plan.table_inputs());
        let table = Table::of_text(&name, csv(&name, example)?, &query.dataset, &wanted)?;
        execute_plan(&PlannedJoint { joint, forms, compiled }, backend, &table, threads(None))?.aggregates
    };
    let group = Group { by: Vec::new(), aggregates };
    Ok(example.mismatches(&hq_dsl::finish(query, &[group])))
}

/// The rows of an example as the text of a table.
fn csv(name: &Path, example: &Example) -> Result<Vec<u8>> {
    let columns = &example.query.dataset.columns;
    let mut writer = csv::Writer::from_writer(Vec::new());
    let failed = |reason: String| crate::error::damaged(name, reason);
    let header = columns.iter().map(|column| column.name.as_str());
    writer.write_record(header).map_err(|error| failed(error.to_string()))?;
    for row in &example.rows {
        let cells = columns
            .iter()
            .zip(row)
            .map(|(column, code)| code.map_or_else(String::new, |code| column.domain.label(code)));
        writer.write_record(cells).map_err(|error| failed(error.to_string()))?;
    }
    writer.into_inner().map_err(|error| failed(error.to_string()))
}

fn explain(program: &Program, example: &Example, mismatch: &Mismatch) -> String {
    let Mismatch { expectation, part, expected, found } = mismatch;
    let Some(expectation) = example.expectations.get(*expectation) else { return String::new() };
    let line = program.sources.line(expectation.span);
    let part = if part.is_empty() { String::new() } else { format!(", at {part}") };
    format!(
        "        line {line}: {}{part}\n          expected {}\n          found    {}\n",
        expectation.text,
        shown(expected),
        shown(found)
    )
}

/// A value with all its digits.
fn shown(value: &Value) -> String {
    match value {
        Value::Integer(whole) => whole.to_string(),
        Value::Number(real) => real.to_string(),
        Value::Bool(value) => value.to_string(),
        Value::Text(text) => format!("\"{text}\""),
        Value::List(items) => format!("[{}]", items.iter().map(shown).collect::<Vec<_>>().join(", ")),
        Value::Record(fields) => {
            let fields = fields.iter().map(|(name, value)| format!("{name}: {}", shown(value)));
            format!("{{ {} }}", fields.collect::<Vec<_>>().join(", "))
        }
        Value::Hidden => "hidden".to_owned(),
        Value::Undefined => "undefined".to_owned(),
    }
}
