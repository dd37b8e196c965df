//! From steps to regions: what is computed slot by slot in one pass over the limbs, a few rows at a time, and
//! the switches between such passes, which need whole limbs.
//!
//! A value stands in a register, a buffer of a few rows that is used again after its last reader, unless a
//! switch or a later region reads it. Within a region everything is computed just before its first reader.

mod build;
mod lives;

use std::borrow::Cow;

use crate::schedule::{Action, Schedule, View};
use build::{Builder, Registers};
use lives::Lives;

/// Where a value stands within a region.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// In a buffer of a few rows.
    Register(usize),
    /// As whole limbs, by node.
    Whole(usize),
}

/// A value that an instruction reads or writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Operand {
    /// Where it stands.
    pub place: Place,
    /// Ciphertext parts.
    pub parts: usize,
}

/// What an instruction does to the rows at hand.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Work {
    /// Unpacks and expands an input.
    Load {
        /// Input index.
        input: usize,
        /// Position among the region's loads.
        reading: usize,
        /// Two parts.
        out: Operand,
    },
    /// `constant + combination`.
    Linear {
        /// Added to every slot.
        constant: i64,
        /// Coefficients and values.
        terms: Vec<(i64, Operand)>,
        /// The most parts of any term.
        out: Operand,
    },
    /// A product.
    Product {
        /// Factors.
        factors: [Operand; 2],
        /// One part less than both together.
        out: Operand,
    },
    /// `sum += coefficient * left * right`.
    AddProduct {
        /// Sum index.
        sum: usize,
        /// Integer factor.
        coefficient: i64,
        /// Factors.
        factors: [Operand; 2],
    },
    /// `sum += constant + combination`.
    AddLinear {
        /// Sum index.
        sum: usize,
        /// Added for every row.
        constant: i64,
        /// Coefficients and values.
        terms: Vec<(i64, Operand)>,
    },
}

/// One instruction, for the first `limbs` primes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Instruction {
    /// What it does.
    pub work: Work,
    /// Primes.
    pub limbs: usize,
}

/// A switch of whole limbs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Switch {
    /// Node of the result.
    pub root: usize,
    /// The value.
    pub arg: View,
    /// Whether it is brought back to two parts.
    pub relinearize: bool,
    /// Primes of the result.
    pub kept: usize,
}

/// One pass over the limbs, and the switches after it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Region {
    /// In order.
    pub instructions: Vec<Instruction>,
    /// Primes of the instruction that has most.
    pub limbs: usize,
    /// Inputs that are loaded.
    pub loads: usize,
    /// Values that instructions write as whole limbs.
    pub whole: Vec<View>,
    /// Then.
    pub switches: Vec<Switch>,
    /// Whole values that nothing reads any more.
    pub free: Vec<usize>,
    /// Sums that are added to here for the first time, where each is released as soon as it is whole.
    pub opens: Vec<usize>,
    /// Sums that are whole after this, likewise.
    pub closes: Vec<usize>,
}

/// Bytes of the sums of one pass: about what the last cache holds of them.
const PASS_BYTES: usize = 16 << 20;

/// Passes, so that the sums of each take no more memory than that.
fn passes(schedule: &Schedule, degree: usize) -> usize {
    let words = |&(limbs, parts): &(usize, usize)| limbs * parts.saturating_sub(1) * degree;
    let bytes = schedule.sums.iter().map(words).sum::<usize>() * size_of::<u64>();
    bytes.div_ceil(PASS_BYTES).clamp(1, schedule.sums.len().max(1))
}

/// Of one part in so many may instructions become more, for sums to be released one after another.
const MOST_AGAIN: usize = 8;

/// All passes of a block, and the parts of each register.
#[derive(Clone, Debug, Default)]
pub struct Program {
    /// In order.
    pub regions: Vec<Region>,
    /// Ciphertext parts that each register holds.
    pub registers: Vec<usize>,
}

impl Program {
    /// Splits a schedule of a plan with `nodes` nodes.
    #[must_use]
    pub fn new(schedule: &Schedule, nodes: usize) -> Self {
        Self::grouped(schedule, nodes, 1)
    }

    /// The same for a table of one block, whose sums need not stay until others are whole: the last pass is made for some of them
    /// after the other, so that they use the same memory.
    #[must_use]
    pub fn of_one_block(schedule: &Schedule, nodes: usize, degree: usize) -> Self {
        let least = Self::of_groups(schedule, nodes, 1);
        let passes = passes(schedule, degree);
        if passes == 1 {
            return least;
        }
        let grouped = Self::of_groups(schedule, nodes, passes);
        let most = least.instructions() + least.instructions() / MOST_AGAIN;
        if grouped.instructions() > most { least } else { grouped }
    }

    /// The same, in so many groups.
    #[must_use]
    pub fn of_groups(schedule: &Schedule, nodes: usize, groups: usize) -> Self {
        let mut program = Self::grouped(schedule, nodes, groups);
        program.find_sums(schedule.sums.len());
        program
    }

    /// Instructions, each for one prime.
    fn instructions(&self) -> usize {
        self.regions.iter().flat_map(|region| &region.instructions).map(|instruction| instruction.limbs).sum()
    }

    /// Where each sum is added to first and last.
    fn find_sums(&mut self, sums: usize) {
        let mut added: Vec<Option<(usize, usize)>> = vec![None; sums];
        for (number, region) in self.regions.iter().enumerate() {
            for instruction in &region.instructions {
                if let Work::AddProduct { sum, .. } | Work::AddLinear { sum, .. } = instruction.work {
                    added[sum].get_or_insert((number, number)).1 = number;
                }
            }
        }
        for (sum, added) in added.into_iter().enumerate() {
            // One that nothing is added to is 0, and as good as whole from the beginning.
            let (first, last) = added.unwrap_or_default();
            self.regions[first].opens.push(sum);
            self.regions[last].closes.push(sum);
        }
    }

    /// With a last pass for each of some groups of neighbouring sums.
    fn grouped(schedule: &Schedule, nodes: usize, groups: usize) -> Self {
        let lives = Lives::new(schedule, nodes);
        let last = lives.regions - 1;
        let per_group = schedule.sums.len().div_ceil(groups).max(1);
        let mut builders: Vec<Builder<'_>> =
            (0..last + groups).map(|at| Builder::new(at.min(last), schedule, &lives)).collect();
        let pass = |region: usize, sum: usize| if region == last { last + sum / per_group } else { region };
        for (step, &region) in schedule.steps.iter().zip(&lives.step_regions) {
            match &step.action {
                Action::AddLinear { sum, constant, terms } => {
                    for (number, constant, terms) in lives.split(region, *constant, terms) {
                        let action = Action::AddLinear { sum: *sum, constant, terms };
                        builders[pass(number, *sum)].emit(Cow::Owned(action), None);
                    }
                }
                action @ Action::AddProduct { sum, .. } => {
                    builders[pass(region, *sum)].emit(Cow::Borrowed(action), None);
                }
                Action::Switch { arg, relinearize, kept } => {
                    let root = step.out.map_or(0, |out| out.root);
                    let switch = Switch { root, arg: *arg, relinearize: *relinearize, kept: *kept };
                    builders[region].switches.push(switch);
                }
                action @ (Action::Load { .. } | Action::Linear { .. } | Action::Product { .. }) => {
                    if step.out.is_none_or(|out| lives.values[out.root].is_some_and(|life| life.whole)) {
                        builders[region].emit(Cow::Borrowed(action), step.out);
                    }
                }
            }
        }
        let mut registers = Registers::default();
        let mut regions: Vec<Region> =
            builders.into_iter().map(|builder| builder.finish(&mut registers)).collect();
        for (root, life) in lives.values.iter().enumerate() {
            if let Some(life) = life.filter(|life| life.whole) {
                let last_pass = if life.last == last { last + groups - 1 } else { life.last };
                regions[last_pass].free.push(root);
            }
        }
        Self { regions, registers: registers.parts }
    }
}
