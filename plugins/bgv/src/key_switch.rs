//! Hybrid key switching: from the part that goes with s^2 to two parts that go with 1 and s, modulo QP.
//!
//! Source: Han, Ki, "Better bootstrapping for approximate homomorphic encryption", 2020, section 3, with
//! the digits of Bajard, Eynard, Hasan, Zucca 2016: digit j of d is its residues modulo the primes of group
//! j, lifted exactly to the centred integer. The sum of digit j times g_j (P modulo group j, 0 elsewhere) is
//! P d modulo the ciphertext modulus, at whatever level, and 0 modulo P.

use crate::key::{EvaluationKey, digit_range, digits, special_product};
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

    /// Key switches `d2` and adds P times `first` and `second`: two parts modulo the ciphertext primes, then
    /// the special primes. `first` may be absent (then it counts as zero).
    pub fn apply(
        &self,
        key: &EvaluationKey,
        pool: &mut Pool,
        d2: &[Limb],
        (first, second): (Option<&[Limb]>, &[Limb]),
    ) -> (Poly, Poly) {
        let params = key.params();
        let coefficients = self.decompose(params, pool, d2);
        let quotients: Vec<Reals> =
            self.digits.iter().map(|digit| digit.quotients(params, pool, &coefficients)).collect();
        let mut lifted = pool.poly(self.digits.len());
        let (mut out0, mut out1) = (Poly::new(), Poly::new());
        for (position, &index) in self.rings.iter().enumerate() {
            let ring = &params.rings()[index];
            for ((digit, quotients), out) in self.digits.iter().zip(&quotients).zip(&mut lifted) {
                if let Some((factors, whole)) = &digit.lifts[position] {
                    let source = |(prime, &factor): (usize, &Factor)| Source {
                        residues: &coefficients[prime],
                        factor,
                    };
                    let sources: Vec<Source<'_>> = digit.primes.clone().zip(factors).map(source).collect();
                    modular::convert(ring.q, &sources, quotients, *whole, out);
                    ring.transform.forward(out);
                }
            }
            let mut values: Vec<&[u64]> = Vec::with_capacity(lifted.len());
            for (digit, lifted) in self.digits.iter().zip(&lifted) {
                // A prime's own digit is transformed already.
                values.push(if digit.lifts[position].is_some() { lifted } else { &d2[position] });
            }
            let keys = key.relinearization().iter().take(values.len());
            let keys: Vec<(&[u64], &[u64])> = keys.map(|(k0, k1)| (&*k0[index], &*k1[index])).collect();
            let starts = [self.start(position, first), self.start(position, Some(second))];
            let (mut acc0, mut acc1) = (pool.limb(), pool.limb());
            modular::inner_products(ring.q, &values, &keys, starts, (&mut acc0, &mut acc1));
            out0.push(acc0);
            out1.push(acc1);
        }
        pool.recycle(coefficients);
        pool.recycle(lifted);
        pool.recycle_reals(quotients);
        (out0, out1)
    }

    /// P times a part: zero modulo the special primes.
    fn start<'a>(&self, position: usize, part: Option<&'a [Limb]>) -> Scaled<'a> {
        let limb = part.and_then(|part| part.get(position));
        limb.zip(self.special.get(position)).map(|(limb, &factor)| (&**limb, factor))
    }

    /// The coefficients of d2 modulo each prime, weighted for the lift of their digit.
    fn decompose(&self, params: &Params, pool: &mut Pool, d2: &[Limb]) -> Poly {
        let mut out = Poly::with_capacity(self.limbs);
        for digit in &self.digits {
            for (prime, &weight) in digit.primes.clone().zip(&digit.weights) {
                let ring = &params.rings()[prime];
                let mut limb = pool.limb();
                limb.copy_from_slice(&d2[prime]);
                ring.transform.inverse(&mut limb);
                modular::scale_assign(ring.q, &mut limb, weight);
                out.push(limb);
            }
        }
        out
    }
}
