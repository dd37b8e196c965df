//! The run of a plan on a backend, block by block and on several threads: memory does not grow with the table.
//!
//! A run goes in rounds. In a round the threads, each with a fork of the session, take blocks in their order; at
//! its end all blocks that were begun are done, and the forks are one session again, whose sums are those of the
//! first blocks of the table. A checkpoint is its state between two rounds.

mod clock;
mod pads;
mod round;
mod tables;

use std::collections::BTreeMap;
use std::num::NonZero;
use std::ops::ControlFlow;
use std::time::{Duration, Instant};

use hq_plugin_sdk::backend::{BackendError, GateKeys, Session};
use hq_plugin_sdk::host::{EvaluatorPlugin, PluginSession};
use hq_plugin_sdk::plan::{Origin, Plan};
use serde::{Deserialize, Serialize};

use self::clock::Clock;
use self::pads::Pads;
use self::round::Round;
pub use self::tables::run_tables;

/// Parts of a run's time, one in so many, that checkpoints may take.
const CHECKPOINT_SHARE: u32 = 20;

/// Where encrypted blocks come from.
pub trait BlockSource: Send {
    /// Number of blocks.
    fn blocks(&self) -> u64;

    /// One block: for each input of the plan that the table holds, in its order, the frame of the block's rows.
    /// What `frames` held before is memory to be used again.
    ///
    /// # Errors
    /// What is wrong with the source, for the operator.
    fn block(&mut self, index: u64, frames: &mut Vec<Vec<u8>>) -> Result<(), SourceError>;

    /// Where the damage is in a block that the backend refused; `None` where all of it is intact.
    fn blame(&self, _index: u64, _frames: &[Vec<u8>]) -> Option<SourceError> {
        None
    }
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

/// Told how far a run is after each block, and a few times a second where there are several threads. May stop it.
pub type Observer<'a> = &'a mut dyn FnMut(Progress) -> ControlFlow<()>;

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
    /// A block could not be read, or a checkpoint.
    #[error(transparent)]
    Source(#[from] SourceError),
    /// An input was not given.
    #[error("the plan reads `{input}`, which was not given")]
    Missing {
        /// The input.
        input: String,
    },
    /// A plan with gates, and nothing that decides on them.
    #[error("the plan lets small counts stay encrypted, which takes {missing}")]
    Ungated {
        /// What is not there.
        missing: &'static str,
    },
    /// The operating system gave no randomness.
    #[error("the operating system gives no random bytes")]
    Randomness,
    /// The state of a checkpoint is none that the backend goes on from.
    #[error("the checkpoint cannot be continued: {reason}")]
    Checkpoint {
        /// What is wrong with it.
        reason: String,
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

/// What the backend took so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Spent {
    /// CPU seconds of the backend over all threads, reading excluded.
    pub server_cpu_s: f64,
    /// Wall-clock seconds in which the backend was at work on any thread.
    pub server_s: f64,
    /// Bytes of ciphertext read.
    pub bytes_read: u64,
}

/// Encrypted sums, and what they cost.
#[derive(Clone, Debug, Default)]
pub struct Outcome {
    /// The backend's frame of all sums; of several tables, a frame for each.
    pub sums: Vec<u8>,
    /// What its gates let out, of a plan with gates.
    pub passed: Option<Vec<u8>>,
    /// That of interrupted runs before it included.
    pub spent: Spent,
}

/// A run between two rounds.
#[derive(Clone, Debug, PartialEq)]
pub struct Saved {
    /// Blocks done: the first ones of the table.
    pub done: u64,
    /// What they took.
    pub spent: Spent,
    /// The backend's frame of the session's state.
    pub state: Vec<u8>,
}

/// Where a run is kept, so that it can go on after an interruption.
pub trait Checkpoints {
    /// Least time from one to the next.
    fn every(&self) -> Duration;

    /// What an interrupted run of this very job left.
    ///
    /// # Errors
    /// What stands there instead.
    fn load(&mut self) -> Result<Option<Saved>, SourceError>;

    /// Keeps this one instead of those before.
    ///
    /// # Errors
    /// Why it cannot be kept; the run then ends.
    fn save(&mut self, saved: &Saved) -> Result<(), SourceError>;
}

/// Frames of secret parameters, by the name of the plan's input.
pub type SealedParameters = BTreeMap<String, Vec<u8>>;

/// What is to be run.
#[derive(Clone, Copy, Debug)]
pub struct Job<'a> {
    /// A certified plan.
    pub plan: &'a Plan,
    /// The backend.
    pub backend: &'a EvaluatorPlugin,
    /// Its frame of evaluation keys.
    pub evaluation_key: &'a [u8],
    /// Secret parameters of the plan.
    pub parameters: &'a SealedParameters,
    /// Keys of the gates, where the plan has some.
    pub gates: Option<GateKeys<'a>>,
    /// Blocks that are computed at once; with one, the calling thread does everything.
    pub threads: NonZero<usize>,
}

/// Runs a plan over all blocks of a source. At most two blocks more than there are threads are in memory.
///
/// # Errors
/// See [`RunError`]. What was done is saved first, unless one thread failed while others went on.
pub fn run(
    job: Job<'_>,
    source: &mut dyn BlockSource,
    mut checkpoints: Option<&mut dyn Checkpoints>,
    observer: Observer<'_>,
) -> Result<Outcome, RunError> {
    for input in job.plan.inputs.iter().filter(|input| input.origin == Origin::Parameter) {
        if !job.parameters.contains_key(&input.name) {
            return Err(RunError::Missing { input: input.name.clone() });
        }
    }
    let gates = job.gated()?;
    let clock = Clock::default();
    let opened = clock.time(|| job.backend.open(job.plan, job.evaluation_key));
    let mut session = opened.map_err(at("plan and evaluation keys"))?;
    let blocks = source.blocks();
    let mut done = 0;
    let mut every = Duration::MAX;
    if let Some(checkpoints) = &mut checkpoints {
        every = checkpoints.every();
        if let Some(saved) = checkpoints.load()? {
            done = take_up(&mut session, &saved, blocks)?;
            clock.add(saved.spent);
        }
    }
    let _ = observer(Progress { done, blocks });
    while done < blocks {
        let deadline = Instant::now().checked_add(every);
        let round = Round { job, clock: &clock, first: done, blocks, deadline };
        let threads =
            usize::try_from(blocks - done).map_or(job.threads.get(), |left| left.min(job.threads.get()));
        let sessions = fork(session, threads).map_err(at("fork of the session"))?;
        let end = round.run(sessions, source, observer);
        done = end.done;
        session = join(end.sessions)?;
        if let (Some(checkpoints), true) = (&mut checkpoints, end.whole && done < blocks) {
            let start = Instant::now();
            let state = session.save().map_err(at("checkpoint"))?;
            checkpoints.save(&Saved { done, spent: clock.spent(), state })?;
            every = checkpoints.every().max(start.elapsed() * CHECKPOINT_SHARE);
        }
        end.outcome?;
    }
    let (sums, passed) = match gates {
        None => (clock.time(|| session.finish()).map_err(at("release"))?, None),
        Some(gates) => {
            let pads = Pads::draw(job.plan)?;
            let gated = clock.time(|| session.gated(&pads.of_sums(job.plan))).map_err(at("release"))?;
            let passed = clock.time(|| gates.backend.pass(job.plan, gates.keys, &gated, &pads.0));
            (gated.sums, Some(passed.map_err(at("gates"))?))
        }
    };
    Ok(Outcome { sums, passed, spent: clock.spent() })
}

fn at(place: impl Into<String>) -> impl FnOnce(BackendError) -> RunError {
    let place = place.into();
    move |source| RunError::Backend { place, source }
}

/// Goes on from a state; the number of blocks that it stands for.
fn take_up(session: &mut PluginSession, saved: &Saved, blocks: u64) -> Result<u64, RunError> {
    let refuse = |reason: String| RunError::Checkpoint { reason };
    if saved.done > blocks {
        return Err(refuse(format!("it is of {} blocks where there are {blocks}", saved.done)));
    }
    session.restore(&saved.state).map_err(|error| refuse(error.to_string()))?;
    Ok(saved.done)
}

/// The session and as many forks as make `threads` together.
fn fork(session: PluginSession, threads: usize) -> Result<Vec<PluginSession>, BackendError> {
    let mut forks = (1..threads).map(|_| session.fork()).collect::<Result<Vec<_>, _>>()?;
    forks.insert(0, session);
    Ok(forks)
}

/// One session with the sums of all.
fn join(sessions: Vec<PluginSession>) -> Result<PluginSession, RunError> {
    let mut sessions = sessions.into_iter();
    let missing = || BackendError::new(hq_plugin_sdk::backend::Fault::Internal, "no session is left");
    let mut session = sessions.next().ok_or_else(missing).map_err(at("sums of the threads"))?;
    sessions.try_for_each(|fork| session.absorb(fork)).map_err(at("sums of the threads"))?;
    Ok(session)
}
