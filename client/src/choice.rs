//! Which backend serves a command: the one that is named, or with `--backend auto` the encrypted one at hand whose plans
//! of all its queries cost least.

use std::collections::BTreeMap;
use std::fmt;

use crate::backend::{datasets_of, load_evaluator_for};
use crate::error::{ClientError, Result};
use crate::forms::FormsSource;
use crate::output;
use crate::planned::{PlannedJoint, Plans, plan_all};
use crate::program::Program;

/// What stands for a choice by cost.
const AUTO: &str = "auto";

/// The encrypted backends that are looked for.
const CANDIDATES: [&str; 2] = ["bgv", "tfhe"];

/// The backend that serves a command.
pub(crate) struct Choice<'a> {
    /// Its name.
    pub(crate) name: String,
    /// The plans of all queries on it.
    pub(crate) plans: Vec<PlannedJoint<'a>>,
    /// What the others would cost, where they were asked.
    others: Option<Vec<String>>,
}

/// The backend that was asked for; with `auto`, the cheapest, which is told with its price and that of the others.
pub(crate) fn choose<'a>(
    asked: &str,
    programs: &'a [Program],
    forms: &FormsSource,
    security_bits: u32,
) -> Result<Choice<'a>> {
    if asked != AUTO {
        let planned =
            plan_all(programs, &load_evaluator_for(asked, datasets_of(programs))?, forms, security_bits)?;
        let plans = planned.map_err(|refused| refused.drawn())?.drawn();
        return Ok(Choice { name: asked.to_owned(), plans, others: None });
    }
    let mut offers = Vec::new();
    for name in CANDIDATES {
        offers.push(Offer::of(name, programs, forms, security_bits)?);
    }
    let told: Vec<String> = offers.iter().map(Offer::to_string).collect();
    let told = told.join("; ");
    let mut lines: BTreeMap<&str, String> = offers.iter().filter_map(Offer::line).collect();
    let planned = offers.into_iter().filter_map(|offer| offer.plans.ok().map(|plans| (offer.name, plans)));
    match planned.min_by(|(_, a), (_, b)| a.cost_ns().total_cmp(&b.cost_ns())) {
        Some((name, plans)) => {
            output::note(&format!("backend `{name}` is taken: {told}"));
            lines.remove(name);
            let others = Some(lines.into_values().collect());
            Ok(Choice { name: name.to_owned(), plans: plans.drawn(), others })
        }
        None => Err(ClientError::NoBackend { reasons: told }),
    }
}

impl Choice<'_> {
    /// What the other encrypted backends at hand would cost, a line each.
    pub(crate) fn others(
        self,
        programs: &[Program],
        forms: &FormsSource,
        security_bits: u32,
    ) -> Result<Vec<String>> {
        if let Some(lines) = self.others {
            return Ok(lines);
        }
        let mut lines = Vec::new();
        for name in CANDIDATES.into_iter().filter(|&name| name != self.name) {
            lines.extend(Offer::of(name, programs, forms, security_bits)?.line().map(|(_, line)| line));
        }
        Ok(lines)
    }
}

/// What a backend would do.
struct Offer<'a> {
    name: &'static str,
    plans: std::result::Result<Plans<'a>, Lacking>,
}

/// Why a backend does nothing.
enum Lacking {
    /// It is not built.
    Plugin,
    /// A query has no plan, for this reason.
    Plan(String),
}

impl<'a> Offer<'a> {
    fn of(
        name: &'static str,
        programs: &'a [Program],
        forms: &FormsSource,
        security_bits: u32,
    ) -> Result<Self> {
        let plans = match load_evaluator_for(name, datasets_of(programs)) {
            Ok(evaluator) => plan_all(programs, &evaluator, forms, security_bits)?
                .map_err(|refused| Lacking::Plan(refused.reason())),
            Err(error) if error.is_no_plugin() => Err(Lacking::Plugin),
            Err(error) => return Err(error),
        };
        Ok(Self { name, plans })
    }

    /// Its name with what it would cost, if it is built.
    fn line(&self) -> Option<(&'static str, String)> {
        (!matches!(self.plans, Err(Lacking::Plugin))).then(|| (self.name, self.to_string()))
    }
}

impl fmt::Display for Offer<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.plans {
            Ok(plans) => write!(f, "`{}` about {}", self.name, price(plans.cost_ns())),
            Err(Lacking::Plugin) => write!(f, "`{}` is not built", self.name),
            Err(Lacking::Plan(reason)) => write!(f, "`{}` has no plan for {reason}", self.name),
        }
    }
}

/// A cost for the eye.
fn price(cost_ns: f64) -> String {
    let seconds = cost_ns / 1e9;
    if seconds < 10.0 { format!("{seconds:.2} CPU seconds") } else { format!("{seconds:.0} CPU seconds") }
}
