//! Division of a ciphertext by some of its primes: modulus switching, the end of key switching, or both
//! at once.

use crate::modular::{self, Factor, Source};
use crate::params::Params;
use crate::poly::{Limb, Poly, Pool};

/// Division by M, the product of the dropped primes, towards the kept primes. With delta the multiple
/// of t nearest zero that is congruent to c modulo M, c becomes (c - delta)/M: exact, the plaintext is
/// divided by M mod t, and the noise by M up to a rounding error of variance `(t^2/12)(1 + N 2/3)` per
/// coefficient (Gentry, Halevi, Smart, "Homomorphic evaluation of the AES circuit", 2012, section 3.1;
/// one rounding however many primes are dropped).
#[derive(Debug)]
pub struct Division {
    dropped: Vec<Dropped>,
    kept: Vec<Kept>,
}

#[derive(Debug)]
struct Dropped {
    ring: usize,
    reciprocal: f64,
    /// t^-1 (M/p)^-1 mod p, for coefficients.
    weight: u64,
    /// The same over N, for what the inverse transform leaves.
    transformed_weight: Factor,
}

#[derive(Debug)]
struct Kept {
    /// t p^-1 for each dropped p.
    weights: Vec<u64>,
    factors: Vec<Factor>,
    /// t.
    whole: Factor,
    /// M^-1.
    inverse: u64,
    inverse_factor: Factor,
}

impl Division {
    /// Division by the primes `dropped` towards the first `kept` primes of the chain.
    #[must_use]
    pub fn new(params: &Params, dropped: &[usize], kept: usize) -> Self {
        let rings = params.rings();
        let t = params.t();
        let source = |&ring: &usize| {
            let q = rings[ring].q;
            let product = dropped
                .iter()
                .filter(|&&other| other != ring)
                .fold(t % q.value(), |product, &other| q.mul(product, rings[other].q.value() % q.value()));
            let weight = q.invert(product);
            Dropped {
                ring,
                reciprocal: q.reciprocal(),
                weight,
                transformed_weight: q.factor(q.mul(weight, rings[ring].degree_inverse)),
            }
        };
        let target = |ring: usize| {
            let q = rings[ring].q;
            let inverses: Vec<u64> =
                dropped.iter().map(|&other| q.invert(rings[other].q.value() % q.value())).collect();
            let weights: Vec<u64> = inverses.iter().map(|&inverse| q.mul(inverse, t % q.value())).collect();
            let inverse = inverses.iter().fold(1, |product, &inverse| q.mul(product, inverse));
            Kept {
                factors: weights.iter().map(|&weight| q.factor(weight)).collect(),
                weights,
                whole: q.factor(t % q.value()),
                inverse,
                inverse_factor: q.factor(inverse),
            }
        };
        Self { dropped: dropped.iter().map(source).collect(), kept: (0..kept).map(target).collect() }
    }

    /// Division by P and by the chain's primes from `kept` up to `limbs`.
    #[must_use]
    pub fn key_switch(params: &Params, limbs: usize, kept: usize) -> Self {
        let dropped: Vec<usize> = (kept..limbs).chain(params.special()).collect();
        Self::new(params, &dropped, kept)
    }

    /// Divides one transformed part. `dropped` are its residues modulo the dropped primes, in the order
    /// given at the start, and are used up; `kept` are those modulo the kept primes.
    pub fn apply(&self, params: &Params, pool: &mut Pool, mut dropped: Poly, kept: &[Limb]) -> Poly {
        let rings = params.rings();
        for (limb, source) in dropped.iter_mut().zip(&self.dropped) {
            let ring = &rings[source.ring];
            ring.transform.inverse(limb);
            modular::scale_assign(ring.q, limb, source.transformed_weight);
        }
        let residues = dropped.iter().zip(&self.dropped).map(|(limb, source)| (&**limb, source.reciprocal));
        let mut quotients = pool.reals();
        modular::quotients(&residues.collect::<Vec<_>>(), &mut quotients);
        let mut sources = Vec::with_capacity(dropped.len());
        let mut out = Poly::with_capacity(kept.len());
        for ((target, ring), limb) in self.kept.iter().zip(rings).zip(kept) {
            sources.clear();
            sources.extend(
                dropped.iter().zip(&target.factors).map(|(residues, &factor)| Source { residues, factor }),
            );
            let mut remainder = pool.limb();
            modular::convert(ring.q, &sources, &quotients, target.whole, &mut remainder);
            ring.transform.forward(&mut remainder);
            modular::scale_sub_into(ring.q, limb, target.inverse_factor, &mut remainder);
            out.push(remainder);
        }
        pool.recycle(dropped);
        pool.recycle_reals([quotients]);
        out
    }

    /// Divides one coefficient: residues modulo the dropped and the kept primes.
    #[must_use]
    pub fn apply_scalar(&self, params: &Params, dropped: &[u64], kept: &[u64]) -> Vec<u64> {
        let rings = params.rings();
        let ys: Vec<u64> = dropped
            .iter()
            .zip(&self.dropped)
            .map(|(&residue, source)| rings[source.ring].q.mul(residue, source.weight))
            .collect();
        let quotient = ys
            .iter()
            .zip(&self.dropped)
            .map(|(&y, source)| modular::to_float(y) * source.reciprocal)
            .sum::<f64>();
        // At most the number of dropped primes.
        #[expect(clippy::cast_possible_truncation, reason = "a small integer")]
        let quotient = quotient.round() as i128;
        let divide = |((target, ring), &residue): ((&Kept, &crate::params::Ring), &u64)| {
            let q = ring.q;
            let sum =
                ys.iter().zip(&target.weights).fold(0, |sum, (&y, &weight)| q.add(sum, q.mul(y, weight)));
            let remainder = q.sub(sum, q.residue(quotient * i128::from(params.t())));
            q.sub(q.mul(residue, target.inverse), remainder)
        };
        self.kept.iter().zip(rings).zip(kept).map(divide).collect()
    }
}
