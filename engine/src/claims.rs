//! What a backend says of itself, held against what the planner knows: a description decides on certificates, so one that
//! claims more than is known to hold has no plan.

use std::ops::RangeInclusive;

use hq_plugin_sdk::capabilities::{Capabilities, InputForm, Leveled};

/// The noise model of leveled backends that certificates are made by.
const LEVELED_MODEL: &str = "bgv-canonical";

/// The noise model of backends with bootstraps.
const BOOTSTRAPPED_MODEL: &str = "tfhe-tuniform";

/// Standard deviation of errors that the security table is for.
const MIN_STDDEV: f64 = 3.19;

/// Bits of primes that residues are computed modulo.
const PRIME_BITS: RangeInclusive<u32> = 17..=62;

/// Bits of plaintext moduli.
const PLAINTEXT_BITS: RangeInclusive<u32> = 2..=62;

/// Largest log2(QP) of a ternary secret at 128, 192 and 256 bits of classical security, by log2 of the ring degree: Security
/// Guidelines for Implementing Homomorphic Encryption (2024), table 5.2.
const MOST_LOG2_QP: [(u32, [u32; 3]); 4] =
    [(12, [106, 73, 56]), (13, [214, 147, 114]), (14, [430, 297, 230]), (15, [868, 597, 462])];

/// A claim that does not hold. Each is a fault of the plugin.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum FalseClaim {
    /// No certificate can be made.
    #[error(
        "backend `{backend}` says that it encrypts, and describes no noise: nothing proves its numbers. This is a fault of the plugin"
    )]
    NoNoise {
        /// Its name.
        backend: String,
    },
    /// Noise where there are no ciphertexts.
    #[error(
        "backend `{backend}` describes noise, but takes columns in the clear. This is a fault of the plugin"
    )]
    NoCiphertexts {
        /// Its name.
        backend: String,
    },
    /// A model that nobody knows.
    #[error(
        "backend `{backend}` has the noise model `{found}`; certificates are made by `{known}` alone. This is a fault of the plugin, or it is for another version of hq"
    )]
    NoiseModel {
        /// Its name.
        backend: String,
        /// Its model.
        found: String,
        /// The known one.
        known: &'static str,
    },
    /// A security table that allows more than is known to be secure.
    #[error(
        "backend `{backend}` allows log2(QP) of {claimed} at degree {degree} and {security_bits} bits, where {known} is known to be secure. This is a fault of the plugin"
    )]
    Security {
        /// Its name.
        backend: String,
        /// Ring degree.
        degree: u32,
        /// Security in bits.
        security_bits: u32,
        /// What it allows.
        claimed: u32,
        /// What the guidelines allow; 0 where they say nothing.
        known: u32,
    },
    /// A number that is none, or too small or too large.
    #[error(
        "backend `{backend}` says that its {what} is {found}, which cannot be. This is a fault of the plugin"
    )]
    Number {
        /// Its name.
        backend: String,
        /// Which.
        what: &'static str,
        /// What it says.
        found: f64,
    },
}

/// Sees that a description claims nothing that is not known to hold.
///
/// # Errors
/// The first claim that does not.
pub fn check(capabilities: &Capabilities) -> Result<(), FalseClaim> {
    let backend = || capabilities.name.clone();
    let model = |found: &str, known: &'static str| {
        if found == known {
            return Ok(());
        }
        Err(FalseClaim::NoiseModel { backend: backend(), found: found.to_owned(), known })
    };
    if let Some(bootstrapped) = &capabilities.bootstrapped {
        return model(&bootstrapped.noise_model, BOOTSTRAPPED_MODEL);
    }
    match (&capabilities.leveled, capabilities.inputs) {
        (Some(leveled), InputForm::Parts) => {
            model(&leveled.noise_model, LEVELED_MODEL)?;
            check_leveled(&capabilities.name, leveled)
        }
        (Some(_), InputForm::Columns) => Err(FalseClaim::NoCiphertexts { backend: backend() }),
        (None, _) if capabilities.encrypted => Err(FalseClaim::NoNoise { backend: backend() }),
        (None, _) => Ok(()),
    }
}

fn check_leveled(backend: &str, leveled: &Leveled) -> Result<(), FalseClaim> {
    let numbers = [
        ("standard deviation of errors", leveled.error_stddev, MIN_STDDEV),
        ("bound of a fresh value's norm", leveled.fresh_norm_factor, 1.0),
        ("bound of the secret's norm", leveled.secret_norm_factor, 1.0),
    ];
    for (what, found, least) in numbers {
        if !found.is_finite() || found < least {
            return Err(FalseClaim::Number { backend: backend.to_owned(), what, found });
        }
    }
    let sizes = [
        ("widest prime in bits", leveled.max_modulus_bits, PRIME_BITS),
        ("widest plaintext modulus in bits", leveled.max_plaintext_bits, PLAINTEXT_BITS),
    ];
    for (what, found, known) in sizes {
        if !known.contains(&found) {
            return Err(FalseClaim::Number { backend: backend.to_owned(), what, found: f64::from(found) });
        }
    }
    for limit in leveled.security.iter().filter(|limit| limit.security_bits > 0) {
        let (degree, security_bits, claimed) = (limit.ring_degree, limit.security_bits, limit.max_log2_qp);
        let known = most_log2_qp(degree, security_bits);
        if claimed > known {
            let backend = backend.to_owned();
            return Err(FalseClaim::Security { backend, degree, security_bits, claimed, known });
        }
    }
    Ok(())
}

/// What the guidelines allow; 0 where they say nothing.
fn most_log2_qp(ring_degree: u32, security_bits: u32) -> u32 {
    let row = MOST_LOG2_QP.iter().find(|(log_degree, _)| 1 << log_degree == ring_degree);
    let column = [128, 192, 256].iter().position(|&bits| bits == security_bits);
    row.zip(column).and_then(|((_, limits), column)| limits.get(column).copied()).unwrap_or(0)
}
