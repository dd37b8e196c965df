//! Runs workloads with keys that are thrown away, and takes their CPU time.

use cpu_time::ProcessTime;
use hq_plugin_sdk::backend::{BackendError, Fault, Session};
use hq_plugin_sdk::parameters::{Parameters, RnsParameters, RnsRequest};
use hq_plugin_sdk::plan::{Level, Plan};
use hq_plugin_sdk::verify::{self, Invalid, Shape};

use crate::backend::Backend;
use crate::error::{Result, refused};

use super::workload;

/// Sessions for each plan; the median counts.
const SESSIONS: usize = 3;

/// Blocks of a session. The first pays for fresh memory and tables, as it does in a query: most tables have few.
const BLOCKS: u64 = 2;

/// Security of the keys. Parameters fit it, since backends refuse others.
const SECURITY_BITS: u32 = 128;

/// A plan over one block with its times.
#[derive(Clone, Debug)]
pub(super) struct Timed {
    pub(super) plan: Plan,
    pub(super) shapes: Vec<Shape>,
    pub(super) rns: RnsParameters,
    /// CPU nanoseconds of the opening of a session.
    pub(super) open_ns: f64,
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
            relinearization_limbs: vec![u32::try_from(primes).unwrap_or(u32::MAX)],
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
            for plan in workload::all(&rns, level, BLOCKS).map_err(|error| broken(&error))? {
                timed.push(time(backend, &pair.evaluation, &frame, plan, &rns)?);
            }
        }
    }
    Ok(timed)
}

fn broken(error: &Invalid) -> crate::error::ClientError {
    refused("a workload")(BackendError::new(Fault::Plan, error.to_string()))
}

fn time(backend: &Backend, keys: &[u8], frame: &[u8], mut plan: Plan, rns: &RnsParameters) -> Result<Timed> {
    let shapes = verify::shapes(&plan).map_err(|error| broken(&error))?;
    let frames = vec![frame; plan.inputs.len()];
    let (mut of_open, mut of_blocks, mut of_finish) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..SESSIONS {
        let start = ProcessTime::now();
        let mut session = backend.evaluator.open(&plan, keys).map_err(refused("a workload"))?;
        of_open.push(start.elapsed().as_secs_f64());
        let start = ProcessTime::now();
        for _ in 0..BLOCKS {
            session.block(&frames).map_err(refused("a workload"))?;
        }
        of_blocks.push(start.elapsed().as_secs_f64());
        let start = ProcessTime::now();
        session.finish().map_err(refused("a workload"))?;
        of_finish.push(start.elapsed().as_secs_f64());
    }
    let median = |mut times: Vec<f64>| {
        times.sort_by(f64::total_cmp);
        times.get(times.len() / 2).map_or(0.0, |seconds| seconds * 1e9)
    };
    let blocks = u32::try_from(BLOCKS).map_or(1.0, f64::from);
    let (block_ns, finish_ns) = (median(of_blocks) / blocks, median(of_finish));
    let open_ns = median(of_open);
    // What was timed is one block.
    plan.rows = rns.ring_degree.into();
    Ok(Timed { plan, shapes, rns: rns.clone(), open_ns, block_ns, finish_ns })
}
