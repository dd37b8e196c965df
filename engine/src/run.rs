//! The run of a plan on a backend, block by block: memory does not grow with the table.

use std::collections::BTreeMap;
use std::ops::ControlFlow;

use cpu_time::ProcessTime;
use hq_plugin_sdk::backend::{BackendError, Session};
use hq_plugin_sdk::host::EvaluatorPlugin;
use hq_plugin_sdk::plan::{Input, Origin, Plan};

/// Where encrypted blocks come from.
pub trait BlockSource {
    /// Number of blocks.
    fn blocks(&self) -> u64;

    /// One block: for each input of the plan that the table holds, in its order, the frame of the block's rows.
    ///
    /// # Errors
    /// What is wrong with the source, for the operator.
    fn block(&mut self, index: u64) -> Result<Vec<Vec<u8>>, SourceError>;
}

/// A block that cannot be had.
#[derive(Debug, thiserror::Error)]
#[error("{place}: {reason}")]
pub struct SourceError {
    /// File and part.
    pub place: String,
    /// What is wrong there.
    pub reason: String,
}

/// How far a run is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Progress {
    /// Blocks done.
    pub done: u64,
    /// Blocks in all.
    pub blocks: u64,
}

/// Why a run ended without a result.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// The backend refused something.
    #[error("{place}: {source}")]
    Backend {
        /// What it was working on.
        place: String,
        /// What it says.
        source: BackendError,
    },
    /// A block could not be read.
    #[error(transparent)]
    Source(#[from] SourceError),
    /// An input was not given.
    #[error("the plan reads `{input}`, which was not given")]
    Missing {
        /// The input.
        input: String,
    },
    /// The caller stopped it.
    #[error("stopped after {done} of {blocks} blocks")]
    Cancelled {
        /// Blocks done.
        done: u64,
        /// Blocks in all.
        blocks: u64,
    },
}

/// Encrypted sums, and what they cost.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// The backend's frame of all sums.
    pub sums: Vec<u8>,
    /// CPU seconds of the backend, reading excluded.
    pub server_cpu_s: f64,
    /// Wall-clock seconds of the backend, reading excluded.
    pub server_s: f64,
    /// Bytes of ciphertext read.
    pub bytes_read: u64,
}

/// Frames of secret parameters, by the name of the plan's input.
pub type SealedParameters = BTreeMap<String, Vec<u8>>;

/// Runs a certified plan. `progress` is called after each block and may stop the run.
///
/// # Errors
/// See [`RunError`].
pub fn run(
    plan: &Plan,
    backend: &EvaluatorPlugin,
    evaluation_key: &[u8],
    parameters: &SealedParameters,
    source: &mut dyn BlockSource,
    progress: &mut dyn FnMut(Progress) -> ControlFlow<()>,
) -> Result<Outcome, RunError> {
    let at = |place: String| move |source| RunError::Backend { place, source };
    let mut clock = Clock::default();
    let mut session = clock
        .time(|| backend.open(plan, evaluation_key))
        .map_err(at("plan and evaluation keys".to_owned()))?;
    let blocks = source.blocks();
    let mut bytes_read = 0;
    for index in 0..blocks {
        let inputs = source.block(index)?;
        bytes_read += inputs.iter().map(|frame| frame.len() as u64).sum::<u64>();
        let views = views(plan, parameters, &inputs)?;
        clock.time(|| session.block(&views)).map_err(at(format!("block {index}")))?;
        let done = index + 1;
        if progress(Progress { done, blocks }).is_break() {
            return Err(RunError::Cancelled { done, blocks });
        }
    }
    let sums = clock.time(|| session.finish()).map_err(at("release".to_owned()))?;
    Ok(Outcome { sums, server_cpu_s: clock.cpu_s, server_s: clock.wall_s, bytes_read })
}

/// All inputs of a block in the plan's order.
fn views<'a>(
    plan: &Plan,
    parameters: &'a SealedParameters,
    block: &'a [Vec<u8>],
) -> Result<Vec<&'a [u8]>, RunError> {
    let mut block = block.iter();
    let missing = |input: &Input| RunError::Missing { input: input.name.clone() };
    plan.inputs
        .iter()
        .map(|input| {
            let frame = match input.origin {
                Origin::Table => block.next(),
                Origin::Parameter => parameters.get(&input.name),
            };
            frame.map(Vec::as_slice).ok_or_else(|| missing(input))
        })
        .collect()
}

#[derive(Default)]
struct Clock {
    cpu_s: f64,
    wall_s: f64,
}

impl Clock {
    fn time<T>(&mut self, work: impl FnOnce() -> T) -> T {
        let (cpu, wall) = (ProcessTime::now(), std::time::Instant::now());
        let result = work();
        self.cpu_s += cpu.elapsed().as_secs_f64();
        self.wall_s += wall.elapsed().as_secs_f64();
        result
    }
}
