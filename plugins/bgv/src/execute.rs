//! Runs a plan over blocks of ciphertexts and keeps the encrypted sums.

use std::sync::Arc;

use hq_plugin_sdk::plan::Plan;

use crate::ciphertext::Ciphertext;
use crate::error::Error;
use crate::evaluation_key::EvaluationKey;
use crate::fused::{Task, Workspace};
use crate::params::Params;
use crate::poly::{Limb, Poly};
use crate::prepare::Prepared;
use crate::region::Switch;
use crate::release::{self, Sample};
use crate::relinearize::relinearize;
use crate::sample;
use crate::schedule::{Mode, Schedule};
use crate::sealed::Sealed;

/// An encrypted sum over slots and blocks.
#[derive(Debug)]
pub struct Accumulator {
    /// Slot sums of the transformed first part, modulo each prime: N times its constant coefficient.
    pub constants: Vec<u64>,
    /// The parts that go with s and, after products, with higher powers.
    pub tail: Vec<Poly>,
}

impl Accumulator {
    /// Nothing so far, without memory.
    pub(crate) fn unopened((limbs, parts): (usize, usize)) -> Self {
        Self { constants: vec![0; limbs], tail: (1..parts).map(|_| Poly::new()).collect() }
    }

    /// Takes memory, where it has none.
    pub(crate) fn open(&mut self, params: &Params) {
        let limbs = self.constants.len();
        for part in self.tail.iter_mut().filter(|part| part.is_empty()) {
            part.extend((0..limbs).map(|_| Limb::zero(params.degree())));
        }
    }
}

/// One plan over one table, or over a part of its blocks. What is only read is shared among the sessions of a
/// plan, so that blocks can be spread over threads.
#[derive(Debug)]
pub struct Session {
    pub(crate) prepared: Arc<Prepared>,
    /// Blocks computed.
    pub(crate) done: u64,
    pub(crate) sums: Vec<Accumulator>,
    workspace: Workspace,
}

impl Session {
    /// Prepares a plan for the given key.
    ///
    /// # Errors
    /// The plan breaks an invariant, is for other parameters, or floods beyond its release modulus.
    pub fn open(plan: &Plan, key: Arc<EvaluationKey>, mode: Mode) -> Result<Self, Error> {
        let schedule = Schedule::new(plan, mode)?;
        Ok(Self::of(Arc::new(Prepared::new(plan, schedule, key)?)))
    }

    /// Without any block.
    pub(crate) fn of(prepared: Arc<Prepared>) -> Self {
        let sums = prepared.sums();
        let workspace = Workspace::new(prepared.key.params(), prepared.nodes);
        Self { prepared, done: 0, sums, workspace }
    }

    /// The key.
    #[must_use]
    pub fn key(&self) -> &Arc<EvaluationKey> {
        &self.prepared.key
    }

    /// The steps.
    #[must_use]
    pub fn schedule(&self) -> &Schedule {
        &self.prepared.schedule
    }

    /// The sums so far.
    #[must_use]
    pub fn sums(&self) -> &[Accumulator] {
        &self.sums
    }

    /// Computes one block.
    ///
    /// # Errors
    /// An input that does not conform, or a block too many; the sums are then as before.
    pub fn block(&mut self, inputs: &[&[u8]]) -> Result<(), Error> {
        self.block_observed(inputs, &mut |_, _| {})
    }

    /// As [`Session::block`], showing whole values as they are computed, by node: in [`Mode::EveryNode`] all.
    ///
    /// # Errors
    /// As [`Session::block`].
    pub fn block_observed(
        &mut self,
        inputs: &[&[u8]],
        observe: &mut dyn FnMut(usize, &Ciphertext),
    ) -> Result<(), Error> {
        let allowed = self.prepared.allowed;
        if self.done >= allowed {
            return Err(Error::TooManyBlocks { allowed });
        }
        let prepared = Arc::clone(&self.prepared);
        let sealed = open_inputs(&prepared, inputs)?;
        let outcome = self.run(&prepared, &sealed, 1, observe);
        if outcome.is_ok() {
            self.done += 1;
        } else if prepared.one_block {
            self.sums = prepared.sums();
        } else {
            // Residues are checked where they are read. What was added before is taken off by the same
            // computation with the other sign: it ends at the same place.
            self.workspace.clear();
            let _same = self.run(&prepared, &sealed, -1, &mut |_, _| {});
        }
        self.workspace.clear();
        outcome.map_err(|error| named(&prepared, error))
    }

    fn run(
        &mut self,
        prepared: &Prepared,
        inputs: &[Option<Sealed<'_>>],
        sign: i64,
        observe: &mut dyn FnMut(usize, &Ciphertext),
    ) -> Result<(), Error> {
        let task = Task { params: prepared.key.params(), inputs, sign };
        for region in &prepared.program.regions {
            for &sum in &region.opens {
                self.sums[sum].open(prepared.key.params());
            }
            self.workspace.run(&prepared.program, region, &task, &mut self.sums)?;
            for switch in &region.switches {
                let value = self.switch(prepared, switch)?;
                self.workspace.values[switch.root] = Some(value);
            }
            let made = region.whole.iter().map(|view| view.root);
            for root in made.chain(region.switches.iter().map(|switch| switch.root)) {
                if let Some(value) = &self.workspace.values[root] {
                    observe(root, value);
                }
            }
            for &root in &region.free {
                if let Some(value) = self.workspace.values[root].take() {
                    value.recycle(&mut self.workspace.pool);
                }
            }
            for &sum in &region.closes {
                let lowered = self.lower(sum)?;
                self.sums[sum] = lowered.into_sum(prepared.key.params());
            }
        }
        Ok(())
    }

    fn switch(&mut self, prepared: &Prepared, switch: &Switch) -> Result<Ciphertext, Error> {
        let Workspace { values, pool, .. } = &mut self.workspace;
        let (limbs, kept) = (switch.arg.limbs, switch.kept);
        let arg =
            values[switch.arg.root].as_ref().ok_or(Error::Internal("a switch reads what is not there"))?;
        let parts: Vec<&[Limb]> = (0..arg.parts.len()).map(|index| arg.part(index, limbs)).collect();
        if switch.relinearize {
            let tables = prepared.tables.key_switch(limbs, kept)?;
            return relinearize(&prepared.key, pool, tables, &parts, kept);
        }
        let division = prepared.tables.mod_switch(limbs, kept)?;
        let divide = |part: &&[Limb]| {
            let dropped = pool.copy(&part[kept..]);
            division.apply(prepared.key.params(), pool, dropped, &part[..kept])
        };
        Ok(Ciphertext { parts: parts.iter().map(divide).collect() })
    }

    /// What cells are decided on, of a plan with gates.
    #[must_use]
    pub fn gates(&self) -> Option<&[(usize, Vec<u64>)]> {
        self.prepared.gates.as_deref()
    }

    /// The released samples of all sums so far, as one frame.
    ///
    /// # Errors
    /// More blocks were absorbed than the plan allows, or the operating system gives no randomness.
    pub fn finish(&mut self) -> Result<Vec<u8>, Error> {
        if self.prepared.gates.is_some() {
            return Err(Error::Gates("the plan has gates: its sums leave under pads and in no other way"));
        }
        self.finish_padded(&[])
    }

    /// The same with a number added to each sum modulo t; none is 0.
    ///
    /// # Errors
    /// As [`Session::finish`].
    pub fn finish_padded(&mut self, pads: &[u64]) -> Result<Vec<u8>, Error> {
        let allowed = self.prepared.allowed;
        if self.done > allowed {
            return Err(Error::TooManyBlocks { allowed });
        }
        let prepared = Arc::clone(&self.prepared);
        let mut rng = sample::secret_rng()?;
        let mut sealer = release::Sealer::new(&prepared.key, prepared.release, self.sums.len());
        for index in 0..self.sums.len() {
            let mut lowered = self.lower(index)?;
            lowered.pad(prepared.key.params(), pads.get(index).copied().unwrap_or(0));
            sealer.flood_and_add(lowered, &mut self.workspace.pool, &mut rng);
        }
        Ok(sealer.seal())
    }

    /// A sum brought to the release level, without flooding: only to be measured.
    ///
    /// # Errors
    /// None that the schedule does not exclude.
    pub fn unflooded(&mut self, index: usize) -> Result<Sample, Error> {
        let lowered = self.lower(index)?;
        Ok(lowered.extract(self.prepared.key.params()))
    }

    fn lower(&mut self, index: usize) -> Result<release::Lowered, Error> {
        let Prepared { key, tables, release, .. } = &*self.prepared;
        let sum = self.sums.get_mut(index).ok_or(Error::Internal("there is no such sum"))?;
        sum.open(key.params());
        release::lower(key, &mut self.workspace.pool, tables, sum, *release)
    }
}

/// Opens the frames of a block's inputs; those that nothing reads are not looked at.
fn open_inputs<'a>(prepared: &Prepared, inputs: &[&'a [u8]]) -> Result<Vec<Option<Sealed<'a>>>, Error> {
    if inputs.len() != prepared.inputs() {
        return Err(Error::InputCount { found: inputs.len(), wanted: prepared.inputs() });
    }
    let open = |(index, (&bytes, &limbs)): (usize, (&&'a [u8], &usize))| {
        if limbs == 0 {
            return Ok(None);
        }
        let (name, origin) = prepared.input(index);
        let opened = Sealed::open(bytes, prepared.key.params(), prepared.key.id(), limbs, origin);
        opened.map(Some).map_err(|cause| Error::Input { index, name: name.to_owned(), cause })
    };
    inputs.iter().zip(&prepared.schedule.input_limbs).enumerate().map(open).collect()
}

/// An input's error with its name.
fn named(prepared: &Prepared, error: Error) -> Error {
    if let Error::Input { index, cause, .. } = error {
        return Error::Input { index, name: prepared.input(index).0.to_owned(), cause };
    }
    error
}
