//! Pads of a plan with gates: numbers that hide each sum from who opens it, unless a gate lets them out.

use hq_plugin_sdk::backend::GateKeys;
use hq_plugin_sdk::host::EvaluatorPlugin;
use hq_plugin_sdk::plan::Plan;
use rand::TryRng;
use rand::rngs::SysRng;

use super::{Job, RunError};

/// What decides on a job's counts.
#[derive(Clone, Copy)]
pub(super) struct Gated<'a> {
    pub(super) backend: &'a EvaluatorPlugin,
    pub(super) keys: GateKeys<'a>,
}

impl<'a> Job<'a> {
    /// What decides on its counts; `None` where all may leave. Asked before anything is computed.
    pub(super) fn gated(&self) -> Result<Option<Gated<'a>>, RunError> {
        if self.plan.gates.is_none() {
            return Ok(None);
        }
        let missing = |missing| RunError::Ungated { missing };
        let backend = self.backend.gates().ok_or(missing("a backend that decides on them"))?;
        let keys = self.gates.ok_or(missing("the keys of a backend that decides on them"))?;
        Ok(Some(Gated { backend, keys }))
    }
}

/// A pad for each sum of each cell.
pub(super) struct Pads(pub(super) Vec<u64>);

impl Pads {
    /// Draws them, uniform modulo t.
    pub(super) fn draw(plan: &Plan) -> Result<Self, RunError> {
        let modulus = modulus(plan);
        plan.padded().iter().map(|_| below(modulus)).collect::<Result<_, _>>().map(Self)
    }

    /// The total of each sum.
    pub(super) fn of_sums(&self, plan: &Plan) -> Vec<u64> {
        plan.pad_of_each(&self.0, modulus(plan))
    }
}

fn modulus(plan: &Plan) -> u64 {
    plan.gated_parameters().map_or(1, |rns| rns.plaintext_modulus)
}

/// A secret number below another.
fn below(modulus: u64) -> Result<u64, RunError> {
    // Those above the last multiple are drawn again.
    let beyond = u64::MAX - u64::MAX % modulus.max(1);
    loop {
        let drawn = SysRng.try_next_u64().map_err(|_| RunError::Randomness)?;
        if drawn < beyond {
            return Ok(drawn % modulus.max(1));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::below;

    #[test]
    fn pads_are_below_the_modulus_and_differ() {
        let drawn: Vec<u64> = (0..64).filter_map(|_| below(12_289).ok()).collect();
        assert!(drawn.len() == 64 && drawn.iter().all(|&pad| pad < 12_289));
        assert!(drawn.iter().any(|&pad| pad != drawn[0]));
    }
}
