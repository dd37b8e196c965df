//! `--backend auto`: of the encrypted backends at hand, the one whose plans of a program's queries cost least.

use hq_plugin_sdk::host::EvaluatorPlugin;

use crate::backend::load_evaluator;
use crate::error::{ClientError, Result};
use crate::forms::{self, FormsSource};
use crate::output;
use crate::program::Program;

/// What stands for a choice by cost.
pub(crate) const AUTO: &str = "auto";

/// The encrypted backends that are looked for.
const CANDIDATES: [&str; 2] = ["bgv", "tfhe"];

/// The backend that was asked for; with `auto`, the cheapest, which is told with its price and that of the others.
pub(crate) fn backend(
    asked: &str,
    program: &Program,
    forms: &FormsSource,
    security_bits: u32,
) -> Result<String> {
    if asked != AUTO {
        return Ok(asked.to_owned());
    }
    let mut priced: Vec<(f64, &str)> = Vec::new();
    let mut lacking = Vec::new();
    let mut missing = None;
    for name in CANDIDATES {
        match load_evaluator(name) {
            Ok(evaluator) => match cost_ns(&evaluator, program, forms, security_bits)? {
                Some(cost) => priced.push((cost, name)),
                None => lacking.push(format!("`{name}` has no plan")),
            },
            Err(ClientError::NoPlugin { .. }) => lacking.push(format!("`{name}` is not built")),
            Err(error) => missing = Some(error),
        }
    }
    priced.sort_by(|(a, _), (b, _)| a.total_cmp(b));
    let Some(&(_, cheapest)) = priced.first() else {
        return match missing {
            Some(error) => Err(error),
            None => Err(ClientError::NoBackend { reasons: lacking.join(", ") }),
        };
    };
    let price = |&(cost, name): &(f64, &str)| format!("`{name}` about {} CPU seconds", seconds(cost));
    let compared: Vec<String> = priced.iter().map(price).chain(lacking).collect();
    output::note(&format!("backend `{cheapest}` is taken: {}", compared.join(", ")));
    Ok(cheapest.to_owned())
}

/// What all queries of a program cost together; `None` where one has no plan.
fn cost_ns(
    evaluator: &EvaluatorPlugin,
    program: &Program,
    source: &FormsSource,
    security_bits: u32,
) -> Result<Option<f64>> {
    let mut total = 0.0;
    for query in &program.queries {
        let forms = source.of(&query.dataset, evaluator.capabilities())?;
        match forms::cost_ns(query, evaluator, &forms, security_bits) {
            Some(cost) => total += cost,
            None => return Ok(None),
        }
    }
    Ok(Some(total))
}

fn seconds(cost_ns: f64) -> String {
    let seconds = cost_ns / 1e9;
    if seconds < 10.0 { format!("{seconds:.2}") } else { format!("{seconds:.0}") }
}
