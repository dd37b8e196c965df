//! What will happen to queries of one plan, for their author and for whoever must check it.
//!
//! | part | file |
//! |---|---|
//! | stages, what is decrypted, what queries share, circuit | `query` |
//! | parameters, levels, room for noise | `levels` |
//! | the products in sequence that decide the depth | `path`, and where they were written: `origin` |
//! | release; what is decided on before | `release`, `gates` |
//! | CPU and bytes by stage | `price` |
//! | the plan, value by value, and after each pass | `listing` |

mod gates;
mod levels;
mod listing;
pub mod origin;
pub mod path;
pub mod price;
mod query;
mod release;
mod tables;

use std::fmt::Write as _;
use std::ops::Range;

use hq_dsl::{Query, Sources};
use hq_plugin_sdk::backend::Measurement;
use hq_plugin_sdk::capabilities::{Capabilities, Leveled};
use hq_plugin_sdk::parameters::{Parameters, RnsParameters};
use hq_plugin_sdk::plan::{NodeId, Plan};
use hq_plugin_sdk::verify::{self, Shape};

use crate::certificate::Certificate;
use crate::compile::CompiledQueries;
use crate::joint::{Sharing, shares};
use crate::variance::{Deviations, deviations};
use price::Prices;

/// Plans of at most this many nodes are printed in full.
const MAX_LISTED_NODES: usize = 120;

/// A query, and the texts that its spans point into.
#[derive(Clone, Copy, Debug)]
pub struct Asked<'a> {
    /// The query.
    pub query: &'a Query,
    /// The texts.
    pub sources: &'a Sources,
}

/// What is explained, and how.
#[derive(Clone, Copy, Debug)]
pub struct Request<'a> {
    /// The queries of one plan.
    pub asked: &'a [Asked<'a>],
    /// Their plan.
    pub compiled: &'a CompiledQueries,
    /// For what it was planned.
    pub backend: &'a Capabilities,
    /// What CPU seconds are told by.
    pub prices: &'a Prices,
    /// Noise of a trial run of the plan, where there was one.
    pub measured: Option<&'a Measurement>,
    /// How much of the plan is printed.
    pub detail: Detail,
}

/// How much of a plan is printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Detail {
    /// The plan, if it is short.
    Plan,
    /// The plan after each pass, in full.
    Passes,
}

impl Request<'_> {
    /// Where the numbers of each query stand.
    fn shares(&self) -> Vec<Range<usize>> {
        shares(&self.asked.iter().map(|asked| asked.query).collect::<Vec<_>>())
    }
}

/// A certified plan with everything that is derived from it.
pub(crate) struct Subject<'a> {
    plan: &'a Plan,
    rns: &'a RnsParameters,
    leveled: &'a Leveled,
    certificate: &'a Certificate,
    shapes: Vec<Shape>,
    predicted: Deviations,
    measured: Option<&'a Measurement>,
}

impl<'a> Subject<'a> {
    /// `None` where nothing is encrypted.
    fn of(request: &Request<'a>) -> Option<Self> {
        let planned = &request.compiled.planned;
        let plan = &planned.plan;
        let (Some(Parameters::Rns(rns)), Some(leveled)) = (&plan.parameters, &request.backend.leveled) else {
            return None;
        };
        let certificate = planned.certificate.as_ref()?;
        let shapes = verify::shapes(plan).ok()?;
        let predicted = deviations(plan, leveled).ok()?;
        Some(Self { plan, rns, leveled, certificate, shapes, predicted, measured: request.measured })
    }

    fn level(&self, node: NodeId) -> usize {
        self.shapes.get(node.index()).map_or(0, |shape| usize::from(shape.level.0))
    }

    /// Largest of some numbers, one a node, at a level.
    fn most(&self, level: usize, numbers: &[f64]) -> f64 {
        let at = self.shapes.iter().zip(numbers).filter(|(shape, _)| usize::from(shape.level.0) == level);
        at.map(|(_, &number)| number).fold(f64::NEG_INFINITY, f64::max)
    }
}

/// The explanation as text.
#[must_use]
pub fn explain(request: &Request<'_>) -> String {
    let mut out = String::new();
    let Request { asked, compiled, backend, .. } = *request;
    let plan = &compiled.planned.plan;
    let sharing = Sharing::of(plan, &request.shares());
    for (index, (Asked { query, .. }, needs)) in asked.iter().zip(&sharing.each).enumerate() {
        if index > 0 {
            out.push('\n');
        }
        query::stages(&mut out, query);
        query::decrypted(&mut out, query, (needs.sums, plan.rows));
    }
    if asked.len() > 1 {
        query::shared(&mut out, asked, &sharing);
    }
    query::circuit(&mut out, compiled);
    if let Some(subject) = Subject::of(request) {
        levels::parameters(&mut out, &subject, backend);
        levels::levels(&mut out, &subject);
        levels::chart(&mut out, &subject);
        path::describe(&mut out, request, &subject);
        release::release(&mut out, &subject);
        if let Some(certificate) = &compiled.planned.gates {
            gates::gates(&mut out, &subject, certificate);
        }
        price::price(&mut out, &subject, request.prices);
        if subject.plan.nodes().len() <= MAX_LISTED_NODES && request.detail == Detail::Plan {
            listing::values(&mut out, &subject);
        }
    } else if let (Some(Parameters::Tfhe(parameters)), Some(certificate)) =
        (&compiled.planned.plan.parameters, &compiled.planned.bootstraps)
    {
        tables::describe(&mut out, request, parameters, certificate);
    } else {
        section(&mut out, "Plan");
        let _ = writeln!(out, "Backend `{}` computes on plain numbers: no noise, no levels.", backend.name);
    }
    if request.detail == Detail::Passes {
        listing::all_passes(&mut out, compiled);
    }
    out
}

fn section(out: &mut String, title: &str) {
    // Writing to a String cannot fail; so everywhere here.
    let _ = writeln!(out, "\n{title}\n{}", "-".repeat(title.chars().count()));
}
