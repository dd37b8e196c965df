//! The constants that a schedule needs, made once when a session opens.

use std::collections::BTreeMap;

use hq_plugin_sdk::plan::Release;

use crate::error::Error;
use crate::key_switch::KeySwitch;
use crate::mod_switch::Division;
use crate::params::Params;
use crate::schedule::{Action, Schedule};

/// Precomputed constants by number of primes.
#[derive(Debug, Default)]
pub struct Tables {
    key_switches: BTreeMap<usize, KeySwitch>,
    /// By primes before and after.
    mod_switches: BTreeMap<(usize, usize), Division>,
    /// The same, with P divided out as well.
    key_divisions: BTreeMap<(usize, usize), Division>,
}

impl Tables {
    /// Everything that a schedule and its release need.
    #[must_use]
    pub fn new(params: &Params, schedule: &Schedule, release: Release) -> Self {
        let mut tables = Self::default();
        for step in &schedule.steps {
            match &step.action {
                Action::Switch { arg, relinearize: true, kept } => {
                    tables.add_key_switch(params, arg.limbs, *kept);
                }
                Action::Switch { arg, relinearize: false, kept } => {
                    tables.add_mod_switch(params, arg.limbs, *kept);
                }
                Action::Load { .. }
                | Action::Linear { .. }
                | Action::Product { .. }
                | Action::AddProduct { .. }
                | Action::AddLinear { .. } => {}
            }
        }
        for &(limbs, parts) in &schedule.sums {
            let (kept, middle) = (release.level.limbs(), release.relinearize.limbs());
            let to = if parts > 2 { middle } else { kept };
            if limbs > to {
                tables.add_mod_switch(params, limbs, to);
            }
            if parts > 2 {
                tables.add_key_switch(params, limbs.min(middle), kept);
            }
        }
        tables
    }

    fn add_key_switch(&mut self, params: &Params, limbs: usize, kept: usize) {
        self.key_switches.entry(limbs).or_insert_with(|| KeySwitch::new(params, limbs));
        self.key_divisions.entry((limbs, kept)).or_insert_with(|| Division::key_switch(params, limbs, kept));
    }

    fn add_mod_switch(&mut self, params: &Params, limbs: usize, kept: usize) {
        let dropped: Vec<usize> = (kept..limbs).collect();
        self.mod_switches.entry((limbs, kept)).or_insert_with(|| Division::new(params, &dropped, kept));
    }

    /// Key switching from `limbs` primes, and the division to `kept` that ends it.
    ///
    /// # Errors
    /// Never for what the schedule contains.
    pub fn key_switch(&self, limbs: usize, kept: usize) -> Result<(&KeySwitch, &Division), Error> {
        let missing = Error::Internal("a key-switching table is missing");
        let switch = self.key_switches.get(&limbs).ok_or_else(|| missing.clone())?;
        Ok((switch, self.key_divisions.get(&(limbs, kept)).ok_or(missing)?))
    }

    /// Modulus switching from `limbs` primes to `kept`.
    ///
    /// # Errors
    /// Never for what the schedule contains.
    pub fn mod_switch(&self, limbs: usize, kept: usize) -> Result<&Division, Error> {
        self.mod_switches.get(&(limbs, kept)).ok_or(Error::Internal("a modulus-switching table is missing"))
    }
}
