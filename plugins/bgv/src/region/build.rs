//! Order of a region's instructions, and registers for their values.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet, HashMap};

use super::lives::{Life, Lives};
use super::{Instruction, Operand, Place, Region, Switch, Work};
use crate::schedule::{Action, Schedule, View};

/// What an item does, and where its value stands.
type Item<'a> = (Cow<'a, Action>, Option<View>);

/// Puts the steps of one region in order.
pub(super) struct Builder<'a> {
    number: usize,
    schedule: &'a Schedule,
    lives: &'a Lives,
    emitted: BTreeSet<usize>,
    items: Vec<Item<'a>>,
    /// Behind them.
    pub switches: Vec<Switch>,
}

impl<'a> Builder<'a> {
    /// An empty region.
    pub(super) fn new(number: usize, schedule: &'a Schedule, lives: &'a Lives) -> Self {
        let (emitted, items, switches) = (BTreeSet::new(), Vec::new(), Vec::new());
        Self { number, schedule, lives, emitted, items, switches }
    }

    /// Adds an item behind all that it needs of this region.
    pub(super) fn emit(&mut self, action: Cow<'a, Action>, out: Option<View>) {
        let mut stack = vec![((action, out), false)];
        while let Some(((action, out), ready)) = stack.pop() {
            if out.is_some_and(|out| self.emitted.contains(&out.root)) {
                continue;
            }
            if ready {
                self.emitted.extend(out.map(|out| out.root));
                self.items.push((action, out));
                continue;
            }
            let reads = action.reads();
            stack.push(((action, out), true));
            for view in reads.iter().rev() {
                if let Some(life) = self.lives.values[view.root].filter(|life| self.makes(life)) {
                    let step = &self.schedule.steps[life.step];
                    stack.push(((Cow::Borrowed(&step.action), step.out), false));
                }
            }
        }
    }

    fn makes(&self, life: &Life) -> bool {
        life.born == self.number && !life.switched
    }

    /// The region, with places for all values.
    pub(super) fn finish(self, registers: &mut Registers) -> Region {
        let mut last = HashMap::new();
        for (index, (action, out)) in self.items.iter().enumerate() {
            for view in action.reads().into_iter().chain(*out) {
                last.insert(view.root, index);
            }
        }
        let mut region = Region { switches: self.switches, ..Region::default() };
        let mut places = HashMap::new();
        for (index, (action, out)) in self.items.iter().enumerate() {
            if let Some(view) = out {
                let whole = self.lives.values[view.root].is_some_and(|life| life.whole);
                let place = if whole {
                    region.whole.push(*view);
                    Place::Whole(view.root)
                } else {
                    Place::Register(registers.take(view.parts))
                };
                places.insert(view.root, place);
            }
            let operand = |view: &View| Operand {
                place: places.get(&view.root).copied().unwrap_or(Place::Whole(view.root)),
                parts: view.parts,
            };
            if let Some(instruction) =
                instruction(action, out.as_ref(), &mut region.loads, &self.schedule.sums, operand)
            {
                region.limbs = region.limbs.max(instruction.limbs);
                region.instructions.push(instruction);
            }
            for view in action.reads().into_iter().chain(*out) {
                if last.get(&view.root) == Some(&index)
                    && let Some(Place::Register(register)) = places.remove(&view.root)
                {
                    registers.give(register);
                }
            }
        }
        region
    }
}

/// An item as an instruction; `None` of switches, which stand behind them.
fn instruction(
    action: &Action,
    out: Option<&View>,
    loads: &mut usize,
    sums: &[(usize, usize)],
    operand: impl Fn(&View) -> Operand,
) -> Option<Instruction> {
    let list = |terms: &[(i64, View)]| terms.iter().map(|(c, view)| (*c, operand(view))).collect();
    let (work, limbs) = match action {
        Action::Load { input } => {
            let reading = *loads;
            *loads += 1;
            (Work::Load { input: *input, reading, out: operand(out?) }, out?.limbs)
        }
        Action::Linear { constant, terms } => {
            (Work::Linear { constant: *constant, terms: list(terms), out: operand(out?) }, out?.limbs)
        }
        Action::Product { factors } => {
            (Work::Product { factors: factors.each_ref().map(&operand), out: operand(out?) }, out?.limbs)
        }
        Action::AddProduct { sum, coefficient, factors } => {
            let factors = factors.each_ref().map(&operand);
            (Work::AddProduct { sum: *sum, coefficient: *coefficient, factors }, sums[*sum].0)
        }
        Action::AddLinear { sum, constant, terms } => {
            (Work::AddLinear { sum: *sum, constant: *constant, terms: list(terms) }, sums[*sum].0)
        }
        Action::Switch { .. } => return None,
    };
    Some(Instruction { work, limbs })
}

/// Buffers, each for a fixed number of parts; all are free between regions.
#[derive(Default)]
pub(super) struct Registers {
    /// By register.
    pub parts: Vec<usize>,
    free: BTreeMap<usize, Vec<usize>>,
}

impl Registers {
    /// A free one.
    fn take(&mut self, parts: usize) -> usize {
        self.free.entry(parts).or_default().pop().unwrap_or_else(|| {
            self.parts.push(parts);
            self.parts.len() - 1
        })
    }

    /// It is free again.
    fn give(&mut self, register: usize) {
        self.free.entry(self.parts[register]).or_default().push(register);
    }
}
