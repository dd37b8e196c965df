//! Which queries of a command have one plan, where keys are made for them: those over one dataset, if one plan costs no more
//! than several.

use hq_engine::compile::CompiledQueries;
use hq_engine::computation;
use hq_engine::forms::Forms;
use hq_plugin_sdk::host::EvaluatorPlugin;

use crate::error::Result;
use crate::forms::{self, FormsSource};
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

/// Plans all queries of programs.
pub(crate) fn plan_all<'a>(
    programs: &'a [Program],
    evaluator: &EvaluatorPlugin,
    source: &FormsSource,
    security_bits: u32,
) -> Result<Vec<PlannedJoint<'a>>> {
    let mut planned = Vec::new();
    for joint in Joint::all(programs) {
        let planner = Planner { evaluator, forms: source.of(joint.dataset())?, security_bits };
        planned.extend(planner.plan(&joint)?);
    }
    for PlannedJoint { joint, compiled, .. } in &planned {
        joint.draw_notes(compiled);
    }
    Ok(planned)
}

struct Planner<'a> {
    evaluator: &'a EvaluatorPlugin,
    forms: Forms,
    security_bits: u32,
}

impl Planner<'_> {
    /// One plan for all, or as many as it takes, which is told.
    fn plan<'q>(&self, all: &Joint<'q>) -> Result<Vec<PlannedJoint<'q>>> {
        let mut alone = Vec::new();
        for joint in all.apart() {
            let compiled = forms::plan(&joint, self.evaluator, &self.forms, self.security_bits)?;
            alone.push(PlannedJoint { joint, forms: self.forms.clone(), compiled });
        }
        if alone.len() == 1 {
            return Ok(alone);
        }
        let together = self.together(all.clone());
        let reason = match &together {
            Some(together) => format!("would cost {:.1} times as much", times_dearer(together, &alone)),
            None => "has no parameters".to_owned(),
        };
        if let Some(together) = together
            && times_dearer(&together, &alone) <= MOST_DEARER
        {
            return Ok(vec![together]);
        }
        let mut plans: Vec<PlannedJoint<'q>> = Vec::new();
        for one in alone {
            match self.joined(&plans, &one) {
                Some((place, joined)) => plans.splice(place..=place, [joined]).for_each(drop),
                None => plans.push(one),
            }
        }
        let names: Vec<String> = plans.iter().map(|planned| planned.joint.quoted_names()).collect();
        output::note(&format!("planned apart, since one plan {reason}: {}", names.join("; ")));
        Ok(plans)
    }

    fn together<'q>(&self, joint: Joint<'q>) -> Option<PlannedJoint<'q>> {
        let compiled = forms::attempt(&joint, self.evaluator, &self.forms, self.security_bits).ok()?;
        Some(PlannedJoint { joint, forms: self.forms.clone(), compiled })
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
                let together = self.together(plan.joint.with(&one.joint))?;
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
