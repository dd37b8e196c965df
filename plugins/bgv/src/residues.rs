//! From residues back to one integer: modulo t exactly, or its size as a double.

use crate::modular::Modulus;
use crate::params::Params;

/// The first primes of the chain as a residue number system.
#[derive(Debug)]
pub struct Basis {
    primes: Vec<Modulus>,
    /// Inverse of the product of all primes before each, modulo it (Garner).
    inverses: Vec<u64>,
}

impl Basis {
    /// The first `limbs` primes.
    #[must_use]
    pub fn new(params: &Params, limbs: usize) -> Self {
        let primes: Vec<Modulus> = params.rings().iter().take(limbs).map(|ring| ring.q).collect();
        let inverse = |(i, &q): (usize, &Modulus)| {
            let product = primes.iter().take(i).fold(1, |product, p| q.mul(product, p.value() % q.value()));
            q.invert(product)
        };
        let inverses = primes.iter().enumerate().map(inverse).collect();
        Self { primes, inverses }
    }

    /// Mixed-radix digits d of `d_0 + d_1 q_0 + d_2 q_0 q_1 + ..`, of the integer or of its negative,
    /// whichever is nearer zero, and whether it is the negative.
    fn digits(&self, residues: &[u64]) -> (Vec<u64>, bool) {
        let negated: Vec<u64> = residues.iter().zip(&self.primes).map(|(&r, q)| q.sub(0, r)).collect();
        let (digits, opposite) = (self.garner(residues), self.garner(&negated));
        // x and Q - x: the smaller has the smaller digits, from the last.
        if opposite.iter().rev().lt(digits.iter().rev()) { (opposite, true) } else { (digits, false) }
    }

    fn garner(&self, residues: &[u64]) -> Vec<u64> {
        let mut digits: Vec<u64> = Vec::with_capacity(residues.len());
        for ((&residue, &q), &inverse) in residues.iter().zip(&self.primes).zip(&self.inverses) {
            // Horner from the last digit found.
            let known = digits
                .iter()
                .zip(&self.primes)
                .rev()
                .fold(0, |sum, (&digit, p)| q.add(q.mul(sum, p.value() % q.value()), digit % q.value()));
            digits.push(q.mul(q.sub(residue, known), inverse));
        }
        digits
    }

    /// The centred integer modulo `t`.
    #[must_use]
    pub fn modulo(&self, residues: &[u64], t: u64) -> u64 {
        let (digits, negative) = self.digits(residues);
        let t = Modulus::new(t);
        let value = digits
            .iter()
            .zip(&self.primes)
            .rev()
            .fold(0, |sum, (&digit, p)| t.add(t.mul(sum, p.value() % t.value()), digit % t.value()));
        if negative { t.sub(0, value) } else { value }
    }

    /// The integer over the modulus, as a number of turns in 64 bits; rounded down.
    #[must_use]
    pub fn turns(&self, residues: &[u64]) -> u64 {
        let digits = self.garner(residues);
        digits.iter().zip(&self.primes).fold(0, |below, (&digit, q)| {
            let turns = ((u128::from(digit) << 64) | u128::from(below)) / u128::from(q.value());
            // A digit is below its prime.
            u64::try_from(turns).unwrap_or(u64::MAX)
        })
    }

    /// The size of the centred integer, to the precision of a double.
    #[must_use]
    #[expect(clippy::cast_precision_loss, reason = "a magnitude")]
    pub fn magnitude(&self, residues: &[u64]) -> f64 {
        let (digits, _) = self.digits(residues);
        digits
            .iter()
            .zip(&self.primes)
            .rev()
            .fold(0.0, |sum, (&digit, p)| sum * p.value() as f64 + digit as f64)
    }
}
