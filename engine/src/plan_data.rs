//! Choosing the forms of a dataset for a workload of queries, by the planner's own estimate.
//!
//! Every column keeps one form that answers any question: bits, flags of its values, or digits. Beside it, it may
//! have thresholds where the workload cuts, a word, limbs, a square. From bits, and from the forms of the schema
//! alone, the search takes the change that saves most for each part that it adds, until none saves anything.

mod uses;

use std::collections::{BTreeMap, HashMap};

use hq_dsl::{Dataset, Query};
use hq_plugin_sdk::capabilities::Capabilities;
use hq_plugin_sdk::parameters::Parameters;

use crate::compile::compile_query;
use crate::encoding::{Encoding, Form};
use crate::forms::{Forms, digit_bases, equal_digits, fewest_parts};
use crate::planner::{Resolve, Target};

pub use uses::{Comparison, Uses, comparison, uses};

/// Most values that are held as a flag each.
const MAX_LEVELS: u64 = 64;

/// Most flags at cut points of a column.
const MAX_CUTS: usize = 64;

/// Digits of so many values are tried, and as few digits as 2 and 3.
const BASES: [u64; 2] = [4, 16];

/// Bits of limbs that are tried.
const LIMBS: [u32; 2] = [4, 8];

/// Least part of the cost that a change saves.
const LEAST_GAIN: f64 = 1e-3;

/// What forms are chosen for.
pub struct Workload<'a> {
    /// Queries over one dataset.
    pub queries: &'a [&'a Query],
    /// The backend.
    pub capabilities: &'a Capabilities,
    /// Its parameters.
    pub resolve: &'a Resolve<'a>,
    /// Of the keys.
    pub security_bits: u32,
    /// Most plans that are made.
    pub max_plans: usize,
}

/// What a workload takes in some forms.
#[derive(Clone, Debug, PartialEq)]
pub struct Estimate {
    /// CPU nanoseconds of each query over a million rows; `None` where it has no plan.
    pub nanoseconds: Vec<Option<f64>>,
    /// Bits of the longest ciphertext modulus among the plans.
    pub log2_q: f64,
}

impl Estimate {
    /// Queries without a plan, and the cost of the others.
    fn score(&self) -> (usize, f64) {
        let without = self.nanoseconds.iter().filter(|cost| cost.is_none()).count();
        (without, self.nanoseconds.iter().flatten().sum())
    }

    /// CPU nanoseconds of all queries, where all have a plan.
    #[must_use]
    pub fn total(&self) -> Option<f64> {
        self.nanoseconds.iter().copied().sum()
    }
}

/// Forms with what they cost, beside what others would.
#[derive(Clone, Debug)]
pub struct Choice {
    /// The forms.
    pub forms: Forms,
    /// Of these.
    pub estimate: Estimate,
    /// Of the fewest parts.
    pub bits: (Forms, Estimate),
    /// Of the schema's forms within the same room.
    pub default: (Forms, Estimate),
}

/// Chooses forms within a budget of bytes. `progress` hears of plans made, and of how many there may be.
pub fn choose(
    dataset: &Dataset,
    max_bytes_per_row: u64,
    workload: &Workload<'_>,
    progress: &mut dyn FnMut(usize, usize),
) -> Choice {
    let budget = u32::try_from(max_bytes_per_row).unwrap_or(u32::MAX);
    let default = Forms::with_budget(dataset, f64::from(budget));
    let bits = Forms { max_bytes_per_row: default.max_bytes_per_row, ..Forms::bits(dataset) };
    let mut search = Search { workload, known: HashMap::new(), plans: 0, progress };
    let (of_bits, of_default) = (search.estimate(&bits), search.estimate(&default));
    if workload.queries.is_empty() {
        return Choice {
            forms: default.clone(),
            estimate: of_default.clone(),
            bits: (bits, of_bits),
            default: (default, of_default),
        };
    }
    let uses = uses(workload.queries.iter().copied());
    let mut read_only = default.clone();
    for column in dataset.columns.iter().filter(|column| !uses.contains_key(&column.name)) {
        read_only.columns.insert(column.name.clone(), fewest_parts(column));
    }
    let mut best: Option<(Forms, Estimate)> = None;
    for start in [bits.clone(), read_only] {
        let found = search.climb(dataset, start, &uses);
        if best.as_ref().is_none_or(|best| better(&found, best)) {
            best = Some(found);
        }
    }
    // Too little room for a form for any question everywhere: those that the workload needs, and what else fits.
    if best.as_ref().is_none_or(|(_, estimate)| estimate.total().is_none()) {
        let found = search.narrow(dataset, &default, &uses);
        if best.as_ref().is_none_or(|best| better(&found, best)) {
            best = Some(found);
        }
    }
    let (forms, estimate) = best.unwrap_or_else(|| (default.clone(), of_default.clone()));
    Choice { forms, estimate, bits: (bits, of_bits), default: (default, of_default) }
}

/// Whether forms serve more of the workload, or as much for less; or for the same with fewer parts.
fn better(new: &(Forms, Estimate), old: &(Forms, Estimate)) -> bool {
    let ((without, cost), (old_without, old_cost)) = (new.1.score(), old.1.score());
    let order = without.cmp(&old_without).then(cost.total_cmp(&old_cost));
    order.then(new.0.parts().cmp(&old.0.parts())).is_lt()
}

/// A query, and the forms of the columns that it reads.
type Asked = (usize, Vec<Encoding>);

/// A plan of a query in the forms of the columns that it reads: what it costs, and the bits of its modulus; or the
/// bits within which there is none.
type Known = Result<(f64, f64), u32>;

struct Search<'a> {
    workload: &'a Workload<'a>,
    known: HashMap<Asked, Vec<(u32, Known)>>,
    plans: usize,
    progress: &'a mut dyn FnMut(usize, usize),
}

impl Search<'_> {
    fn estimate(&mut self, forms: &Forms) -> Estimate {
        let costs: Vec<Option<(f64, f64)>> =
            (0..self.workload.queries.len()).map(|query| self.plan(query, forms)).collect();
        let log2_q = costs.iter().flatten().map(|(_, bits)| *bits).fold(0.0, f64::max);
        Estimate { nanoseconds: costs.into_iter().map(|cost| cost.map(|(cost, _)| cost)).collect(), log2_q }
    }

    /// Cost and bits of a query's plan. What was found under a wider limit, but within this one, is found again.
    fn plan(&mut self, index: usize, forms: &Forms) -> Option<(f64, f64)> {
        let query = *self.workload.queries.get(index)?;
        let target = forms.target(self.workload.security_bits);
        let limit = match target {
            Target::Cheapest { max_log2_q, .. } => max_log2_q.unwrap_or(u32::MAX),
            Target::Fixed(_) | Target::Bootstrapped(_) => u32::MAX,
        };
        let read =
            uses([query]).into_keys().filter_map(|column| forms.columns.get(&column).cloned()).collect();
        let known = self.known.entry((index, read)).or_default();
        for (found_within, found) in known.iter() {
            match *found {
                Ok((cost, bits)) if limit <= *found_within && bits <= f64::from(limit) => {
                    return Some((cost, bits));
                }
                Err(refused) if limit <= refused => return None,
                Ok(_) | Err(_) => {}
            }
        }
        let Workload { capabilities, resolve, .. } = self.workload;
        let compiled = compile_query(query, &forms.encodings(), capabilities, resolve, &target).ok();
        let found = compiled.map(|compiled| {
            let bits = match &compiled.planned.plan.parameters {
                Some(Parameters::Rns(rns)) => rns.log2_q(rns.moduli.len()),
                Some(Parameters::Clear { .. } | Parameters::Tfhe(_)) | None => 0.0,
            };
            (compiled.planned.cost_ns * 1e6 / float(query.dataset.rows.max(1)), bits)
        });
        known.push((limit, found.ok_or(limit)));
        self.plans += 1;
        (self.progress)(self.plans, self.workload.max_plans);
        found
    }

    /// From the forms that the workload calls for, alone where they decide all that it asks of a column; then forms for
    /// any question where there is room for them at no cost.
    fn narrow(
        &mut self,
        dataset: &Dataset,
        start: &Forms,
        uses: &BTreeMap<String, Uses>,
    ) -> (Forms, Estimate) {
        let mut forms = Forms::new(dataset, start.max_bytes_per_row, crate::forms::bit_encodings(dataset));
        for (name, used) in uses {
            let Some(now) = forms.columns.get_mut(name) else { continue };
            let wanted = extras(now, used);
            let first = |form: &&Form| !matches!(form, Form::Limbs { .. });
            let wanted: Vec<Form> = wanted.iter().filter(first).cloned().collect();
            // A wide sum is split by bits.
            if used.value {
                now.forms.extend(wanted);
            } else if !wanted.is_empty() && !used.compared {
                now.forms = wanted;
            }
        }
        let estimate = self.estimate(&forms);
        let mut now = (forms, estimate);
        for column in &dataset.columns {
            let mut changed = now.0.clone();
            let Some(encoding) = changed.columns.get_mut(&column.name) else { continue };
            if !encoding.forms.iter().any(is_general) {
                encoding.forms.splice(0..0, fewest_parts(column).forms);
                let estimate = self.estimate(&changed);
                let ((old, old_cost), (without, cost)) = (now.1.score(), estimate.score());
                if without <= old && cost <= old_cost * (1.0 + LEAST_GAIN) {
                    now = (changed, estimate);
                }
            }
        }
        now
    }

    /// The best that single changes lead to.
    fn climb(&mut self, dataset: &Dataset, start: Forms, uses: &BTreeMap<String, Uses>) -> (Forms, Estimate) {
        let estimate = self.estimate(&start);
        let mut now = (start, estimate);
        loop {
            let mut next: Option<(f64, (Forms, Estimate))> = None;
            let moves: Vec<Forms> = moves(dataset, &now.0, uses);
            for forms in moves {
                if self.plans >= self.workload.max_plans {
                    break;
                }
                let estimate = self.estimate(&forms);
                let changed = (forms, estimate);
                let gain = gain(&now, &changed);
                if gain > next.as_ref().map_or(0.0, |(best, _)| *best) {
                    next = Some((gain, changed));
                }
            }
            match next {
                Some((_, changed)) => now = changed,
                None => return now,
            }
        }
    }
}

/// What a change saves for each part that it adds; 0 where it is none to make. Fewer parts at no cost are a gain,
/// but a small one.
fn gain(now: &(Forms, Estimate), changed: &(Forms, Estimate)) -> f64 {
    let ((old_without, old_cost), (without, cost)) = (now.1.score(), changed.1.score());
    let (old_parts, parts) = (now.0.parts(), changed.0.parts());
    let added = float(u64::try_from(parts.saturating_sub(old_parts)).unwrap_or(u64::MAX).max(1));
    if without != old_without {
        // A query more with a plan is worth more than any saving.
        return if without < old_without { 1e30 / added } else { 0.0 };
    }
    let saved = old_cost - cost;
    if saved > LEAST_GAIN * old_cost {
        saved / added
    } else if saved >= 0.0 && parts < old_parts {
        f64::MIN_POSITIVE * float(u64::try_from(old_parts - parts).unwrap_or(u64::MAX))
    } else {
        0.0
    }
}

#[expect(clippy::cast_precision_loss, reason = "an estimate")]
fn float(value: u64) -> f64 {
    value as f64
}

/// Forms that answer every question about a column alone.
fn is_general(form: &Form) -> bool {
    matches!(form, Form::Bits | Form::Levels | Form::OneHot { .. } | Form::Thermometer { .. })
}

/// Every change of the forms of one column that the workload reads: another general form, a form more or one less.
fn moves(dataset: &Dataset, forms: &Forms, uses: &BTreeMap<String, Uses>) -> Vec<Forms> {
    let mut moves = Vec::new();
    for column in &dataset.columns {
        let (Some(used), Some(now)) = (uses.get(&column.name), forms.columns.get(&column.name)) else {
            continue;
        };
        let general = general(column, now, used);
        let beside: Vec<Form> = now.forms.iter().filter(|form| !is_general(form)).cloned().collect();
        let own = now.forms.iter().filter(|form| is_general(form)).cloned().collect::<Vec<_>>();
        let mut sets: Vec<Vec<Form>> =
            general.into_iter().map(|form| [vec![form], beside.clone()].concat()).collect();
        for form in extras(now, used) {
            let others =
                beside.iter().filter(|held| std::mem::discriminant(*held) != std::mem::discriminant(&form));
            let others: Vec<Form> = others.cloned().collect();
            sets.push([own.clone(), others, vec![form]].concat());
        }
        for index in 0..beside.len() {
            let mut fewer = beside.clone();
            fewer.remove(index);
            sets.push([own.clone(), fewer].concat());
        }
        for set in sets {
            let encoding = Encoding { forms: set, ..now.clone() };
            if encoding != *now && encoding.check().is_ok() {
                let mut changed = forms.clone();
                changed.columns.insert(column.name.clone(), encoding);
                moves.push(changed);
            }
        }
    }
    moves
}

/// The forms that a column may have for any question.
fn general(column: &hq_dsl::Column, now: &Encoding, used: &Uses) -> Vec<Form> {
    let size = now.size();
    let mut forms = fewest_parts(column).forms;
    // Where thresholds decide all comparisons, or there are none, nothing else will do better than they.
    let decided = used.cuts.iter().all(|cut| holds_cut(now, *cut));
    if decided && !used.compared {
        return forms;
    }
    let mut add = |form: Form| {
        if !forms.contains(&form) {
            forms.push(form);
        }
    };
    if size > 2 {
        add(Form::Bits);
    }
    if (3..=MAX_LEVELS).contains(&size) {
        add(Form::Levels);
    }
    let mut digits: Vec<Vec<u32>> =
        [2, 3].into_iter().filter_map(|digits| digit_bases(size, digits)).collect();
    digits.extend(BASES.into_iter().filter_map(|base| equal_digits(size, base)));
    for bases in digits {
        add(Form::Thermometer { bases: bases.clone() });
        add(Form::OneHot { bases });
    }
    forms
}

fn holds_cut(encoding: &Encoding, cut: i64) -> bool {
    encoding.forms.iter().any(|form| matches!(form, Form::Cuts { at } if at.contains(&cut)))
}

/// Forms beside the general one that a use calls for.
fn extras(now: &Encoding, used: &Uses) -> Vec<Form> {
    let mut extras = Vec::new();
    if (1..=MAX_CUTS).contains(&used.cuts.len()) {
        extras.push(Form::Cuts { at: used.cuts.iter().copied().collect() });
    }
    if used.value && now.size() > 2 {
        extras.push(Form::Word);
        extras
            .extend(LIMBS.into_iter().filter(|bits| now.size() > 1 << bits).map(|bits| Form::Limbs { bits }));
    }
    if used.square {
        extras.push(Form::Square);
    }
    extras
}

#[cfg(test)]
mod tests;
