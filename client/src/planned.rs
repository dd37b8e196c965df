//! Which queries of a command have one plan, where keys are made for them: those over one dataset, if one plan costs no more
//! than several.

use hq_engine::compile::{CompiledQueries, Refusal};
use hq_engine::computation;
use hq_engine::forms::Forms;
use hq_plugin_sdk::host::EvaluatorPlugin;
use hq_plugin_sdk::parameters::Parameters;

use crate::error::{ClientError, Result};
use crate::forms::{self, FormsSource, note_room};
use crate::joint::Joint;
use crate::output;
use crate::program::Program;

/// How many times dearer one plan may be than several: columns that several read are encrypted once for it, which no
/// estimate counts.
const MOST_DEARER: f64 = 1.1;

/// About what a pair of keys takes, in nanoseconds; each plan needs one.
const KEYS_NS: f64 = 4e7;

/// Queries with their plan.
pub(crate) struct PlannedJoint<'a> {
    /// The queries.
    pub(crate) joint: Joint<'a>,
    /// The forms that they are planned for.
    pub(crate) forms: Forms,
    /// Their plan.
    pub(crate) compiled: CompiledQueries,
}

/// The plans of all queries of a command.
pub(crate) struct Plans<'a> {
    plans: Vec<PlannedJoint<'a>>,
    /// Why there are several for one dataset.
    notes: Vec<String>,
}

impl<'a> Plans<'a> {
    /// What they cost together, as estimated.
    pub(crate) fn cost_ns(&self) -> f64 {
        self.plans.iter().map(|planned| planned.compiled.planned.cost_ns).sum()
    }

    /// The plans; what is worth knowing of them is drawn.
    pub(crate) fn drawn(self) -> Vec<PlannedJoint<'a>> {
        for PlannedJoint { joint, forms, compiled } in &self.plans {
            if let Some(Parameters::Rns(rns)) = &compiled.planned.plan.parameters {
                note_room(&joint.names(), forms, rns);
            }
        }
        self.notes.iter().for_each(|note| output::note(note));
        for PlannedJoint { joint, compiled, .. } in &self.plans {
            joint.draw_notes(compiled);
        }
        self.plans
    }
}

/// A query that has no plan.
pub(crate) struct Refused<'a> {
    joint: Joint<'a>,
    refusal: Box<Refusal>,
}

impl Refused<'_> {
    /// Why, in one line.
    pub(crate) fn reason(&self) -> String {
        let diagnostic = &self.refusal.diagnostic;
        let message = diagnostic.message.trim_end_matches('.');
        format!("{}, {}: {message}", self.joint.quoted_names(), diagnostic.code)
    }

    /// Draws why.
    pub(crate) fn drawn(self) -> ClientError {
        self.joint.refused(*self.refusal)
    }
}

/// Plans all queries of programs.
///
/// # Errors
/// Forms cannot be read. A query without a plan is given back.
pub(crate) fn plan_all<'a>(
    programs: &'a [Program],
    evaluator: &EvaluatorPlugin,
    source: &FormsSource,
    security_bits: u32,
) -> Result<std::result::Result<Plans<'a>, Refused<'a>>> {
    let (mut plans, mut notes) = (Vec::new(), Vec::new());
    for joint in Joint::all(programs) {
        let forms = source.of(joint.dataset(), evaluator.capabilities())?;
        match (Planner { evaluator, forms, security_bits }).plan(&joint) {
            Ok((planned, note)) => {
                plans.extend(planned);
                notes.extend(note);
            }
            Err(refused) => return Ok(Err(refused)),
        }
    }
    Ok(Ok(Plans { plans, notes }))
}

struct Planner<'a> {
    evaluator: &'a EvaluatorPlugin,
    forms: Forms,
    security_bits: u32,
}

impl Planner<'_> {
    /// One plan for all, or as many as it takes, with the reason.
    fn plan<'q>(
        &self,
        all: &Joint<'q>,
    ) -> std::result::Result<(Vec<PlannedJoint<'q>>, Option<String>), Refused<'q>> {
        let alone = all.apart().map(|joint| self.one(joint)).collect::<std::result::Result<Vec<_>, _>>()?;
        if alone.len() == 1 {
            return Ok((alone, None));
        }
        let together = self.one(all.clone()).ok();
        let reason = match &together {
            Some(together) => format!("would cost {:.1} times as much", times_dearer(together, &alone)),
            None => "has no parameters".to_owned(),
        };
        if let Some(together) = together
            && times_dearer(&together, &alone) <= MOST_DEARER
        {
            return Ok((vec![together], None));
        }
        let mut plans: Vec<PlannedJoint<'q>> = Vec::new();
        for one in alone {
            match self.joined(&plans, &one) {
                Some((place, joined)) => plans.splice(place..=place, [joined]).for_each(drop),
                None => plans.push(one),
            }
        }
        let names: Vec<String> = plans.iter().map(|planned| planned.joint.quoted_names()).collect();
        let note = format!("planned apart, since one plan {reason}: {}", names.join("; "));
        Ok((plans, Some(note)))
    }

    /// One plan.
    fn one<'q>(&self, joint: Joint<'q>) -> std::result::Result<PlannedJoint<'q>, Refused<'q>> {
        match forms::attempt(&joint, self.evaluator, &self.forms, self.security_bits) {
            Ok(compiled) => Ok(PlannedJoint { joint, forms: self.forms.clone(), compiled }),
            Err(refusal) => Err(Refused { joint, refusal }),
        }
    }

    /// The first plan that a query may join at no cost, by its position. Where ring degrees differ, that is not to be
    /// hoped for.
    fn joined<'q>(
        &self,
        plans: &[PlannedJoint<'q>],
        one: &PlannedJoint<'q>,
    ) -> Option<(usize, PlannedJoint<'q>)> {
        plans.iter().enumerate().filter(|(_, plan)| rows_per_block(plan) == rows_per_block(one)).find_map(
            |(place, plan)| {
                let together = self.one(plan.joint.with(&one.joint)).ok()?;
                (times_dearer(&together, [plan, one]) <= MOST_DEARER).then_some((place, together))
            },
        )
    }
}

/// How many times a plan costs what others cost, as estimated, keys included.
fn times_dearer<'p, 'q: 'p>(
    together: &PlannedJoint<'q>,
    alone: impl IntoIterator<Item = &'p PlannedJoint<'q>>,
) -> f64 {
    let cost = |planned: &PlannedJoint<'q>| planned.compiled.planned.cost_ns + KEYS_NS;
    cost(together) / alone.into_iter().map(cost).sum::<f64>()
}

fn rows_per_block(planned: &PlannedJoint<'_>) -> u32 {
    computation::rows_per_block(&planned.compiled.planned.plan)
}
