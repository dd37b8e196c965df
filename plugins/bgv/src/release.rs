//! How sums leave: brought to the release level, hidden by a fresh encryption of zero with flooding noise,
//! and reduced to the one coefficient that holds the sum.
//!
//! The sum over slots is N times the constant coefficient: slot k holds m(zeta^(2k+1)) for a primitive 2N-th
//! root zeta mod t; the sum over k of zeta^((2k+1) j) is zeta^j times the sum over k of (zeta^(2j))^k, a
//! geometric series over all N-th roots, 0 unless j = 0, where it is N. By the same algebra modulo q, the
//! constant coefficient of any transformed polynomial is the mean of its values.

use hq_plugin_sdk::frame::{self, Kind};
use hq_plugin_sdk::plan::Release;
use rand::rngs::ChaCha20Rng;
use zeroize::Zeroizing;

use crate::error::Error;
use crate::execute::Accumulator;
use crate::key::{self, EvaluationKey};
use crate::modular;
use crate::params::Params;
use crate::poly::{Poly, Pool};
use crate::sample;
use crate::tables::Tables;
use crate::wire::{VERSION, pack, put_length};

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
    /// What is still to be added to the coefficients of c1: the error t e1 of the flooding, where it took place.
    error: Zeroizing<Vec<i64>>,
}

/// Checks that flooding noise leaves the sum readable.
///
/// # Errors
/// Message and noise, `t 2^bits`, exceed half the modulus of the release level.
pub fn check(params: &Params, release: Release) -> Result<(), Error> {
    #[expect(clippy::cast_precision_loss, reason = "t is below 2^26")]
    let log2_t = (params.t() as f64).log2();
    let needed = log2_t + f64::from(release.flood_bits) + 1.0;
    let impossible = release.level.limbs() > params.chain() || release.flood_bits > sample::MAX_FLOOD_BITS;
    if impossible || needed >= params.rns().log2_q(usize::from(release.level.0)) {
        return Err(Error::Flooding { flood_bits: release.flood_bits, level: release.level.0 });
    }
    Ok(())
}

/// Relinearizes where needed and divides down to `kept` primes, in one division. Of the first part only
/// the constant coefficient is carried.
///
/// # Errors
/// None that the schedule does not exclude.
pub fn lower(
    key: &EvaluationKey,
    pool: &mut Pool,
    tables: &Tables,
    sum: &Accumulator,
    kept: usize,
) -> Result<Lowered, Error> {
    let params = key.params();
    let rings = params.rings();
    let limbs = sum.constants.len();
    let mean = |ring: usize, total: u64| rings[ring].q.mul(total, rings[ring].degree_inverse);
    let mut constant: Vec<u64> = sum.constants.iter().enumerate().map(|(i, &total)| mean(i, total)).collect();
    match sum.tail.as_slice() {
        [c1] if limbs == kept => Ok(Lowered::new(constant, copy(pool, c1))),
        [c1] => {
            let division = tables.mod_switch(limbs, kept)?;
            let dropped = copy(pool, &c1[kept..]);
            let c1 = division.apply(params, pool, dropped, &c1[..kept]);
            let scalar = constant.split_off(kept);
            Ok(Lowered::new(division.apply_scalar(params, &scalar, &constant), c1))
        }
        [c1, c2] => {
            let (switch, division) = tables.key_switch(limbs, kept)?;
            let (out0, mut out1) = switch.apply(key, pool, c2, (None, c1));
            let indices = (0..limbs).chain(params.special());
            let mut body: Vec<u64> = out0
                .iter()
                .zip(indices)
                .map(|(limb, ring)| mean(ring, modular::sum(rings[ring].q, limb)))
                .collect();
            for ((body, &constant), ring) in body.iter_mut().zip(&constant).zip(rings) {
                *body = ring.q.add(*body, ring.q.mul(constant, key::special_product(params, ring.q)));
            }
            pool.recycle(out0);
            let dropped = out1.split_off(kept);
            let c1 = division.apply(params, pool, dropped, &out1);
            pool.recycle(out1);
            let scalar = body.split_off(kept);
            Ok(Lowered::new(division.apply_scalar(params, &scalar, &body), c1))
        }
        _ => Err(Error::Internal("a sum has neither two nor three parts")),
    }
}

fn copy(pool: &mut Pool, limbs: &[crate::poly::Limb]) -> Poly {
    limbs
        .iter()
        .map(|limb| {
            let mut out = pool.limb();
            out.copy_from_slice(limb);
            out
        })
        .collect()
}

impl Lowered {
    fn new(constant: Vec<u64>, c1: Poly) -> Self {
        Self { constant, c1, error: Zeroizing::default() }
    }

    /// Adds a fresh public-key encryption of zero, `(b u + t e0, a u + t e1)`, and to the constant
    /// coefficient t times a number uniform in [-2^flood_bits, 2^flood_bits]: what the custodian opens
    /// then depends on the sum alone (statistical distance at most noise / (t 2^flood_bits)).
    pub fn flood(&mut self, key: &EvaluationKey, pool: &mut Pool, release: Release, rng: &mut ChaCha20Rng) {
        let params = key.params();
        let degree = params.degree();
        let ephemeral = sample::ternary(rng, degree);
        let mut errors = sample::gaussian(rng, degree + 1);
        let body_error = errors.pop().map_or(0, i128::from);
        let t = i64::try_from(params.t()).unwrap_or(i64::MAX);
        // The sample is of coefficients: added to them, the error costs no transform.
        self.error = Zeroizing::new(errors.iter().map(|&e| t * i64::from(e)).collect());
        let noise = i128::from(params.t()) * (body_error + sample::flooding(rng, release.flood_bits));
        let (b, a) = key.public();
        let mut product = pool.limb();
        for (index, (constant, c1)) in self.constant.iter_mut().zip(&mut self.c1).enumerate() {
            let ring = &params.rings()[index];
            let u = key::lift(ring, &ephemeral, 1);
            product.copy_from_slice(&b[index]);
            modular::mul_assign(ring.q, &mut product, &u);
            let mean = ring.q.mul(modular::sum(ring.q, &product), ring.degree_inverse);
            *constant = ring.q.add(ring.q.add(*constant, mean), ring.q.residue(noise));
            modular::mul_accumulate(ring.q, c1, &a[index], &u);
        }
        pool.recycle([product]);
    }

    /// The sample of the constant coefficient: that of c1 s is `c1_0 s_0 - sum of c1_(N-j) s_j`.
    #[must_use]
    pub fn extract(self, params: &Params, pool: &mut Pool) -> Sample {
        let mut mask = Vec::with_capacity(self.c1.len());
        let mut error = pool.limb();
        for (limb, ring) in self.c1.into_iter().zip(params.rings()) {
            let mut limb = limb;
            ring.transform.inverse(&mut limb);
            modular::scale_assign(ring.q, &mut limb, ring.q.factor(ring.degree_inverse));
            if !self.error.is_empty() {
                modular::lift(ring.q, &self.error, &mut error);
                modular::add_assign(ring.q, &mut limb, &error);
            }
            if let [_, rest @ ..] = &mut *limb {
                rest.reverse();
                rest.iter_mut().for_each(|c| *c = ring.q.sub(0, *c));
            }
            mask.push(limb.to_vec());
            pool.recycle([limb]);
        }
        pool.recycle([error]);
        Sample { body: self.constant, mask }
    }
}

/// The frame of released samples: level, count, and packed residues.
#[must_use]
pub fn seal(key: &EvaluationKey, release: Release, samples: &[Sample]) -> Vec<u8> {
    let params = key.params();
    let mut payload = vec![VERSION, release.level.0];
    put_length(&mut payload, samples.len());
    for sample in samples {
        for (index, (&body, mask)) in sample.body.iter().zip(&sample.mask).enumerate() {
            payload.extend_from_slice(&body.to_le_bytes());
            pack(mask, params.residue_bits(index), &mut payload);
        }
    }
    frame::seal(Kind::Sums, key.id(), &payload)
}
