//! Hybrid key switching: from the parts that go with s^2, s^3, .. to two parts that go with 1 and s, modulo QP.
//!
//! Source: Han, Ki, "Better bootstrapping for approximate homomorphic encryption", 2020, section 3, with
//! the digits of Bajard, Eynard, Hasan, Zucca 2016: digit j of d is its residues modulo the primes of group
//! j, lifted exactly to the centred integer. The sum of digit j times g_j (P modulo group j, 0 elsewhere) is
//! P d modulo the ciphertext modulus, at whatever level, and 0 modulo P.

use crate::error::Error;
use crate::evaluation_key::EvaluationKey;
use crate::key::{digit_range, digits, special_product};
use crate::modular::{self, Factor, Scaled, Source};
use crate::params::Params;
use crate::poly::{Limb, Poly, Pool, Reals};

/// What key switching of ciphertexts with a given number of primes needs.
#[derive(Debug)]
pub struct KeySwitch {
    limbs: usize,
    /// Rings of the result: the first `limbs` of the chain, then the special ones.
    rings: Vec<usize>,
    digits: Vec<Digit>,
    /// P modulo each prime of the chain.
    special: Vec<Factor>,
}

#[derive(Debug)]
struct Digit {
    primes: std::ops::Range<usize>,
    /// (Q_j/q)^-1 N^-1 mod q for each prime q of the digit.
    weights: Vec<Factor>,
    /// For each ring of the result outside the digit: Q_j/q for each q, and Q_j.
    lifts: Vec<Option<(Vec<Factor>, Factor)>>,
}

/// A part to be switched, by digits.
struct Decomposed<'a> {
    /// Transformed.
    part: &'a [Limb],
    /// Its coefficients modulo each prime, weighted for the lift of their digit.
    coefficients: Poly,
    /// How often each digit's modulus goes into what its weighted residues lift to.
    quotients: Vec<Reals>,
}

impl Digit {
    /// How often Q_j goes into what its weighted residues lift to.
    fn quotients(&self, params: &Params, pool: &mut Pool, coefficients: &[Limb]) -> Reals {
        let source = |prime: usize| (&*coefficients[prime], params.rings()[prime].q.reciprocal());
        let sources: Vec<(&[u64], f64)> = self.primes.clone().map(source).collect();
        let mut out = pool.reals();
        modular::quotients(&sources, &mut out);
        out
    }
}

impl KeySwitch {
    /// Tables for ciphertexts with `limbs` primes.
    #[must_use]
    pub fn new(params: &Params, limbs: usize) -> Self {
        let all = params.rings();
        let rings: Vec<usize> = (0..limbs).chain(params.special()).collect();
        let make = |digit: usize| {
            let primes = digit_range(params, digit, limbs);
            // The product of the digit's primes but for `skip`, modulo a ring's prime.
            let product = |ring: usize, skip: Option<usize>| {
                let q = all[ring].q;
                primes
                    .clone()
                    .filter(|&prime| Some(prime) != skip)
                    .fold(1, |product, prime| q.mul(product, all[prime].q.value() % q.value()))
            };
            let weights = primes.clone().map(|prime| {
                let ring = &all[prime];
                ring.q.factor(ring.q.mul(ring.q.invert(product(prime, Some(prime))), ring.degree_inverse))
            });
            let lift = |&ring: &usize| {
                let q = all[ring].q;
                (!primes.contains(&ring)).then(|| {
                    let factors = primes.clone().map(|prime| q.factor(product(ring, Some(prime)))).collect();
                    (factors, q.factor(product(ring, None)))
                })
            };
            Digit {
                weights: weights.collect(),
                lifts: rings.iter().map(lift).collect(),
                primes: primes.clone(),
            }
        };
        let digits = (0..digits(params, limbs)).map(make).collect();
        let special =
            all.iter().take(limbs).map(|ring| ring.q.factor(special_product(params, ring.q))).collect();
        Self { limbs, rings, digits, special }
    }

    /// Key switches `tail`, the parts that go with s^2 and higher powers, and adds P times `first` and `second`:
    /// two parts modulo the ciphertext primes, then the special primes. `first` may be absent (then it counts
    /// as zero).
    ///
    /// # Errors
    /// The key lacks a power of the secret, or was not read for so many primes.
    pub fn apply(
        &self,
        key: &EvaluationKey,
        pool: &mut Pool,
        tail: &[&[Limb]],
        (first, second): (Option<&[Limb]>, &[Limb]),
    ) -> Result<(Poly, Poly), Error> {
        let params = key.params();
        let sources: Vec<Decomposed<'_>> =
            tail.iter().map(|part| self.decompose(params, pool, part)).collect();
        let mut lifted = pool.poly(tail.len() * self.digits.len());
        let (mut out0, mut out1) = (Poly::new(), Poly::new());
        for (position, &index) in self.rings.iter().enumerate() {
            let ring = &params.rings()[index];
            let pairs = sources
                .iter()
                .flat_map(|source| self.digits.iter().zip(&source.quotients).map(move |pair| (source, pair)));
            for ((source, (digit, quotients)), out) in pairs.zip(&mut lifted) {
                if let Some((factors, whole)) = &digit.lifts[position] {
                    let residues = source.coefficients[digit.primes.clone()].iter();
                    let list: Vec<Source<'_>> = residues
                        .zip(factors)
                        .map(|(residues, &factor)| Source { residues, factor })
                        .collect();
                    modular::convert(ring.q, &list, quotients, *whole, out);
                    ring.transform.forward(out);
                }
            }
            let (mut values, mut keys) = (Vec::with_capacity(lifted.len()), Vec::with_capacity(lifted.len()));
            let mut lifted = lifted.iter();
            for (power, source) in (2..).zip(&sources) {
                for (number, (digit, lifted)) in self.digits.iter().zip(&mut lifted).enumerate() {
                    // A prime's own digit is transformed already.
                    let own = digit.lifts[position].is_none();
                    values.push(if own { &*source.part[position] } else { &**lifted });
                    keys.push(key.relinearization(power, number, index)?);
                }
            }
            let starts = [self.start(position, first), self.start(position, Some(second))];
            let (mut acc0, mut acc1) = (pool.limb(), pool.limb());
            modular::inner_products(ring.q, &values, &keys, starts, (&mut acc0, &mut acc1));
            out0.push(acc0);
            out1.push(acc1);
        }
        pool.recycle(lifted);
        for source in sources {
            pool.recycle(source.coefficients);
            pool.recycle_reals(source.quotients);
        }
        Ok((out0, out1))
    }

    /// P times a part: zero modulo the special primes.
    fn start<'a>(&self, position: usize, part: Option<&'a [Limb]>) -> Scaled<'a> {
        let limb = part.and_then(|part| part.get(position));
        limb.zip(self.special.get(position)).map(|(limb, &factor)| (&**limb, factor))
    }

    fn decompose<'a>(&self, params: &Params, pool: &mut Pool, part: &'a [Limb]) -> Decomposed<'a> {
        let mut coefficients = Poly::with_capacity(self.limbs);
        for digit in &self.digits {
            for (prime, &weight) in digit.primes.clone().zip(&digit.weights) {
                let ring = &params.rings()[prime];
                let mut limb = pool.limb();
                limb.copy_from_slice(&part[prime]);
                ring.transform.inverse(&mut limb);
                modular::scale_assign(ring.q, &mut limb, weight);
                coefficients.push(limb);
            }
        }
        let quotients =
            self.digits.iter().map(|digit| digit.quotients(params, pool, &coefficients)).collect();
        Decomposed { part, coefficients, quotients }
    }
}
