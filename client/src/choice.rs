//! Which backend serves a command: the one that is named, or with `--backend auto` the encrypted one at hand whose plans
//! of all its queries cost least.

use crate::backend::load_evaluator;
use crate::error::{ClientError, Result};
use crate::forms::FormsSource;
use crate::output;
use crate::planned::{PlannedJoint, Plans, plan_all};
use crate::program::Program;

/// What stands for a choice by cost.
const AUTO: &str = "auto";

/// The encrypted backends that are looked for.
const CANDIDATES: [&str; 2] = ["bgv", "tfhe"];

/// The name of the backend, and the plans of all queries on it. With `auto`, its price and that of the others are told.
pub(crate) fn choose<'a>(
    asked: &str,
    programs: &'a [Program],
    forms: &FormsSource,
    security_bits: u32,
) -> Result<(String, Vec<PlannedJoint<'a>>)> {
    if asked != AUTO {
        let planned = plan_all(programs, &load_evaluator(asked)?, forms, security_bits)?;
        return planned.map(|plans| (asked.to_owned(), plans.drawn())).map_err(|refused| refused.drawn());
    }
    let mut planned: Vec<(&str, Plans<'a>)> = Vec::new();
    let mut lacking = Vec::new();
    for name in CANDIDATES {
        match load_evaluator(name) {
            Ok(evaluator) => match plan_all(programs, &evaluator, forms, security_bits)? {
                Ok(plans) => planned.push((name, plans)),
                Err(refused) => lacking.push(format!("`{name}` has no plan for {}", refused.reason())),
            },
            Err(ClientError::NoPlugin { .. }) => lacking.push(format!("`{name}` is not built")),
            Err(error) => return Err(error),
        }
    }
    planned.sort_by(|(_, a), (_, b)| a.cost_ns().total_cmp(&b.cost_ns()));
    let prices = planned.iter().map(|(name, plans)| format!("`{name}` about {}", price(plans.cost_ns())));
    let compared: Vec<String> = prices.chain(lacking).collect();
    let compared = compared.join("; ");
    match planned.into_iter().next() {
        Some((name, plans)) => {
            output::note(&format!("backend `{name}` is taken: {compared}"));
            Ok((name.to_owned(), plans.drawn()))
        }
        None => Err(ClientError::NoBackend { reasons: compared }),
    }
}

/// A cost for the eye.
fn price(cost_ns: f64) -> String {
    let seconds = cost_ns / 1e9;
    if seconds < 10.0 { format!("{seconds:.2} CPU seconds") } else { format!("{seconds:.0} CPU seconds") }
}
