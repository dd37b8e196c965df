//! Runs workloads with keys that are thrown away, and takes their CPU time.

use cpu_time::ProcessTime;
use hq_plugin_sdk::backend::{BackendError, Fault, Session};
use hq_plugin_sdk::parameters::{Parameters, RnsParameters, RnsRequest};
use hq_plugin_sdk::plan::{Level, Plan};
use hq_plugin_sdk::verify::{self, Invalid, Shape};

use crate::backend::Backend;
use crate::error::{Result, refused};

use super::workload;

/// Runs of each plan; the quickest counts, since whatever else the machine does only adds.
const RUNS: usize = 5;

/// Security of the keys. Parameters fit it, since backends refuse others.
const SECURITY_BITS: u32 = 128;

/// A plan over one block with its times.
#[derive(Clone, Debug)]
pub(super) struct Timed {
    pub(super) plan: Plan,
    pub(super) shapes: Vec<Shape>,
    pub(super) rns: RnsParameters,
    /// CPU nanoseconds of the block.
    pub(super) block_ns: f64,
    /// CPU nanoseconds of the release.
    pub(super) finish_ns: f64,
}

/// Primes of the chain, primes of a digit, special primes: as many as the security of a ring degree leaves room for.
fn keys(degree: u32) -> &'static [(usize, u32, usize)] {
    if degree < 1 << 14 { &[(3, 1, 1), (3, 2, 1)] } else { &[(6, 1, 1), (6, 2, 1), (5, 3, 2)] }
}

/// Times all workloads at a ring degree, at the top of the chain and near the release.
pub(super) fn all(backend: &Backend, degree: u32) -> Result<Vec<Timed>> {
    let mut timed = Vec::new();
    for &(primes, digit_limbs, specials) in keys(degree) {
        let request = RnsRequest {
            ring_degree: degree,
            min_plaintext_modulus: 65_537,
            modulus_bits: vec![44; primes],
            special_bits: vec![49; specials],
            digit_limbs,
            relinearization_degree: 2,
            security_bits: SECURITY_BITS,
        };
        let rns = backend.evaluator.resolve(&request).map_err(refused("parameters to calibrate with"))?;
        let pair =
            backend.custody.keygen(&Parameters::Rns(rns.clone()), None).map_err(refused("key generation"))?;
        let key = backend.custody.load_key(&pair.secret).map_err(refused("the secret key"))?;
        let rows = usize::try_from(degree).unwrap_or(0);
        let frame = key.encrypt(&vec![1; rows]).map_err(refused("encryption"))?;
        let top = u8::try_from(primes - 1).unwrap_or(u8::MAX);
        let mut levels = vec![Level(top), Level(2)];
        levels.dedup();
        for level in levels {
            for plan in workload::all(&rns, level).map_err(|error| broken(&error))? {
                timed.push(time(backend, &pair.evaluation, &frame, plan, &rns)?);
            }
        }
    }
    Ok(timed)
}

fn broken(error: &Invalid) -> crate::error::ClientError {
    refused("a workload")(BackendError::new(Fault::Plan, error.to_string()))
}

fn time(backend: &Backend, keys: &[u8], frame: &[u8], plan: Plan, rns: &RnsParameters) -> Result<Timed> {
    let shapes = verify::shapes(&plan).map_err(|error| broken(&error))?;
    let frames = vec![frame; plan.inputs.len()];
    let mut session = backend.evaluator.open(&plan, keys).map_err(refused("a workload"))?;
    let (mut block_ns, mut finish_ns) = (f64::INFINITY, f64::INFINITY);
    // The first run fills tables and pools.
    for run in 0..=RUNS {
        let start = ProcessTime::now();
        session.block(&frames).map_err(refused("a workload"))?;
        let block = start.elapsed();
        let start = ProcessTime::now();
        session.finish().map_err(refused("a workload"))?;
        let finish = start.elapsed();
        if run > 0 {
            block_ns = block_ns.min(block.as_secs_f64() * 1e9);
            finish_ns = finish_ns.min(finish.as_secs_f64() * 1e9);
        }
    }
    Ok(Timed { plan, shapes, rns: rns.clone(), block_ns, finish_ns })
}
