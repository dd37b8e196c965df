//! How sums leave: brought to the release level, hidden by a fresh encryption of zero with flooding noise,
//! and reduced to the one coefficient that holds the sum.
//!
//! The sum over slots is N times the constant coefficient: slot k holds m(zeta^(2k+1)) for a primitive 2N-th
//! root zeta mod t; the sum over k of zeta^((2k+1) j) is zeta^j times the sum over k of (zeta^(2j))^k, a
//! geometric series over all N-th roots, 0 unless j = 0, where it is N. By the same algebra modulo q, the
//! constant coefficient of any transformed polynomial is the mean of its values.

use hq_plugin_sdk::frame::{Kind, Sealing};
use hq_plugin_sdk::plan::Release;
use rand::rngs::ChaCha20Rng;
use zeroize::{Zeroize, Zeroizing};

use crate::error::Error;
use crate::evaluation_key::EvaluationKey;
use crate::execute::Accumulator;
use crate::key;
use crate::modular;
use crate::params::{Params, Ring};
use crate::poly::{Limb, Poly, Pool};
use crate::sample;
use crate::tables::Tables;
use crate::wire::{VERSION, pack, packed_bytes, put_length};

/// One LWE sample under the coefficients of s: `body + <mask, s> = m + t e` modulo each prime up to the
/// release level, where N m mod t is the sum.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sample {
    /// Residues of the body by prime.
    pub body: Vec<u64>,
    /// Residues of the mask by prime, N each.
    pub mask: Vec<Vec<u64>>,
}

/// A sum at the release level: the constant coefficient of c0, and c1.
#[derive(Debug)]
pub struct Lowered {
    constant: Vec<u64>,
    c1: Poly,
}

/// Checks that flooding noise leaves the sum readable.
///
/// # Errors
/// Message and noise, `t 2^bits`, exceed half the modulus of the release level.
pub fn check(params: &Params, release: Release) -> Result<(), Error> {
    #[expect(clippy::cast_precision_loss, reason = "t is below 2^26")]
    let log2_t = (params.t() as f64).log2();
    let needed = log2_t + f64::from(release.flood_bits) + 1.0;
    let impossible =
        release.relinearize.limbs() > params.chain() || release.flood_bits > sample::MAX_FLOOD_BITS;
    if impossible || needed >= params.rns().log2_q(usize::from(release.level.0)) {
        return Err(Error::Flooding { flood_bits: release.flood_bits, level: release.level.0 });
    }
    Ok(())
}

/// Brings a sum to the release level: where it has more than two parts, down to the level at which it is
/// relinearized, and with P the rest of the way in one division. Of the first part only the constant coefficient
/// is carried.
///
/// # Errors
/// None that the schedule does not exclude.
pub fn lower(
    key: &EvaluationKey,
    pool: &mut Pool,
    tables: &Tables,
    sum: &Accumulator,
    release: Release,
) -> Result<Lowered, Error> {
    let params = key.params();
    let rings = params.rings();
    let (kept, middle) = (release.level.limbs(), release.relinearize.limbs());
    let mean = |ring: usize, total: u64| rings[ring].q.mul(total, rings[ring].degree_inverse);
    let mut constant: Vec<u64> = sum.constants.iter().enumerate().map(|(i, &total)| mean(i, total)).collect();
    let to = if sum.tail.len() > 1 { middle } else { kept };
    let limbs = constant.len().min(to);
    let mut divided = Vec::new();
    if limbs < constant.len() {
        let division = tables.mod_switch(constant.len(), limbs)?;
        for part in &sum.tail {
            let dropped = pool.copy(&part[limbs..]);
            divided.push(division.apply(params, pool, dropped, &part[..limbs]));
        }
        let scalar = constant.split_off(limbs);
        constant = division.apply_scalar(params, &scalar, &constant);
    }
    let tail = if divided.is_empty() { &sum.tail } else { &divided };
    let [c1, powers @ ..] = tail.as_slice() else {
        return Err(Error::Internal("a sum has two parts at least"));
    };
    if powers.is_empty() {
        let c1 = if divided.is_empty() { pool.copy(c1) } else { divided.swap_remove(0) };
        return Ok(Lowered { constant, c1 });
    }
    let (switch, division) = tables.key_switch(limbs, kept)?;
    let powers: Vec<&[Limb]> = powers.iter().map(Vec::as_slice).collect();
    let (out0, mut out1) = switch.apply(key, pool, &powers, (None, c1))?;
    pool.recycle(divided.into_iter().flatten());
    let indices = (0..limbs).chain(params.special());
    let mut body: Vec<u64> =
        out0.iter().zip(indices).map(|(limb, ring)| mean(ring, modular::sum(rings[ring].q, limb))).collect();
    for ((body, &constant), ring) in body.iter_mut().zip(&constant).zip(rings) {
        *body = ring.q.add(*body, ring.q.mul(constant, key::special_product(params, ring.q)));
    }
    pool.recycle(out0);
    let dropped = out1.split_off(kept);
    let c1 = division.apply(params, pool, dropped, &out1);
    pool.recycle(out1);
    let scalar = body.split_off(kept);
    Ok(Lowered { constant: division.apply_scalar(params, &scalar, &body), c1 })
}

impl Lowered {
    /// As a sum at the release level, of which nothing but that level is left to be brought to.
    #[must_use]
    pub fn into_sum(self, params: &Params) -> Accumulator {
        let Self { mut constant, c1 } = self;
        for (constant, ring) in constant.iter_mut().zip(params.rings()) {
            *constant = ring.q.mul(*constant, params.degree() as u64);
        }
        Accumulator { constants: constant, tail: vec![c1] }
    }

    /// Adds a number to the sum modulo t: what is encrypted is 1/N of it, from 0 to t - 1, which is below any flooding noise.
    pub fn pad(&mut self, params: &Params, pad: u64) {
        let t = params.plaintext();
        let message = t.q.mul(pad % t.q.value(), t.degree_inverse);
        for (constant, ring) in self.constant.iter_mut().zip(params.rings()) {
            *constant = ring.q.add(*constant, message % ring.q.value());
        }
    }

    /// The sample of the constant coefficient: that of c1 s is `c1_0 s_0 - sum of c1_(N-j) s_j`.
    #[must_use]
    pub fn extract(self, params: &Params) -> Sample {
        let mut mask = Vec::with_capacity(self.c1.len());
        for (mut limb, ring) in self.c1.into_iter().zip(params.rings()) {
            ring.transform.inverse(&mut limb);
            let mut out = vec![0; limb.len()];
            mask_of(ring, &limb, &mut out);
            mask.push(out);
        }
        Sample { body: self.constant, mask }
    }
}

/// Adds what the inverse transform leaves of c1, negated, to `out`, and puts it in the order of the mask: to
/// `-e` on entry, this gives the mask of c1 + e.
fn mask_of(ring: &Ring, limb: &[u64], out: &mut [u64]) {
    let q = ring.q;
    modular::scale_add_assign(q, out, limb, q.factor(q.sub(0, ring.degree_inverse)));
    if let [first, rest @ ..] = out {
        *first = q.sub(0, *first);
        rest.reverse();
    }
}

/// Floods sums and writes their samples.
pub struct Sealer<'a> {
    key: &'a EvaluationKey,
    release: Release,
    frame: Sealing,
    /// Coefficients of the polynomial at hand, wiped at the end.
    wide: Zeroizing<Vec<i64>>,
}

impl<'a> Sealer<'a> {
    /// For `count` sums.
    #[must_use]
    pub fn new(key: &'a EvaluationKey, release: Release, count: usize) -> Self {
        let params = key.params();
        let limb = |index| 8 + packed_bytes(params.degree(), params.residue_bits(index));
        let sample: usize = (0..release.level.limbs()).map(limb).sum();
        let mut frame = Sealing::new(Kind::Sums, key.id(), 6 + count * sample);
        let payload = frame.payload();
        payload.extend_from_slice(&[VERSION, release.level.0]);
        put_length(payload, count);
        Self { key, release, frame, wide: Zeroizing::new(vec![0; params.degree()]) }
    }

    /// Adds a fresh public-key encryption of zero, `(b u + t e0, a u + t e1)`, and to the constant
    /// coefficient t times a number uniform in [-2^flood_bits, 2^flood_bits]: what the custodian opens
    /// then depends on the sum alone (statistical distance at most noise / (t 2^flood_bits)). Then writes the
    /// sample. Of b u and e0 only the constant coefficient is wanted; the sample is of coefficients, so that
    /// e1 costs no transform.
    pub fn flood_and_add(&mut self, mut sum: Lowered, pool: &mut Pool, rng: &mut ChaCha20Rng) {
        let params = self.key.params();
        let t = i64::try_from(params.t()).unwrap_or(i64::MAX);
        let (b, a) = self.key.public();
        let ephemeral = sample::ternary(rng, params.degree());
        self.wide.iter_mut().zip(&*ephemeral).for_each(|(wide, &u)| *wide = i64::from(u));
        let mut u = pool.limb();
        for (index, (constant, c1)) in sum.constant.iter_mut().zip(&mut sum.c1).enumerate() {
            let ring = &params.rings()[index];
            modular::lift(ring.q, &self.wide, &mut u);
            ring.transform.forward(&mut u);
            let slots =
                modular::convolve_accumulate(ring.q, 1, &[&b[index], &a[index]], &[&u], &mut [&mut *c1]);
            *constant = ring.q.add(*constant, ring.q.mul(slots, ring.degree_inverse));
            ring.transform.inverse(c1);
        }
        let mut errors = sample::gaussian(rng, params.degree() + 1);
        let body_error = errors.pop().map_or(0, i128::from);
        let noise = i128::from(params.t()) * (body_error + sample::flooding(rng, self.release.flood_bits));
        self.wide.iter_mut().zip(&*errors).for_each(|(wide, &e)| *wide = t * i64::from(e));
        for (index, (&constant, c1)) in sum.constant.iter().zip(&sum.c1).enumerate() {
            let ring = &params.rings()[index];
            // The sign of an error does not matter.
            modular::lift(ring.q, &self.wide, &mut u);
            mask_of(ring, c1, &mut u);
            let body = ring.q.add(constant, ring.q.residue(noise));
            self.add_limb(index, body, &u);
        }
        u.zeroize();
        pool.recycle([u]);
        pool.recycle(sum.c1);
    }

    /// Writes a sample as it is.
    pub fn add(&mut self, sample: &Sample) {
        for (index, (&body, mask)) in sample.body.iter().zip(&sample.mask).enumerate() {
            self.add_limb(index, body, mask);
        }
    }

    fn add_limb(&mut self, index: usize, body: u64, mask: &[u64]) {
        let payload = self.frame.payload();
        payload.extend_from_slice(&body.to_le_bytes());
        pack(mask, self.key.params().residue_bits(index), payload);
    }

    /// The frame: level, count, and packed residues.
    #[must_use]
    pub fn seal(self) -> Vec<u8> {
        self.frame.seal()
    }
}
