//! One round of a run: blocks are read in order by one thread and computed by others. On a single thread both
//! take turns.

use std::panic::resume_unwind;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, SyncSender, channel, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use hq_plugin_sdk::backend::{Fault, Session};
use hq_plugin_sdk::host::PluginSession;
use hq_plugin_sdk::plan::Origin;

use super::clock::Clock;
use super::{BlockSource, Job, Observer, Progress, RunError, SourceError, at};

/// Blocks that wait to be computed. One more is being read, and each thread has one.
const QUEUED: usize = 1;

/// How long a wish to stop may go unnoticed.
const TICK: Duration = Duration::from_millis(100);

/// What is to be done.
pub(super) struct Round<'a> {
    pub(super) job: Job<'a>,
    pub(super) clock: &'a Clock,
    /// The first block.
    pub(super) first: u64,
    /// Blocks of the table.
    pub(super) blocks: u64,
    /// No block is begun after it, but one for each thread.
    pub(super) deadline: Option<Instant>,
}

/// How a round ended.
pub(super) struct End {
    /// The sessions.
    pub(super) sessions: Vec<PluginSession>,
    /// Blocks done, those of earlier rounds included.
    pub(super) done: u64,
    /// Whether these are the first ones of the table: not so where one thread failed and others went on.
    pub(super) whole: bool,
    /// Why it is the last, if it is.
    pub(super) outcome: Result<(), RunError>,
}

/// A block with its frames.
struct Block {
    index: u64,
    frames: Vec<Vec<u8>>,
}

/// A block that was not computed, and why.
struct Failure {
    block: Block,
    error: RunError,
}

/// What the threads of a round share.
struct Desk {
    /// Set once: no block is begun any more.
    stop: AtomicBool,
    /// Memory of blocks that were computed.
    spare: Mutex<Vec<Vec<Vec<u8>>>>,
}

impl Round<'_> {
    /// Computes blocks until the last, the deadline, a failure, or the observer's wish.
    pub(super) fn run(
        &self,
        sessions: Vec<PluginSession>,
        source: &mut dyn BlockSource,
        observer: Observer<'_>,
    ) -> End {
        if sessions.len() > 1 {
            self.together(sessions, source, observer)
        } else {
            self.alone(sessions, source, observer)
        }
    }

    fn progress(&self, done: u64) -> Progress {
        Progress { done, blocks: self.blocks }
    }

    fn is_over(&self) -> bool {
        self.deadline.is_some_and(|deadline| Instant::now() >= deadline)
    }

    fn cancelled(&self, done: u64) -> RunError {
        RunError::Cancelled { done, blocks: self.blocks }
    }

    fn alone(
        &self,
        mut sessions: Vec<PluginSession>,
        source: &mut dyn BlockSource,
        observer: Observer<'_>,
    ) -> End {
        let mut frames = Vec::new();
        let mut done = self.first;
        let mut outcome = Ok(());
        if let Some(session) = sessions.first_mut() {
            while outcome.is_ok() && done < self.blocks && (done == self.first || !self.is_over()) {
                outcome = self.step(session, source, done, &mut frames);
                if outcome.is_ok() {
                    done += 1;
                    if observer(self.progress(done)).is_break() && done < self.blocks {
                        outcome = Err(self.cancelled(done));
                    }
                }
            }
        }
        End { sessions, done, whole: true, outcome }
    }

    /// Reads and computes one block; where that fails, the session is as before.
    fn step(
        &self,
        session: &mut PluginSession,
        source: &mut dyn BlockSource,
        index: u64,
        frames: &mut Vec<Vec<u8>>,
    ) -> Result<(), RunError> {
        source.block(index, frames)?;
        let block = Block { index, frames: std::mem::take(frames) };
        let block = self.compute(session, block).map_err(|failure| blamed(failure, source))?;
        *frames = block.frames;
        Ok(())
    }

    fn together(
        &self,
        sessions: Vec<PluginSession>,
        source: &mut dyn BlockSource,
        observer: Observer<'_>,
    ) -> End {
        let threads = u64::try_from(sessions.len()).unwrap_or(u64::MAX);
        let desk = Desk { stop: AtomicBool::new(false), spare: Mutex::default() };
        let (queue, blocks) = sync_channel(QUEUED);
        let blocks = Arc::new(Mutex::new(blocks));
        let (events, finished) = channel();
        let mut done = self.first;
        let (read, ends) = thread::scope(|scope| {
            let reader = scope.spawn(|| self.read(&mut *source, queue, &desk, threads));
            let start = |session| {
                // The queue ends with the last worker, so that the reader does not wait for one in vain.
                let (blocks, events, desk) = (Arc::clone(&blocks), events.clone(), &desk);
                scope.spawn(move || self.work(session, &blocks, &events, desk))
            };
            let workers: Vec<_> = sessions.into_iter().map(start).collect();
            drop((blocks, events));
            loop {
                match finished.recv_timeout(TICK) {
                    Ok(()) => done += 1,
                    Err(RecvTimeoutError::Timeout) => {}
                    Err(RecvTimeoutError::Disconnected) => break,
                }
                if observer(self.progress(done)).is_break() {
                    desk.stop.store(true, Ordering::Relaxed);
                }
            }
            let ends: Vec<_> = workers.into_iter().map(thread::ScopedJoinHandle::join).collect();
            (reader.join(), ends)
        });
        // A thread of ours ends without a result only by a panic, which then goes on here.
        let read = read.unwrap_or_else(|panic| resume_unwind(panic));
        let mut failures: Vec<Failure> = Vec::new();
        let mut sessions = Vec::new();
        for end in ends {
            let (session, failure) = end.unwrap_or_else(|panic| resume_unwind(panic));
            sessions.push(session);
            failures.extend(failure);
        }
        // Of several failures the first in the table is told, on whatever thread it was.
        let failure = failures.into_iter().min_by_key(|failure| failure.block.index);
        let whole = failure.is_none();
        let outcome = match (failure, read) {
            (Some(failure), _) => Err(blamed(failure, source)),
            (None, Err(error)) => Err(error.into()),
            (None, Ok(())) if desk.stop.into_inner() && done < self.blocks => Err(self.cancelled(done)),
            (None, Ok(())) => Ok(()),
        };
        End { sessions, done, whole, outcome }
    }

    /// Reads blocks ahead of those who compute them.
    fn read(
        &self,
        source: &mut dyn BlockSource,
        queue: SyncSender<Block>,
        desk: &Desk,
        threads: u64,
    ) -> Result<(), SourceError> {
        for index in self.first..self.blocks {
            let begun = index - self.first;
            if desk.stop.load(Ordering::Relaxed) || (begun >= threads && self.is_over()) {
                break;
            }
            let mut frames = lock(&desk.spare).pop().unwrap_or_default();
            source.block(index, &mut frames)?;
            if queue.send(Block { index, frames }).is_err() {
                break;
            }
        }
        Ok(())
    }

    /// Computes blocks as long as there are any.
    fn work(
        &self,
        mut session: PluginSession,
        blocks: &Mutex<Receiver<Block>>,
        events: &Sender<()>,
        desk: &Desk,
    ) -> (PluginSession, Option<Failure>) {
        loop {
            let block = {
                // Whoever waits holds the lock. Those behind see what it saw, so blocks begun are the first ones.
                let blocks = lock(blocks);
                match blocks.recv() {
                    Ok(block) if !desk.stop.load(Ordering::Relaxed) => block,
                    Ok(_) | Err(_) => return (session, None),
                }
            };
            match self.compute(&mut session, block) {
                Ok(block) => {
                    lock(&desk.spare).push(block.frames);
                    // Whoever counts is there until the last worker is gone.
                    let _ = events.send(());
                }
                Err(failure) => {
                    desk.stop.store(true, Ordering::Relaxed);
                    return (session, Some(failure));
                }
            }
        }
    }

    fn compute(&self, session: &mut PluginSession, block: Block) -> Result<Block, Failure> {
        let views = match self.views(&block.frames) {
            Ok(views) => views,
            Err(error) => return Err(Failure { block, error }),
        };
        self.clock.read(block.frames.iter().map(|frame| frame.len() as u64).sum());
        match self.clock.time(|| session.block(&views)) {
            Ok(()) => Ok(block),
            Err(source) => {
                let error = at(format!("block {}", block.index))(source);
                Err(Failure { block, error })
            }
        }
    }

    /// All inputs of a block in the plan's order.
    fn views<'b>(&'b self, frames: &'b [Vec<u8>]) -> Result<Vec<&'b [u8]>, RunError> {
        let mut frames = frames.iter();
        let inputs = self.job.plan.inputs.iter();
        let view = inputs.map(|input| {
            let frame = match input.origin {
                Origin::Table => frames.next(),
                Origin::Parameter => self.job.parameters.get(&input.name),
            };
            frame.map(Vec::as_slice).ok_or_else(|| RunError::Missing { input: input.name.clone() })
        });
        view.collect()
    }
}

/// The backend says that a block cannot be used, the source which part of it.
fn blamed(failure: Failure, source: &dyn BlockSource) -> RunError {
    let Failure { block, error } = failure;
    if let RunError::Backend { source: refusal, .. } = &error
        && refusal.fault == Fault::Input
        && let Some(damage) = source.blame(block.index, &block.frames)
    {
        return RunError::Source(damage);
    }
    error
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
