//! `hq check`: diagnostics of programs and schemas, and those of the plan where the backend is at hand.

use std::path::Path;

use hq_dsl::Query;
use hq_engine::sizes::sizes;
use hq_plugin_sdk::host::EvaluatorPlugin;

use crate::backend::{datasets_of, load_evaluator_for};
use crate::cli::CheckArgs;
use crate::error::{ClientError, Result};
use crate::forms;
use crate::joint::Joint;
use crate::loader::FileLoader;
use crate::output;
use crate::program::{Program, draw};

/// Checks every file, also after an error in one.
pub(crate) fn check(args: &CheckArgs) -> Result<()> {
    let mut backend = Planning::Untried;
    let mut first_error: Option<ClientError> = None;
    for file in &args.files {
        match check_file(file, args, &mut backend) {
            Ok(summary) => output::out(&format!("{}: {summary}\n", file.display())),
            Err(error) => {
                if let Some(earlier) = first_error.take() {
                    output::error(&earlier);
                }
                first_error = Some(error);
            }
        }
    }
    first_error.map_or(Ok(()), Err)
}

/// The backend that is planned for, loaded for the first query.
enum Planning {
    Untried,
    Ready(EvaluatorPlugin),
    /// The plugin is not there: told once.
    Without,
}

impl Planning {
    fn evaluator(&mut self, name: &str, program: &Program) -> Option<&EvaluatorPlugin> {
        // A program may be the first whose small counts stay encrypted.
        let program = std::slice::from_ref(program);
        let encrypted = datasets_of(program).any(|dataset| dataset.release.min_cell_encrypted);
        let load = match self {
            Self::Untried => true,
            Self::Ready(evaluator) => encrypted && evaluator.gates().is_none(),
            Self::Without => false,
        };
        if load {
            *self = match load_evaluator_for(name, datasets_of(program)) {
                Ok(evaluator) => Self::Ready(evaluator),
                Err(error) => {
                    output::note(&format!("queries are checked, but not planned: {error}"));
                    Self::Without
                }
            };
        }
        match self {
            Self::Ready(evaluator) => Some(evaluator),
            Self::Untried | Self::Without => None,
        }
    }
}

fn check_file(file: &Path, args: &CheckArgs, backend: &mut Planning) -> Result<String> {
    let program = Program::read(file, &args.param, FileLoader::beside(file, &args.schema))?;
    if program.queries.is_empty() {
        // A file with a schema alone; one that is neither has been refused.
        if let (Some(dataset), _, sources) = hq_dsl::dataset(&file.display().to_string(), &program.text) {
            draw(file, &hq_dsl::privacy(&dataset), &sources)?;
        }
        return Ok(format!("no errors, no query{}", examples(&program)));
    }
    if let Some(evaluator) = backend.evaluator(&args.backend, &program) {
        plan(&program, evaluator, args)?;
    }
    let counts: Vec<String> = program.queries.iter().map(decrypted).collect();
    Ok(format!("no errors: {}{}", counts.join(", "), examples(&program)))
}

/// How many examples were checked.
fn examples(program: &Program) -> String {
    match program.examples.len() {
        0 => String::new(),
        1 => ", 1 example".to_owned(),
        count => format!(", {count} examples"),
    }
}

/// Plans every query, also after one without a plan.
fn plan(program: &Program, evaluator: &EvaluatorPlugin, args: &CheckArgs) -> Result<()> {
    let mut errors = 0;
    for query in &program.queries {
        let forms = args.forms.of(&query.dataset, evaluator.capabilities())?;
        let joint = Joint::single(program, query);
        match forms::plan(&joint, evaluator, &forms, args.security) {
            Ok(compiled) => joint.draw_notes(&compiled),
            Err(ClientError::Program { errors: more, .. }) => errors += more,
            Err(error) => return Err(error),
        }
    }
    if errors == 0 { Ok(()) } else { Err(ClientError::Program { file: program.file.clone(), errors }) }
}

fn decrypted(query: &Query) -> String {
    let numbers = |per_group: usize| query.group_count().saturating_mul(per_group as u64);
    let shown = numbers(query.aggregates.len());
    let s = if shown == 1 { "" } else { "s" };
    let sizes = match numbers(sizes(query).len()) {
        0 => String::new(),
        sizes => format!(", and {} for the small-cell rule", hq_dsl::with_commas(sizes.into())),
    };
    format!("{} ({} number{s} decrypted{sizes})", query.name, hq_dsl::with_commas(shown.into()))
}
