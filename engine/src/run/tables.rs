//! The run of a plan over a dataset of several tables, one after the other, as one run: with one progress, and with checkpoints
//! that hold the sums of the tables that are done.

use std::ops::ControlFlow;
use std::time::Duration;

use super::{Checkpoints, Job, Observer, Outcome, Progress, RunError, Saved, SourceError, Spent, run};
use crate::dataset::DatasetBlocks;
use crate::run::BlockSource as _;

/// Bytes in which a checkpoint says how long the sums before its state are.
const LENGTH_BYTES: usize = 8;

/// Runs a plan over each of so many tables. The frames of their sums stand one behind the other in the outcome.
///
/// # Errors
/// See [`RunError`]; a plan with gates is run over one table alone.
pub fn run_tables(
    job: Job<'_>,
    (source, tables): (&mut DatasetBlocks, u64),
    checkpoints: &mut dyn Checkpoints,
    observer: Observer<'_>,
) -> Result<Outcome, RunError> {
    if tables == 1 {
        return run(job, source, Some(checkpoints), observer);
    }
    if job.plan.gates.is_some() {
        return Err(RunError::Ungated { missing: "a dataset without control tables" });
    }
    let blocks = source.blocks();
    let mut kept = OfTable { begun: None, first: 0, before: Outcome::default(), all: checkpoints };
    let mut table = kept.take_up(blocks)?;
    while table < tables {
        source.turn_to(table);
        kept.first = table * blocks;
        let first = kept.first;
        let outcome = run(job, source, Some(&mut kept), &mut |progress| {
            observer(Progress { done: first + progress.done, blocks: blocks * tables })
        })?;
        kept.before.sums.extend_from_slice(&outcome.sums);
        kept.before.spent = kept.before.spent.and(outcome.spent);
        table += 1;
        if observer(Progress { done: table * blocks, blocks: blocks * tables }) == ControlFlow::Break(())
            && table < tables
        {
            return Err(RunError::Cancelled { done: table * blocks, blocks: blocks * tables });
        }
    }
    Ok(kept.before)
}

/// The checkpoints of one table among those of all.
struct OfTable<'a> {
    /// What an interrupted run left of this table.
    begun: Option<Saved>,
    /// Blocks of the tables before.
    first: u64,
    /// Sums of the tables before, and what they took.
    before: Outcome,
    all: &'a mut dyn Checkpoints,
}

impl OfTable<'_> {
    /// Reads what an interrupted run left; the table with which to go on.
    fn take_up(&mut self, blocks: u64) -> Result<u64, RunError> {
        let Some(saved) = self.all.load()? else { return Ok(0) };
        let cut = || RunError::Checkpoint { reason: "it is none of several tables".to_owned() };
        let (length, rest) = saved.state.split_first_chunk::<LENGTH_BYTES>().ok_or_else(cut)?;
        let length = usize::try_from(u64::from_le_bytes(*length)).map_err(|_| cut())?;
        let (sums, state) = rest.split_at_checked(length).ok_or_else(cut)?;
        let table = saved.done / blocks.max(1);
        self.before.sums = sums.to_vec();
        // What was spent so far goes on with this table.
        self.begun =
            Some(Saved { done: saved.done - table * blocks, spent: saved.spent, state: state.to_vec() });
        Ok(table)
    }
}

impl Checkpoints for OfTable<'_> {
    fn every(&self) -> Duration {
        self.all.every()
    }

    fn load(&mut self) -> Result<Option<Saved>, SourceError> {
        Ok(self.begun.take())
    }

    fn save(&mut self, saved: &Saved) -> Result<(), SourceError> {
        let sums = &self.before.sums;
        let length = (sums.len() as u64).to_le_bytes();
        let state = [length.as_slice(), sums, &saved.state].concat();
        let spent = self.before.spent.and(saved.spent);
        self.all.save(&Saved { done: self.first + saved.done, spent, state })
    }
}

impl Spent {
    fn and(self, more: Self) -> Self {
        Self {
            server_cpu_s: self.server_cpu_s + more.server_cpu_s,
            server_s: self.server_s + more.server_s,
            bytes_read: self.bytes_read + more.bytes_read,
        }
    }
}
