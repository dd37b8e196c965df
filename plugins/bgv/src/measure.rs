//! Noise measured with the secret key, for tests and explanations. What is measured is
//! `v = c0 + c1 s + c2 s^2 + .. mod Q`, centred: message and noise together, right while below Q/2.

use std::sync::Arc;

use hq_plugin_sdk::backend::Measurement;
use hq_plugin_sdk::plan::Plan;

use crate::ciphertext::Ciphertext;
use crate::decrypt::{self, phase};
use crate::error::Error;
use crate::evaluation_key::EvaluationKey;
use crate::execute::Session;
use crate::key::SecretKey;
use crate::modular;
use crate::residues::Basis;
use crate::schedule::Mode;

/// Size of v's coefficients over the blocks so far.
#[derive(Clone, Copy, Debug, Default)]
struct Size {
    max: f64,
    sum_of_squares: f64,
    count: f64,
}

/// Runs a plan node by node and measures every value and every released sample.
///
/// # Errors
/// As those of a session.
pub fn measure(
    secret: &SecretKey,
    key: Arc<EvaluationKey>,
    plan: &Plan,
    blocks: &[Vec<&[u8]>],
) -> Result<Measurement, Error> {
    if secret.id() != key.id() {
        return Err(Error::PlanParams);
    }
    let mut session = Session::open(plan, key, Mode::EveryNode)?;
    let views = session.schedule().views.clone();
    let mut sizes = vec![Size::default(); views.len()];
    for block in blocks {
        session.block_observed(block, &mut |root, value| {
            for (size, view) in sizes.iter_mut().zip(&views) {
                if view.root == root {
                    size.include(secret, value, view.limbs);
                }
            }
        })?;
    }
    let before: Vec<f64> = (0..session.sums().len())
        .map(|index| {
            let sample = session.unflooded(index)?;
            Ok(Basis::new(secret.params(), sample.body.len()).magnitude(&phase(secret, &sample)).log2())
        })
        .collect::<Result<_, Error>>()?;
    let released = decrypt::phases(secret, &session.finish_padded(&[])?)?;
    let after = |phase: &Vec<u64>| Basis::new(secret.params(), phase.len()).magnitude(phase).log2();
    Ok(Measurement {
        node_max_bits: sizes.iter().map(|size| size.max.log2()).collect(),
        node_stddev_bits: sizes.iter().map(|size| (size.sum_of_squares / size.count).log2() / 2.0).collect(),
        sum_bits: released.iter().map(after).collect(),
        sum_bits_before_flooding: before,
    })
}

impl Size {
    fn include(&mut self, secret: &SecretKey, value: &Ciphertext, limbs: usize) {
        let params = secret.params();
        let basis = Basis::new(params, limbs);
        let mut coefficients = Vec::with_capacity(limbs);
        for (index, ring) in params.rings().iter().enumerate().take(limbs) {
            // Horner in s.
            let mut v = vec![0u64; params.degree()];
            for part in value.parts.iter().rev() {
                modular::mul_assign(ring.q, &mut v, secret.transformed(index));
                modular::add_assign(ring.q, &mut v, &part[index]);
            }
            ring.transform.inverse(&mut v);
            modular::scale_assign(ring.q, &mut v, ring.q.factor(ring.degree_inverse));
            coefficients.push(v);
        }
        for at in 0..params.degree() {
            let residues: Vec<u64> = coefficients.iter().map(|limb| limb[at]).collect();
            let magnitude = basis.magnitude(&residues);
            self.max = self.max.max(magnitude);
            self.sum_of_squares += magnitude * magnitude;
            self.count += 1.0;
        }
    }
}
