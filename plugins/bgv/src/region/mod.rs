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
}

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
        let lives = Lives::new(schedule, nodes);
        let mut builders: Vec<Builder<'_>> =
            (0..lives.regions).map(|number| Builder::new(number, schedule, &lives)).collect();
        for (step, &region) in schedule.steps.iter().zip(&lives.step_regions) {
            match &step.action {
                Action::AddLinear { sum, constant, terms } => {
                    for (number, constant, terms) in lives.split(region, *constant, terms) {
                        let action = Action::AddLinear { sum: *sum, constant, terms };
                        builders[number].emit(Cow::Owned(action), None);
                    }
                }
                Action::Switch { arg, relinearize, kept } => {
                    let root = step.out.map_or(0, |out| out.root);
                    let switch = Switch { root, arg: *arg, relinearize: *relinearize, kept: *kept };
                    builders[region].switches.push(switch);
                }
                action @ (Action::Load { .. }
                | Action::Linear { .. }
                | Action::Product { .. }
                | Action::AddProduct { .. }) => {
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
                regions[life.last].free.push(root);
            }
        }
        Self { regions, registers: registers.parts }
    }
}
