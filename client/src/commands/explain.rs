//! `hq explain`: how queries run on a backend, in words and as pictures.

use std::path::{Path, PathBuf};

use hq_engine::compile::CompiledQueries;
use hq_engine::explain::price::Prices;
use hq_engine::explain::{Asked, Detail, Request, explain as describe};
use hq_plugin_sdk::capabilities::Capabilities;

use crate::backend::{Backend, datasets_of, load_evaluator_for};
use crate::calibrate::{self, Calibration};
use crate::choice::{self, Choice};
use crate::cli::ExplainArgs;
use crate::error::{ClientError, Result, file_error};
use crate::graph;
use crate::joint::{Joint, Member};
use crate::loader::FileLoader;
use crate::output;
use crate::planned::PlannedJoint;
use crate::program::read_all;
use crate::trial;

/// Plans every query of programs, or the one named, and shows it; those over one dataset have one plan.
pub(crate) fn explain(args: &ExplainArgs) -> Result<()> {
    let loader = |file: &Path| FileLoader::beside(file, &args.program.schema);
    let programs = read_all(&args.files, &args.program, loader)?;
    let choice = choice::choose(&args.backend, &programs, &args.forms, args.security)?;
    let Choice { name, plans, .. } = &choice;
    let evaluator = load_evaluator_for(name, datasets_of(&programs))?;
    // Throw-away keys for a trial run; nothing else here touches a secret key.
    let custody = if args.measure { Some(Backend::load(name)?) } else { None };
    let capabilities = evaluator.capabilities();
    let leveled = capabilities.leveled.as_ref();
    let prices = prices(capabilities)?;
    for planned in plans {
        let PlannedJoint { joint, compiled, .. } = planned;
        let measured = match &custody {
            Some(backend) if capabilities.encrypted => Some(trial::measure(planned, backend)?),
            Some(_) | None => None,
        };
        let asked: Vec<Asked<'_>> = joint
            .members()
            .map(|Member { program, query, .. }| Asked { query, sources: &program.sources })
            .collect();
        output::out(&describe(&Request {
            asked: &asked,
            compiled,
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
                let (title, sums) = ((joint.names(), title(joint)), sums(joint, compiled));
                graph::Subject::new(title, sums, &compiled.planned, leveled, measured.as_ref())
            })
            .ok_or_else(|| ClientError::NoPlanToDraw { backend: name.clone() })?;
        let several = plans.len() > 1;
        draw(args.graph.as_deref(), joint, several, || graph::plan(&subject))?;
        draw(args.noise.as_deref(), joint, several, || graph::noise(&subject))?;
    }
    if capabilities.encrypted {
        let others = choice.others(&programs, &args.forms, args.security)?;
        if !others.is_empty() {
            output::out(&format!("\nOther backends\n--------------\n{}\n", others.join("\n")));
        }
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

fn title(joint: &Joint<'_>) -> String {
    let query = joint.first();
    if joint.is_several() || query.purpose.is_empty() {
        joint.names()
    } else {
        format!("{} \u{201c}{}\u{201d}", query.name, query.purpose)
    }
}

/// What each sum is for: the first number that is made of it.
fn sums(joint: &Joint<'_>, compiled: &CompiledQueries) -> Vec<String> {
    let plan = &compiled.planned.plan;
    let name = |sum: usize| {
        let uses =
            |terms: &[(i64, hq_plugin_sdk::plan::SumId)]| terms.iter().any(|(_, id)| id.index() == sum);
        let index = plan.aggregates.iter().position(|aggregate| uses(&aggregate.terms));
        index.map_or_else(String::new, |index| joint.aggregate_name(index).replace('`', ""))
    };
    (0..plan.sums.len()).map(name).collect()
}

/// Writes a picture; where there are several plans, each has a file with the name of its first query.
fn draw(
    path: Option<&Path>,
    joint: &Joint<'_>,
    several: bool,
    picture: impl FnOnce() -> String,
) -> Result<()> {
    let Some(path) = path else { return Ok(()) };
    let path: PathBuf = if several {
        let stem = path.file_stem().unwrap_or_default().to_string_lossy();
        path.with_file_name(format!("{stem}-{}.svg", joint.first().name))
    } else {
        path.to_owned()
    };
    std::fs::write(&path, picture()).map_err(file_error(&path))
}
