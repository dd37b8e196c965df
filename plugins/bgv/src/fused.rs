//! Runs a region: limb by limb, and within a limb a few rows at a time, so that all values between inputs
//! and sums stay in cache.

use std::ops::Range;

use crate::ciphertext::Ciphertext;
use crate::error::{Error, WireError};
use crate::execute::Accumulator;
use crate::modular::{self, Modulus};
use crate::params::{MAX_RELINEARIZATION_DEGREE, Params};
use crate::poly::{Limb, Pool};
use crate::region::{Instruction, Operand, Place, Program, Region, Work};
use crate::sealed::{Reading, Sealed};
use crate::wire::ROWS;

/// Slots of one limb that are computed at a time. Measured between 256 and 4096: below 512 calls cost, above 1024
/// a plan with many values at once leaves the second cache.
const CHUNK: usize = 1024;
/// Parts of a ciphertext at most.
const MAX_PARTS: usize = MAX_RELINEARIZATION_DEGREE as usize + 1;
/// Terms that one call adds up.
const TERMS: usize = 16;
/// Between the parts of a register, so that they do not all begin at the same place of a page.
const GAP: usize = 8;

/// The parts of a value at the rows at hand.
type Parts<'a> = [&'a [u64]; MAX_PARTS];

/// Registers and whole values.
#[derive(Debug)]
pub struct Workspace {
    /// Slots computed at a time.
    chunk: usize,
    registers: Vec<Limb>,
    /// Whole values, by node.
    pub values: Vec<Option<Ciphertext>>,
    /// Limbs to be used again.
    pub pool: Pool,
    /// What is still to be added to the constants of each sum, modulo the prime at hand.
    pending: Vec<i128>,
}

/// What a region works on.
pub struct Task<'a, 'b> {
    /// The parameters.
    pub params: &'a Params,
    /// The block's inputs.
    pub inputs: &'a [Option<Sealed<'b>>],
    /// 1, or -1 to take off again what was added.
    pub sign: i64,
}

/// A residue of an input that does not conform.
fn input_error(index: usize, cause: WireError) -> Error {
    Error::Input { index, name: String::new(), cause }
}

impl Workspace {
    /// For the programs of one plan; takes memory when it is first used.
    #[must_use]
    pub fn new(params: &Params, nodes: usize) -> Self {
        let degree = params.degree();
        Self {
            chunk: CHUNK.min(degree).max(degree / ROWS),
            registers: Vec::new(),
            values: std::iter::repeat_with(|| None).take(nodes).collect(),
            pool: Pool::new(degree),
            pending: Vec::new(),
        }
    }

    /// Takes back all whole values.
    pub fn clear(&mut self) {
        for value in self.values.iter_mut().filter_map(Option::take) {
            value.recycle(&mut self.pool);
        }
    }

    /// Runs the slot-wise part of a region.
    ///
    /// # Errors
    /// An input holds a residue that does not conform; sums may hold a part of the block then.
    pub fn run(
        &mut self,
        program: &Program,
        region: &Region,
        task: &Task<'_, '_>,
        sums: &mut [Accumulator],
    ) -> Result<(), Error> {
        let stride = self.chunk + GAP;
        for &parts in program.registers.iter().skip(self.registers.len()) {
            self.registers.push(Limb::zero(parts * stride));
        }
        for view in &region.whole {
            let parts = (0..view.parts).map(|_| self.pool.poly(view.limbs)).collect();
            self.values[view.root] = Some(Ciphertext { parts });
        }
        self.pending.resize(sums.len(), 0);
        let mut readings: Vec<Option<Reading<'_>>> = Vec::with_capacity(region.loads);
        for limb in 0..region.limbs {
            let outcome = self.run_limb(region, task, limb, &mut readings, sums);
            let q = task.params.rings()[limb].q;
            for (sum, pending) in sums.iter_mut().zip(&mut self.pending) {
                if *pending != 0
                    && let Some(constant) = sum.constants.get_mut(limb)
                {
                    *constant = q.add(*constant, q.residue(std::mem::take(pending)));
                }
            }
            outcome?;
        }
        Ok(())
    }

    fn run_limb<'b>(
        &mut self,
        region: &Region,
        task: &Task<'_, 'b>,
        limb: usize,
        readings: &mut Vec<Option<Reading<'b>>>,
        sums: &mut [Accumulator],
    ) -> Result<(), Error> {
        readings.clear();
        for instruction in &region.instructions {
            if let Work::Load { input, .. } = instruction.work {
                readings.push(if limb < instruction.limbs {
                    let sealed = task.inputs.get(input).and_then(Option::as_ref);
                    let sealed = sealed.ok_or(Error::Internal("an input is loaded that was not opened"))?;
                    Some(sealed.limb(task.params, limb).map_err(|cause| input_error(input, cause))?)
                } else {
                    None
                });
            }
        }
        let q = task.params.rings()[limb].q;
        for start in (0..task.params.degree()).step_by(self.chunk) {
            let at = At { q, limb, rows: start..start + self.chunk, sign: task.sign };
            for instruction in region.instructions.iter().filter(|instruction| limb < instruction.limbs) {
                self.step(instruction, &at, readings, sums)?;
            }
        }
        Ok(())
    }

    fn step(
        &mut self,
        instruction: &Instruction,
        at: &At,
        readings: &mut [Option<Reading<'_>>],
        sums: &mut [Accumulator],
    ) -> Result<(), Error> {
        match &instruction.work {
            Work::Load { input, reading, out } => {
                let reading = readings.get_mut(*reading).and_then(Option::as_mut);
                let reading = reading.ok_or(Error::Internal("an input is read that was not begun"))?;
                self.write(*out, at, |_, parts| match parts {
                    [c0, c1] => reading.next(c0, c1).map_err(|cause| input_error(*input, cause)),
                    _ => Err(Error::Internal("an input has two parts")),
                })
            }
            Work::Linear { constant, terms, out } => self.write(*out, at, |workspace, parts| {
                for (index, part) in parts.iter_mut().enumerate() {
                    // A constant polynomial has its constant in every slot.
                    let start = if index == 0 { *constant } else { 0 };
                    workspace.combine(Some(start), terms, index, at, part);
                }
                Ok(())
            }),
            Work::Product { factors: [a, b], out } => self.write(*out, at, |workspace, parts| {
                let (left, right) = (workspace.parts(*a, at), workspace.parts(*b, at));
                modular::convolve(at.q, &left[..a.parts], &right[..b.parts], parts);
                Ok(())
            }),
            Work::AddProduct { sum, coefficient, factors: [a, b] } => {
                let (left, right) = (self.parts(*a, at), self.parts(*b, at));
                let mut tail = tail(&mut sums[*sum], at);
                let total = modular::convolve_accumulate(
                    at.q,
                    coefficient * at.sign,
                    &left[..a.parts],
                    &right[..b.parts],
                    &mut tail[..a.parts + b.parts - 2],
                );
                self.pending[*sum] += i128::from(total);
                Ok(())
            }
            Work::AddLinear { sum, constant, terms } => {
                let mut total = i128::try_from(self.chunk).unwrap_or(0) * i128::from(*constant);
                for &(coefficient, term) in terms {
                    let slots = modular::sum(at.q, self.part(term, 0, at));
                    total += i128::from(slots) * i128::from(coefficient);
                }
                for (index, part) in tail(&mut sums[*sum], at).iter_mut().enumerate() {
                    if !part.is_empty() {
                        self.combine(None, terms, index + 1, at, part);
                    }
                }
                self.pending[*sum] += total * i128::from(at.sign);
                Ok(())
            }
        }
    }

    /// Part `index` of a combination: from a constant, or added with the sign at hand.
    fn combine(
        &self,
        constant: Option<i64>,
        terms: &[(i64, Operand)],
        index: usize,
        at: &At,
        out: &mut [u64],
    ) {
        let mut begun = false;
        let mut list: [(i64, &[u64]); TERMS] = [(0, &[]); TERMS];
        let mut count = 0;
        let mut flush = |list: &[(i64, &[u64])]| match constant {
            Some(constant) if !std::mem::replace(&mut begun, true) => {
                modular::linear(at.q, constant, list, out);
            }
            _ => modular::linear_accumulate(at.q, list, out),
        };
        let sign = if constant.is_some() { 1 } else { at.sign };
        for &(coefficient, term) in terms.iter().filter(|(_, term)| index < term.parts) {
            list[count] = (coefficient * sign, self.part(term, index, at));
            count += 1;
            if count == TERMS {
                flush(&list);
                count = 0;
            }
        }
        if count > 0 || constant.is_some() {
            flush(&list[..count]);
        }
    }

    fn part(&self, operand: Operand, index: usize, at: &At) -> &[u64] {
        match operand.place {
            Place::Register(register) => {
                let start = index * (self.chunk + GAP);
                &self.registers[register][start..start + self.chunk]
            }
            Place::Whole(root) => match &self.values[root] {
                Some(value) => &value.parts[index][at.limb][at.rows.clone()],
                None => &[],
            },
        }
    }

    fn parts(&self, operand: Operand, at: &At) -> Parts<'_> {
        let mut parts: Parts<'_> = [&[]; MAX_PARTS];
        for (index, part) in parts.iter_mut().enumerate().take(operand.parts) {
            *part = self.part(operand, index, at);
        }
        parts
    }

    /// Lends the parts of a result while the workspace can be read.
    fn write(
        &mut self,
        out: Operand,
        at: &At,
        compute: impl FnOnce(&Self, &mut [&mut [u64]]) -> Result<(), Error>,
    ) -> Result<(), Error> {
        match out.place {
            Place::Register(register) => {
                let mut buffer = std::mem::take(&mut self.registers[register]);
                let mut parts = lend(buffer.chunks_mut(self.chunk + GAP).map(|part| &mut part[..self.chunk]));
                let outcome = compute(self, &mut parts[..out.parts]);
                self.registers[register] = buffer;
                outcome
            }
            Place::Whole(root) => {
                let mut value =
                    self.values[root].take().ok_or(Error::Internal("a whole value has no place"))?;
                let mut parts = lend(value.parts.iter_mut().map(|part| &mut part[at.limb][at.rows.clone()]));
                let outcome = compute(self, &mut parts[..out.parts]);
                self.values[root] = Some(value);
                outcome
            }
        }
    }
}

/// The rows at hand.
struct At {
    q: Modulus,
    limb: usize,
    rows: Range<usize>,
    sign: i64,
}

fn lend<'a>(parts: impl Iterator<Item = &'a mut [u64]>) -> [&'a mut [u64]; MAX_PARTS] {
    let mut lent: [&mut [u64]; MAX_PARTS] = Default::default();
    lent.iter_mut().zip(parts).for_each(|(slot, part)| *slot = part);
    lent
}

/// The parts of a sum that go with s and higher powers.
fn tail<'a>(sum: &'a mut Accumulator, at: &At) -> [&'a mut [u64]; MAX_PARTS] {
    lend(sum.tail.iter_mut().map(|part| &mut part[at.limb][at.rows.clone()]))
}
