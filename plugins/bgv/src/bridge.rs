//! Sums for a scheme that computes on the torus: samples under the coefficients of s, in 64 bits of a turn.
//!
//! The phase `m + t e` of a sample modulo Q, times `1/t` modulo Q, is `-m / (Q t)` of Q up to a multiple of it and the noise
//! `(m + t e) / t`. So it holds m in the high bits, whichever multiple was taken before (`hq_plugin_sdk::gate::multiplier`).
#![deny(clippy::indexing_slicing)]

use hq_plugin_sdk::backend::Gated;
use hq_plugin_sdk::frame::{self, KeyId, Kind};
use hq_plugin_sdk::gate::multiplier;

use crate::error::Error;
use crate::execute::Session;
use crate::params::Params;
use crate::release::Sample;
use crate::residues::Basis;
use crate::wire::{VERSION, put_length, put_words};

/// A sample `(body, mask)` of a number on the torus: its phase is `body - <mask, s>`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Turns {
    /// The body.
    pub body: u64,
    /// N coefficients.
    pub mask: Vec<u64>,
}

/// Puts a released sum S on the torus, at `factor S / t`.
#[must_use]
pub fn turns(params: &Params, sample: &Sample, factor: u64) -> Turns {
    let limbs = sample.body.len();
    let basis = Basis::new(params, limbs);
    let multiplier = multiplier(params.rns(), limbs.saturating_sub(1), factor);
    let scalars: Vec<u64> = params
        .rings()
        .iter()
        .take(limbs)
        .map(|ring| {
            let t = ring.q.invert(params.t() % ring.q.value());
            ring.q.mul(ring.q.residue(i128::from(multiplier)), t)
        })
        .collect();
    let mut residues = vec![0; limbs];
    let mut turned = |coefficient: &dyn Fn(usize) -> u64| {
        for (index, ((residue, &scalar), ring)) in
            residues.iter_mut().zip(&scalars).zip(params.rings()).enumerate()
        {
            *residue = ring.q.mul(coefficient(index), scalar);
        }
        basis.turns(&residues)
    };
    let body = turned(&|limb| sample.body.get(limb).copied().unwrap_or(0));
    let at = |limb: usize, index: usize| sample.mask.get(limb).and_then(|mask| mask.get(index)).copied();
    let mask = (0..params.degree())
        .map(|index| turned(&|limb| at(limb, index).unwrap_or(0)).wrapping_neg())
        .collect();
    Turns { body, mask }
}

/// The frame of sums on the torus: dimension, count, and of each the body and the mask.
#[must_use]
pub fn seal(key: KeyId, degree: usize, samples: &[Turns]) -> Vec<u8> {
    let mut payload = vec![VERSION];
    put_length(&mut payload, degree);
    put_length(&mut payload, samples.len());
    for Turns { body, mask } in samples {
        put_words(&mut payload, &[*body]);
        put_words(&mut payload, mask);
    }
    frame::seal(Kind::Samples, key, &payload)
}

/// What leaves of a session of a plan with gates.
///
/// # Errors
/// The plan has none, or another number of sums, or as [`Session::finish`].
pub fn gated(session: &mut Session, pads: &[u64]) -> Result<Gated, Error> {
    let Some(wanted) = session.gates().map(<[_]>::to_vec) else {
        return Err(Error::Gates("the plan has no gates: its sums leave without pads"));
    };
    if pads.len() != session.sums().len() {
        return Err(Error::Gates("there are more or fewer pads than sums"));
    }
    Ok(Gated { samples: samples(session, &wanted)?, sums: session.finish_padded(pads)? })
}

/// The sums of a session on the torus, each by its factors: only for a scheme that decrypts nothing of them.
///
/// # Errors
/// There is no such sum.
pub fn samples(session: &mut Session, wanted: &[(usize, Vec<u64>)]) -> Result<Vec<u8>, Error> {
    let mut samples = Vec::new();
    for (sum, factors) in wanted {
        let sample = session.unflooded(*sum)?;
        let params = session.key().params();
        samples.extend(factors.iter().map(|&factor| turns(params, &sample, factor)));
    }
    let key = session.key();
    Ok(seal(key.id(), key.params().degree(), &samples))
}
