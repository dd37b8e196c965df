//! A certified plan with what is drawn of it.

use hq_engine::certificate::Certificate;
use hq_engine::explain::path::{Path, critical};
use hq_engine::variance::{Deviations, deviations};
use hq_plugin_sdk::backend::Measurement;
use hq_plugin_sdk::capabilities::Leveled;
use hq_plugin_sdk::parameters::{Parameters, RnsParameters};
use hq_plugin_sdk::plan::{NodeId, Plan};
use hq_plugin_sdk::verify::{self, Shape};

use hq_engine::planner::Planned;

/// What is drawn.
pub(crate) struct Subject<'a> {
    /// Name of the query.
    pub(super) name: String,
    /// The name, and what it is for.
    pub(super) title: String,
    pub(super) plan: &'a Plan,
    /// A name for each sum.
    pub(super) sums: Vec<String>,
    pub(super) rns: &'a RnsParameters,
    pub(super) certificate: &'a Certificate,
    pub(super) predicted: Deviations,
    pub(super) measured: Option<&'a Measurement>,
    pub(super) path: Path,
    shapes: Vec<Shape>,
}

impl<'a> Subject<'a> {
    /// `None` where nothing is encrypted or nothing is summed.
    pub(crate) fn new(
        (name, title): (String, String),
        sums: Vec<String>,
        planned: &'a Planned,
        leveled: &Leveled,
        measured: Option<&'a Measurement>,
    ) -> Option<Self> {
        let plan = &planned.plan;
        let Some(Parameters::Rns(rns)) = &plan.parameters else { return None };
        let certificate = planned.certificate.as_ref()?;
        let shapes = verify::shapes(plan).ok()?;
        let predicted = deviations(plan, leveled).ok()?;
        let path = critical(plan, &certificate.node_bits)?;
        Some(Self { name, title, plan, sums, rns, certificate, predicted, measured, path, shapes })
    }

    pub(super) fn level(&self, node: NodeId) -> usize {
        self.shapes.get(node.index()).map_or(0, |shape| usize::from(shape.level.0))
    }

    /// Certified bound in bits.
    pub(super) fn bound(&self, node: NodeId) -> f64 {
        self.certificate.node_bits.get(node.index()).copied().unwrap_or(0.0)
    }

    /// What a value at a level may reach in bits: half the modulus.
    pub(super) fn capacity(&self, level: usize) -> f64 {
        self.rns.log2_q(level) - 1.0
    }
}
