//! Runs a schedule over blocks of ciphertexts and keeps the encrypted sums.
//!
//! A block's work needs the key and the tables only for reading, and its sums are added at the end of each
//! step, so that blocks can be spread over threads by giving each its own `Worker`.

use std::sync::Arc;

use hq_plugin_sdk::plan::{Origin, Plan, Release};

use crate::ciphertext::Ciphertext;
use crate::encrypt::Sealed;
use crate::error::Error;
use crate::key::EvaluationKey;
use crate::modular;
use crate::multiply;
use crate::poly::{Limb, Poly, Pool};
use crate::release::{self, Sample};
use crate::sample;
use crate::schedule::{Action, Mode, Schedule, Step, View};
use crate::tables::Tables;

/// An encrypted sum over slots and blocks.
#[derive(Debug)]
pub struct Accumulator {
    /// Slot sums of the transformed first part, modulo each prime: N times its constant coefficient.
    pub constants: Vec<u64>,
    /// The parts that go with s and, after products, s^2.
    pub tail: Vec<Poly>,
}

/// The values that stand on their own during a block, by node.
#[derive(Debug)]
struct Values(Vec<Option<Ciphertext>>);

impl Values {
    /// Part `index` of a view.
    fn part(&self, view: View, index: usize) -> Result<&[Limb], Error> {
        let value = self.0.get(view.root).and_then(Option::as_ref);
        let part = value.and_then(|value| value.parts.get(index)).and_then(|part| part.get(..view.limbs));
        part.ok_or(Error::Internal("a step reads a value that is not there"))
    }

    /// Both parts of a view that has two.
    fn pair(&self, view: View) -> Result<[&[Limb]; 2], Error> {
        Ok([self.part(view, 0)?, self.part(view, 1)?])
    }

    /// Part `index` of those terms that have it.
    fn with_part(&self, terms: &[(i64, View)], index: usize) -> Result<Vec<(i64, &[Limb])>, Error> {
        let present = terms.iter().filter(|(_, view)| self.parts(*view) > index);
        present.map(|&(c, view)| Ok((c, self.part(view, index)?))).collect()
    }

    /// How many parts a value has.
    fn parts(&self, view: View) -> usize {
        self.0.get(view.root).and_then(Option::as_ref).map_or(0, |value| value.parts.len())
    }
}

/// One plan over one table.
#[derive(Debug)]
pub struct Session {
    key: Arc<EvaluationKey>,
    schedule: Schedule,
    names: Vec<String>,
    origins: Vec<Origin>,
    release: Release,
    /// Blocks that the plan's rows fill, and those computed.
    allowed: u64,
    done: u64,
    tables: Tables,
    sums: Vec<Accumulator>,
    pool: Pool,
    values: Values,
}

impl Session {
    /// Prepares a plan for the given key.
    ///
    /// # Errors
    /// The plan breaks an invariant, is for other parameters, or floods beyond its release modulus.
    pub fn open(plan: &Plan, key: Arc<EvaluationKey>, mode: Mode) -> Result<Self, Error> {
        let schedule = Schedule::new(plan, mode)?;
        let params = Arc::clone(key.params());
        if !matches!(&plan.parameters, Some(hq_plugin_sdk::parameters::Parameters::Rns(rns)) if rns == params.rns())
        {
            return Err(Error::PlanParams);
        }
        let release = plan.release.ok_or(Error::Internal("a verified plan has a release"))?;
        release::check(&params, release)?;
        let tables = Tables::new(&params, &schedule, release.level.limbs());
        let mut pool = Pool::new(params.degree());
        let accumulator = |&(limbs, parts): &(usize, usize)| Accumulator {
            constants: vec![0; limbs],
            tail: (1..parts).map(|_| pool.zero(limbs)).collect(),
        };
        let sums = schedule.sums.iter().map(accumulator).collect();
        let names = plan.inputs.iter().map(|input| input.name.clone()).collect();
        let origins = plan.inputs.iter().map(|input| input.origin).collect();
        let values = Values(std::iter::repeat_with(|| None).take(plan.nodes().len()).collect());
        let slots = u64::try_from(params.degree()).unwrap_or(u64::MAX);
        let allowed = plan.rows.div_ceil(slots).max(1);
        Ok(Self { key, schedule, names, origins, release, allowed, done: 0, tables, sums, pool, values })
    }

    /// The key.
    #[must_use]
    pub fn key(&self) -> &Arc<EvaluationKey> {
        &self.key
    }

    /// The steps.
    #[must_use]
    pub fn schedule(&self) -> &Schedule {
        &self.schedule
    }

    /// The sums so far.
    #[must_use]
    pub fn sums(&self) -> &[Accumulator] {
        &self.sums
    }

    /// Computes one block; all inputs are checked before any is used.
    ///
    /// # Errors
    /// An input that does not conform, or a block too many; the sums are then as before.
    pub fn block(&mut self, inputs: &[&[u8]]) -> Result<(), Error> {
        self.block_observed(inputs, &mut |_, _| {})
    }

    /// As [`Session::block`], showing each node's value as it is computed.
    ///
    /// # Errors
    /// As [`Session::block`].
    pub fn block_observed(
        &mut self,
        inputs: &[&[u8]],
        observe: &mut dyn FnMut(usize, &Ciphertext),
    ) -> Result<(), Error> {
        if self.done >= self.allowed {
            return Err(Error::TooManyBlocks { allowed: self.allowed });
        }
        let sealed = self.check_inputs(inputs)?;
        self.done += 1;
        let schedule = std::mem::take(&mut self.schedule.steps);
        let outcome = schedule.iter().try_for_each(|step| self.run(step, &sealed, observe));
        self.schedule.steps = schedule;
        for value in self.values.0.iter_mut().filter_map(Option::take) {
            value.recycle(&mut self.pool);
        }
        outcome
    }

    fn check_inputs<'a>(&self, inputs: &[&'a [u8]]) -> Result<Vec<Option<Sealed<'a>>>, Error> {
        if inputs.len() != self.names.len() {
            return Err(Error::InputCount { found: inputs.len(), wanted: self.names.len() });
        }
        let open = |(index, (&bytes, &limbs)): (usize, (&&'a [u8], &usize))| {
            if limbs == 0 {
                return Ok(None);
            }
            let origin = self.origins.get(index).copied().unwrap_or_default();
            Sealed::open(bytes, self.key.params(), self.key.id(), limbs, origin).map(Some).map_err(|cause| {
                let name = self.names.get(index).cloned().unwrap_or_default();
                Error::Input { index, name, cause }
            })
        };
        inputs.iter().zip(&self.schedule.input_limbs).enumerate().map(open).collect()
    }

    fn run(
        &mut self,
        step: &Step,
        inputs: &[Option<Sealed<'_>>],
        observe: &mut dyn FnMut(usize, &Ciphertext),
    ) -> Result<(), Error> {
        let value = match &step.action {
            Action::Load { input } => Some(self.load(*input, inputs)?),
            Action::Linear { constant, terms, parts } => Some(self.linear(*constant, terms, *parts)?),
            Action::Tensor { factors } => {
                let [a, b] = [self.values.pair(factors[0])?, self.values.pair(factors[1])?];
                Some(multiply::tensor(self.key.params(), &mut self.pool, a, b))
            }
            Action::Relinearize { arg, kept } => {
                let parts =
                    [self.values.part(*arg, 0)?, self.values.part(*arg, 1)?, self.values.part(*arg, 2)?];
                let tables = self.tables.key_switch(arg.limbs, *kept)?;
                Some(multiply::relinearize(&self.key, &mut self.pool, tables, parts, *kept))
            }
            Action::ModSwitch { arg } => Some(self.mod_switch(*arg)?),
            Action::AddProduct { sum, coefficient, factors } => {
                self.add_product(*sum, *coefficient, *factors)?;
                None
            }
            Action::AddLinear { sum, constant, terms } => {
                self.add_linear(*sum, *constant, terms)?;
                None
            }
        };
        if let (Some(value), Some(node)) = (value, step.node) {
            observe(node, &value);
            self.values.0[node] = Some(value);
        }
        for &root in &step.last_used {
            if let Some(value) = self.values.0[root].take() {
                value.recycle(&mut self.pool);
            }
        }
        Ok(())
    }

    fn load(&mut self, input: usize, inputs: &[Option<Sealed<'_>>]) -> Result<Ciphertext, Error> {
        let missing = Error::Internal("a step loads an input that was not checked");
        let sealed = inputs.get(input).and_then(Option::as_ref).ok_or(missing)?;
        let limbs = self.schedule.input_limbs.get(input).copied().unwrap_or(0);
        let (mut c0, mut c1) = (self.pool.poly(limbs), self.pool.poly(limbs));
        for (index, (c0, c1)) in c0.iter_mut().zip(&mut c1).enumerate() {
            sealed.load(self.key.params(), index, c0, c1).map_err(|cause| {
                let name = self.names.get(input).cloned().unwrap_or_default();
                Error::Input { index: input, name, cause }
            })?;
        }
        Ok(Ciphertext { parts: vec![c0, c1] })
    }

    fn linear(&mut self, constant: i64, terms: &[(i64, View)], parts: usize) -> Result<Ciphertext, Error> {
        let limbs = terms.first().map_or(0, |(_, view)| view.limbs);
        let mut out = Ciphertext::default();
        for index in 0..parts {
            let mut part = self.pool.poly(limbs);
            let present = self.values.with_part(terms, index)?;
            for (at, (limb, ring)) in part.iter_mut().zip(self.key.params().rings()).enumerate() {
                let list: Vec<(i64, &[u64])> = present.iter().map(|&(c, part)| (c, &*part[at])).collect();
                // A constant polynomial has its constant in every slot.
                let start = if index == 0 { constant } else { 0 };
                modular::linear(ring.q, start, &list, limb);
            }
            out.parts.push(part);
        }
        Ok(out)
    }

    fn mod_switch(&mut self, arg: View) -> Result<Ciphertext, Error> {
        let kept = arg.limbs - 1;
        let division = self.tables.mod_switch(arg.limbs, kept)?;
        let mut out = Ciphertext::default();
        for index in 0..self.values.parts(arg) {
            let part = self.values.part(arg, index)?;
            let mut last = self.pool.limb();
            last.copy_from_slice(&part[kept]);
            out.parts.push(division.apply(self.key.params(), &mut self.pool, vec![last], &part[..kept]));
        }
        Ok(out)
    }

    fn add_product(&mut self, sum: usize, coefficient: i64, factors: [View; 2]) -> Result<(), Error> {
        let [a, b] = [self.values.pair(factors[0])?, self.values.pair(factors[1])?];
        let params = self.key.params();
        let accumulator = &mut self.sums[sum];
        let [acc1, acc2] = accumulator.tail.as_mut_slice() else {
            return Err(Error::Internal("a product goes into a sum of two parts"));
        };
        let constants = if coefficient == 1 {
            multiply::tensor_accumulate(params, a, b, (acc1, acc2))
        } else {
            let limbs = a[0].len();
            let mut product = [self.pool.zero(limbs), self.pool.zero(limbs)];
            let [d1, d2] = &mut product;
            let constants = multiply::tensor_accumulate(params, a, b, (d1, d2));
            for (accumulator, product) in accumulator.tail.iter_mut().zip(&product) {
                for ((limb, product), ring) in accumulator.iter_mut().zip(product).zip(params.rings()) {
                    let factor = ring.q.factor(ring.q.residue(i128::from(coefficient)));
                    modular::scale_add_assign(ring.q, limb, product, factor);
                }
            }
            product.into_iter().for_each(|poly| self.pool.recycle(poly));
            constants
        };
        for ((total, constant), ring) in accumulator.constants.iter_mut().zip(constants).zip(params.rings()) {
            *total = ring.q.add(*total, ring.q.mul(constant, ring.q.residue(i128::from(coefficient))));
        }
        Ok(())
    }

    fn add_linear(&mut self, sum: usize, constant: i64, terms: &[(i64, View)]) -> Result<(), Error> {
        let params = self.key.params();
        let slots = i128::try_from(params.degree()).unwrap_or(0);
        let bodies = terms.iter().map(|&(c, view)| Ok((c, self.values.part(view, 0)?)));
        let bodies = bodies.collect::<Result<Vec<_>, Error>>()?;
        let mut tails = Vec::new();
        for index in 0..self.sums[sum].tail.len() {
            tails.push(self.values.with_part(terms, index + 1)?);
        }
        let accumulator = &mut self.sums[sum];
        for (at, (total, ring)) in accumulator.constants.iter_mut().zip(params.rings()).enumerate() {
            let q = ring.q;
            let mut add = |value: u64, factor: i64| {
                *total = q.add(*total, q.mul(value, q.residue(i128::from(factor))));
            };
            add(q.residue(slots), constant);
            bodies.iter().for_each(|&(c, part)| add(modular::sum(q, &part[at]), c));
        }
        for (tail, terms) in accumulator.tail.iter_mut().zip(&tails) {
            for (at, (limb, ring)) in tail.iter_mut().zip(params.rings()).enumerate() {
                let list: Vec<(i64, &[u64])> = terms.iter().map(|&(c, part)| (c, &*part[at])).collect();
                modular::linear_accumulate(ring.q, &list, limb);
            }
        }
        Ok(())
    }

    /// The released samples of all sums so far, as one frame.
    ///
    /// # Errors
    /// The operating system gives no randomness.
    pub fn finish(&mut self) -> Result<Vec<u8>, Error> {
        let mut rng = sample::secret_rng()?;
        let mut samples = Vec::with_capacity(self.sums.len());
        for index in 0..self.sums.len() {
            let mut lowered = self.lower(index)?;
            lowered.flood(&self.key, &mut self.pool, self.release, &mut rng);
            samples.push(lowered.extract(self.key.params(), &mut self.pool));
        }
        Ok(release::seal(&self.key, self.release, &samples))
    }

    /// A sum brought to the release level, without flooding: only to be measured.
    ///
    /// # Errors
    /// None that the schedule does not exclude.
    pub fn unflooded(&mut self, index: usize) -> Result<Sample, Error> {
        let lowered = self.lower(index)?;
        Ok(lowered.extract(self.key.params(), &mut self.pool))
    }

    fn lower(&mut self, index: usize) -> Result<release::Lowered, Error> {
        let sum = self.sums.get(index).ok_or(Error::Internal("there is no such sum"))?;
        release::lower(&self.key, &mut self.pool, &self.tables, sum, self.release.level.limbs())
    }
}
