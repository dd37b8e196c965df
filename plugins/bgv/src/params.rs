//! Validated parameters: the ring, its primes with their transforms, and the security check.
//!
//! Primes q_1.. are 1 mod t, so dividing a ciphertext by one keeps its plaintext as it is: no correction
//! factor exists anywhere in this crate. Special primes need not be: key switching multiplies by P first.

use std::sync::{Arc, OnceLock};

use hq_plugin_sdk::capabilities::SecurityLimit;
use hq_plugin_sdk::parameters::{Parameters, RnsParameters, RnsRequest};

use crate::canonical::Canonical;
use crate::error::ParamsError;
use crate::modular::{MAX_BITS, Modulus};
use crate::primes::{is_exact, is_prime, next_exact_prime, next_prime};
use crate::transform::{self, Transform};

/// Bits of the largest plaintext modulus.
pub const MAX_PLAINTEXT_BITS: u32 = 26;
/// Primes of the chain at most.
const MAX_CHAIN: usize = 48;
/// Largest power of the secret with a relinearization key.
pub const MAX_RELINEARIZATION_DEGREE: u32 = 7;
/// Primes are at least 2 to this: words of 64 bits are reduced by them in doubles.
const MIN_BITS: u32 = 17;
/// Special primes, and primes per digit, at most.
const MAX_DIGIT: usize = 8;

/// Where [`security_table`] comes from.
pub const SECURITY_SOURCE: &str = "Bossuat et al., Security Guidelines for Implementing Homomorphic Encryption, 2024: \
                                   ternary secret, classical attacks";

/// Largest log2(QP) by ring degree and security level; see [`SECURITY_SOURCE`].
#[must_use]
pub fn security_table() -> Vec<SecurityLimit> {
    [(12, [106, 73, 56]), (13, [214, 147, 114]), (14, [430, 297, 230]), (15, [868, 597, 462])]
        .into_iter()
        .flat_map(|(log_degree, limits)| {
            [128, 192, 256].into_iter().zip(limits).map(move |(security_bits, max_log2_qp)| SecurityLimit {
                ring_degree: 1 << log_degree,
                security_bits,
                max_log2_qp,
            })
        })
        .collect()
}

/// Whether insecure parameters and seeded keys may be used: in this crate's unit tests, and in builds with
/// debug assertions where `HQ_TEST_PARAMETERS=1` is set. A release build refuses always.
#[must_use]
pub fn test_parameters_allowed() -> bool {
    let asked = || std::env::var_os("HQ_TEST_PARAMETERS").is_some_and(|value| value == "1");
    cfg!(test) || (cfg!(debug_assertions) && asked())
}

/// The ring modulo one prime.
#[derive(Debug)]
pub struct Ring {
    /// The prime.
    pub q: Modulus,
    /// Its transform.
    pub transform: LazyTransform,
    /// N^-1 mod q.
    pub degree_inverse: u64,
}

impl Ring {
    fn new(degree: usize, prime: u64) -> Self {
        let q = Modulus::new(prime);
        let transform = LazyTransform { degree, prime, made: OnceLock::new() };
        Self { q, transform, degree_inverse: q.invert(degree as u64 % prime) }
    }
}

/// A transform whose tables are made at its first use: many plans use few primes.
#[derive(Debug)]
pub struct LazyTransform {
    degree: usize,
    prime: u64,
    made: OnceLock<Box<dyn Transform>>,
}

impl LazyTransform {
    #[expect(clippy::expect_used, reason = "checked parameters have a transform for each prime")]
    fn get(&self) -> &dyn Transform {
        let make = || transform::select(self.degree, self.prime).expect("a prime that is 1 mod 2N");
        &**self.made.get_or_init(make)
    }

    /// As [`Transform::forward`].
    pub fn forward(&self, values: &mut [u64]) {
        self.get().forward(values);
    }

    /// As [`Transform::inverse`].
    pub fn inverse(&self, values: &mut [u64]) {
        self.get().inverse(values);
    }
}

/// Parameters that were checked; immutable and shared.
#[derive(Debug)]
pub struct Params {
    rns: RnsParameters,
    degree: usize,
    plaintext: Ring,
    rings: Vec<Ring>,
    canonical: OnceLock<Canonical>,
}

impl Params {
    /// Checks consistency and security.
    ///
    /// # Errors
    /// What does not hold.
    pub fn new(rns: &RnsParameters) -> Result<Arc<Self>, ParamsError> {
        check(rns)?;
        let degree = rns.ring_degree as usize;
        let rings = rns.moduli.iter().chain(&rns.special_moduli).map(|&prime| Ring::new(degree, prime));
        Ok(Arc::new(Self {
            degree,
            plaintext: Ring::new(degree, rns.plaintext_modulus),
            rings: rings.collect(),
            rns: rns.clone(),
            canonical: OnceLock::new(),
        }))
    }

    /// As [`Params::new`], for parameters of any backend.
    ///
    /// # Errors
    /// What does not hold.
    pub fn of(parameters: &Parameters) -> Result<Arc<Self>, ParamsError> {
        match parameters {
            Parameters::Rns(rns) => Self::new(rns),
            Parameters::Clear { .. } | Parameters::Tfhe(_) => Err(ParamsError::Scheme),
        }
    }

    /// The numbers they were made from.
    #[must_use]
    pub fn rns(&self) -> &RnsParameters {
        &self.rns
    }

    /// N: coefficients, slots, rows of a block.
    #[must_use]
    pub fn degree(&self) -> usize {
        self.degree
    }

    /// The plaintext ring modulo t.
    #[must_use]
    pub fn plaintext(&self) -> &Ring {
        &self.plaintext
    }

    /// t.
    #[must_use]
    pub fn t(&self) -> u64 {
        self.rns.plaintext_modulus
    }

    /// The primes of the chain, then the special primes.
    #[must_use]
    pub fn rings(&self) -> &[Ring] {
        &self.rings
    }

    /// Primes of the chain.
    #[must_use]
    pub fn chain(&self) -> usize {
        self.rns.moduli.len()
    }

    /// Indices of the special primes in [`Params::rings`].
    #[must_use]
    pub fn special(&self) -> std::ops::Range<usize> {
        self.chain()..self.rings.len()
    }

    /// Chain primes per key-switching digit.
    #[must_use]
    pub fn digit_limbs(&self) -> usize {
        self.rns.digit_limbs as usize
    }

    /// The canonical embedding of the ring.
    #[must_use]
    pub fn canonical(&self) -> &Canonical {
        self.canonical.get_or_init(|| Canonical::new(self.degree))
    }

    /// Bits that a residue of ring `index` takes on the wire.
    #[must_use]
    pub fn residue_bits(&self, index: usize) -> u32 {
        self.rings.get(index).map_or(0, |ring| ring.q.value().ilog2() + 1)
    }
}

fn check(rns: &RnsParameters) -> Result<(), ParamsError> {
    let degree = rns.ring_degree;
    if !degree.is_power_of_two() || !(64..=1 << 16).contains(&degree) {
        return Err(ParamsError::Degree(degree));
    }
    let step = 2 * u64::from(degree);
    let t = rns.plaintext_modulus;
    if t >= 1 << MAX_PLAINTEXT_BITS || t % step != 1 || !is_prime(t) {
        return Err(ParamsError::Plaintext(t));
    }
    if rns.moduli.is_empty() || rns.moduli.len() > MAX_CHAIN {
        return Err(ParamsError::Count("a chain has 1 to 48 primes"));
    }
    if rns.special_moduli.is_empty() || rns.special_moduli.len() > MAX_DIGIT {
        return Err(ParamsError::Count("key switching needs 1 to 8 special primes"));
    }
    let keys = rns.relinearization_limbs.as_slice();
    if keys.len() >= MAX_RELINEARIZATION_DEGREE as usize {
        return Err(ParamsError::Count("relinearization keys are for the powers of the secret from 2 to 7"));
    }
    let within = |&limbs: &u32| (1..=rns.moduli.len()).contains(&(limbs as usize));
    if !keys.iter().all(within) || !keys.is_sorted_by(|low, high| low >= high) {
        return Err(ParamsError::Count(
            "a relinearization key is for 1 prime of the chain to all, and for no more than that of a lower power",
        ));
    }
    if !(1..=MAX_DIGIT).contains(&(rns.digit_limbs as usize)) {
        return Err(ParamsError::Count("a key-switching digit has 1 to 8 primes"));
    }
    let mut seen = vec![t];
    for (index, &prime) in rns.moduli.iter().chain(&rns.special_moduli).enumerate() {
        let wrong = |reason| Err(ParamsError::Prime { prime, reason });
        if prime >= 1 << MAX_BITS {
            return wrong("it is not below 2^50");
        }
        if prime < 1 << MIN_BITS {
            return wrong("it is below 2^17");
        }
        if prime % step != 1 {
            return wrong("it is not 1 mod 2N");
        }
        if (1..rns.moduli.len()).contains(&index) && prime % t != 1 {
            return wrong("it is not 1 mod t, so modulus switching would change the plaintext");
        }
        if seen.contains(&prime) {
            return wrong("it occurs twice");
        }
        if !is_prime(prime) {
            return wrong("it is not a prime");
        }
        if !is_exact(prime) {
            return wrong("the transforms are not exact for it on every machine");
        }
        seen.push(prime);
    }
    check_security(rns)
}

fn check_security(rns: &RnsParameters) -> Result<(), ParamsError> {
    let (degree, security_bits) = (rns.ring_degree, rns.security_bits);
    if security_bits == 0 {
        return if test_parameters_allowed() { Ok(()) } else { Err(ParamsError::TestOnly) };
    }
    let limit = security_table()
        .into_iter()
        .find(|row| row.ring_degree == degree && row.security_bits == security_bits)
        .ok_or(ParamsError::NoLimit { degree, security_bits })?
        .max_log2_qp;
    let log2_qp = rns.log2_q(rns.moduli.len()) + rns.log2_p();
    if log2_qp <= f64::from(limit) {
        Ok(())
    } else {
        Err(ParamsError::Insecure { degree, security_bits, limit })
    }
}

/// Concrete parameters for a request: for each prime the smallest suitable one of at least the bits asked
/// for, all distinct; checked like any others.
///
/// # Errors
/// Where no such prime exists below 2^50, or the result is not secure.
pub fn resolve(request: &RnsRequest) -> Result<RnsParameters, ParamsError> {
    let degree = request.ring_degree;
    if !degree.is_power_of_two() || !(64..=1 << 16).contains(&degree) {
        return Err(ParamsError::Degree(degree));
    }
    if request.modulus_bits.len() > MAX_CHAIN || request.special_bits.len() > MAX_DIGIT {
        return Err(ParamsError::Count("the request is for too many primes"));
    }
    let step = 2 * u64::from(degree);
    let t = next_prime(request.min_plaintext_modulus, step, MAX_PLAINTEXT_BITS, &[])
        .ok_or(ParamsError::Plaintext(request.min_plaintext_modulus))?;
    let mut taken = vec![t];
    let mut search = |bits: u32, step: u64| {
        let none = ParamsError::NoPrime { bits, max_bits: MAX_BITS };
        let least = 1u64.checked_shl(bits.saturating_sub(1)).ok_or_else(|| none.clone())?;
        let prime = next_exact_prime(least, step, MAX_BITS, &taken).ok_or(none)?;
        taken.push(prime);
        Ok::<u64, ParamsError>(prime)
    };
    let mut moduli = Vec::with_capacity(request.modulus_bits.len());
    for (level, &bits) in request.modulus_bits.iter().enumerate() {
        moduli.push(search(bits, if level == 0 { step } else { step * t })?);
    }
    let special_moduli =
        request.special_bits.iter().map(|&bits| search(bits, step)).collect::<Result<_, _>>()?;
    let rns = RnsParameters {
        ring_degree: degree,
        plaintext_modulus: t,
        moduli,
        special_moduli,
        digit_limbs: request.digit_limbs,
        relinearization_limbs: request.relinearization_limbs.clone(),
        security_bits: request.security_bits,
    };
    check(&rns)?;
    Ok(rns)
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests stop at the first surprise")]
    use super::*;

    fn request() -> RnsRequest {
        RnsRequest {
            ring_degree: 1 << 13,
            min_plaintext_modulus: 65537,
            modulus_bits: vec![32, 33, 33],
            special_bits: vec![40],
            digit_limbs: 1,
            relinearization_limbs: vec![3],
            security_bits: 128,
        }
    }

    #[test]
    fn a_request_becomes_secure_parameters() {
        let rns = resolve(&request()).unwrap();
        assert_eq!(rns.plaintext_modulus, 65537);
        assert!(rns.moduli.iter().skip(1).all(|q| q % 65537 == 1));
        let params = Params::new(&rns).unwrap();
        assert_eq!((params.chain(), params.special(), params.degree()), (3, 3..4, 8192));
    }

    #[test]
    fn insecure_or_inconsistent_parameters_are_refused() {
        let mut large = request();
        large.modulus_bits = vec![45; 6];
        assert!(matches!(resolve(&large), Err(ParamsError::Insecure { limit: 214, .. })));
        let good = resolve(&request()).unwrap();
        let mut twice = good.clone();
        twice.special_moduli = vec![twice.moduli[1]];
        assert!(Params::new(&twice).is_err());
        let mut other = good.clone();
        other.moduli.swap(0, 1);
        other.moduli[0] += 2;
        assert!(Params::new(&other).is_err());
        let mut none = good;
        none.security_bits = 100;
        assert!(matches!(Params::new(&none), Err(ParamsError::NoLimit { .. })));
    }
}
