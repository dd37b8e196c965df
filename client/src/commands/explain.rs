//! `hq explain`: how a query runs on a backend, in words and as pictures.

use std::path::{Path, PathBuf};

use hq_dsl::Query;
use hq_engine::compile::CompiledQuery;
use hq_engine::explain::price::Prices;
use hq_engine::explain::{Detail, Request, explain as describe};
use hq_plugin_sdk::capabilities::Capabilities;

use crate::backend::{Backend, load_evaluator};
use crate::calibrate::{self, Calibration};
use crate::choice;
use crate::cli::ExplainArgs;
use crate::error::{ClientError, Result, file_error};
use crate::execution::aggregate_name;
use crate::forms;
use crate::graph;
use crate::output;
use crate::program::Program;
use crate::trial;

/// Plans every query of a program, or the one named, and shows it.
pub(crate) fn explain(args: &ExplainArgs) -> Result<()> {
    let program = Program::of(&args.file, &args.program)?;
    let name = choice::backend(&args.backend, &program, &args.forms, args.security)?;
    let evaluator = load_evaluator(&name)?;
    // Throw-away keys for a trial run; nothing else here touches a secret key.
    let custody = if args.measure { Some(Backend::load(&name)?) } else { None };
    let capabilities = evaluator.capabilities();
    let leveled = capabilities.leveled.as_ref();
    let prices = prices(capabilities)?;
    for query in &program.queries {
        let forms = args.forms.of(&query.dataset, capabilities)?;
        let compiled = forms::plan(&program, query, &evaluator, &forms, args.security)?;
        program.draw_notes(&compiled);
        let measured = match &custody {
            Some(backend) if capabilities.encrypted => {
                Some(trial::measure(&program, query, backend, (&compiled, &forms.encodings()))?)
            }
            Some(_) | None => None,
        };
        output::out(&describe(&Request {
            query,
            sources: &program.sources,
            compiled: &compiled,
            backend: capabilities,
            prices: &prices,
            measured: measured.as_ref(),
            detail: if args.passes { Detail::Passes } else { Detail::Plan },
        }));
        if args.graph.is_none() && args.noise.is_none() {
            continue;
        }
        let subject = leveled
            .and_then(|leveled| {
                let (title, sums) = ((query.name.clone(), title(query)), sums(query, &compiled));
                graph::Subject::new(title, sums, &compiled.planned, leveled, measured.as_ref())
            })
            .ok_or_else(|| ClientError::NoPlanToDraw { backend: name.clone() })?;
        let several = program.queries.len() > 1;
        draw(args.graph.as_deref(), query, several, || graph::plan(&subject))?;
        draw(args.noise.as_deref(), query, several, || graph::noise(&subject))?;
    }
    Ok(())
}

/// What was measured here, else what the backend says.
fn prices(backend: &Capabilities) -> Result<Prices> {
    Ok(match calibrate::load(backend)? {
        Some(Calibration { costs, date, processor, .. }) => {
            Prices { costs, source: format!("`hq calibrate` of {date}, {processor}") }
        }
        None => Prices {
            costs: backend.leveled.as_ref().map_or_else(Vec::new, |leveled| leveled.costs.clone()),
            source: format!("of backend `{}`, not measured here (`hq calibrate` does)", backend.name),
        },
    })
}

fn title(query: &Query) -> String {
    if query.purpose.is_empty() {
        query.name.clone()
    } else {
        format!("{} \u{201c}{}\u{201d}", query.name, query.purpose)
    }
}

/// What each sum is for: the first number that is made of it.
fn sums(query: &Query, compiled: &CompiledQuery) -> Vec<String> {
    let plan = &compiled.planned.plan;
    let name = |sum: usize| {
        let uses =
            |terms: &[(i64, hq_plugin_sdk::plan::SumId)]| terms.iter().any(|(_, id)| id.index() == sum);
        let index = plan.aggregates.iter().position(|aggregate| uses(&aggregate.terms));
        index.map_or_else(String::new, |index| aggregate_name(query, index).replace('`', ""))
    };
    (0..plan.sums.len()).map(name).collect()
}

/// Writes a picture; where a program has several queries, each has a file with its name.
fn draw(path: Option<&Path>, query: &Query, several: bool, picture: impl FnOnce() -> String) -> Result<()> {
    let Some(path) = path else { return Ok(()) };
    let path: PathBuf = if several {
        let stem = path.file_stem().unwrap_or_default().to_string_lossy();
        path.with_file_name(format!("{stem}-{}.svg", query.name))
    } else {
        path.to_owned()
    };
    std::fs::write(&path, picture()).map_err(file_error(&path))
}
