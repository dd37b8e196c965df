//! Runs over many blocks: on any number of threads, stopped anywhere and continued, the sums are those of one
//! session that did every block; failures name their block; memory stays bounded.
#![expect(clippy::unwrap_used, reason = "a test")]

use std::collections::BTreeSet;
use std::num::NonZero;
use std::ops::ControlFlow;
use std::time::Duration;

use hq_engine::run::{
    BlockSource, Checkpoints, Job, Outcome, RunError, Saved, SealedParameters, SourceError, run,
};
use hq_plugin_bgv::backend::Bgv;
use hq_plugin_clear::Clear;
use hq_plugin_sdk::backend::{Custody, Evaluator, Fault};
use hq_plugin_sdk::host::{CustodyPlugin, EvaluatorPlugin, PluginKey};
use hq_plugin_sdk::parameters::{Parameters, RnsRequest};
use hq_plugin_sdk::plan::Plan;

/// A plan of two inputs over encrypted blocks, each of other rows.
struct Trial {
    backend: EvaluatorPlugin,
    key: PluginKey,
    evaluation: Vec<u8>,
    plan: Plan,
    blocks: Vec<Vec<Vec<u8>>>,
    /// The sums over all rows.
    expected: Vec<i64>,
}

const ROWS: i64 = 50;

impl Trial {
    fn new<B: Evaluator + Custody>(parameters: &Parameters, level: &str, blocks: i64) -> Self {
        let custody = CustodyPlugin::linked::<B>("linked");
        let backend = EvaluatorPlugin::linked::<B>().unwrap();
        let pair = custody.keygen(parameters, None).unwrap();
        let key = custody.load_key(&pair.secret).unwrap();
        let json = serde_json::to_string(parameters).unwrap();
        let release = if level.is_empty() { "" } else { "release @1 relinearize @2 flood 30\n" };
        let plan = Plan::parse(&format!(
            "hq-plan 1\nrows 1000000\nparameters {json}\n{release}input a 0..9\ninput b 0..9\n\
             %0 = input a{level}\n%1 = input b{level}\n%2 = mul %0 %1\nsum %0 0..9\nsum %2 0..81\n"
        ))
        .unwrap();
        let values = |block: i64| {
            let a = (0..ROWS).map(move |row| (row * 7 + block) % 10);
            (a.collect::<Vec<_>>(), (0..ROWS).map(move |row| (row + block * 3) % 10).collect::<Vec<_>>())
        };
        let mut expected = vec![0, 0];
        let encrypted = (0..blocks).map(|block| {
            let (a, b) = values(block);
            expected[0] += a.iter().sum::<i64>();
            expected[1] += a.iter().zip(&b).map(|(a, b)| a * b).sum::<i64>();
            vec![key.encrypt(&a).unwrap(), key.encrypt(&b).unwrap()]
        });
        let blocks = encrypted.collect();
        Self { backend, key, evaluation: pair.evaluation, plan, blocks, expected }
    }

    fn clear(blocks: i64) -> Self {
        Self::new::<Clear>(&Parameters::Clear { rows_per_block: 50 }, "", blocks)
    }

    fn bgv(blocks: i64) -> Self {
        let request = RnsRequest {
            ring_degree: 1024,
            min_plaintext_modulus: 1 << 20,
            modulus_bits: vec![46; 3],
            special_bits: vec![50],
            digit_limbs: 1,
            relinearization_limbs: vec![3],
            security_bits: 0,
        };
        Self::new::<Bgv>(&Parameters::Rns(Bgv::resolve(&request).unwrap()), " @2", blocks)
    }

    fn source(&self) -> Source<'_> {
        Source { blocks: &self.blocks, bad: None, fresh: 0, read: Vec::new() }
    }

    fn run(
        &self,
        threads: usize,
        source: &mut Source<'_>,
        kept: Option<&mut Kept>,
        stop_after: u64,
    ) -> Result<Outcome, RunError> {
        let parameters = SealedParameters::new();
        let job = Job {
            gates: None,
            plan: &self.plan,
            backend: &self.backend,
            evaluation_key: &self.evaluation,
            parameters: &parameters,
            threads: NonZero::new(threads).unwrap(),
        };
        let mut last = 0;
        run(job, source, kept.map(|kept| -> &mut dyn Checkpoints { kept }), &mut |progress| {
            assert!(progress.done >= last && progress.done <= progress.blocks);
            last = progress.done;
            if progress.done >= stop_after { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        })
    }

    fn check(&self, outcome: Result<Outcome, RunError>) {
        let outcome = outcome.unwrap();
        assert_eq!(self.key.decrypt(&outcome.sums).unwrap(), self.expected);
        let bytes: usize = self.blocks.iter().flatten().map(Vec::len).sum();
        assert_eq!(outcome.spent.bytes_read, bytes as u64);
        assert!(outcome.spent.server_cpu_s > 0.0 && outcome.spent.server_s > 0.0);
    }
}

/// Blocks in memory, of which one cannot be read, or is damaged.
struct Source<'a> {
    blocks: &'a [Vec<Vec<u8>>],
    bad: Option<(u64, Bad)>,
    /// How often new memory was needed.
    fresh: usize,
    read: Vec<u64>,
}

#[derive(Clone, Copy, PartialEq)]
enum Bad {
    Unreadable,
    Damaged,
}

impl BlockSource for Source<'_> {
    fn blocks(&self) -> u64 {
        self.blocks.len() as u64
    }

    fn block(&mut self, index: u64, frames: &mut Vec<Vec<u8>>) -> Result<(), SourceError> {
        if self.bad == Some((index, Bad::Unreadable)) {
            return Err(SourceError { place: "disk".to_owned(), reason: format!("block {index} is gone") });
        }
        self.fresh += usize::from(frames.is_empty());
        self.read.push(index);
        frames.clone_from(&self.blocks[usize::try_from(index).unwrap()]);
        if self.bad.is_some_and(|(bad, how)| bad <= index && how == Bad::Damaged) {
            frames[1][40] ^= 1;
        }
        Ok(())
    }

    fn blame(&self, index: u64, frames: &[Vec<u8>]) -> Option<SourceError> {
        let damaged = frames.iter().position(|frame| hq_plugin_sdk::frame::split(frame).is_err())?;
        Some(SourceError { place: format!("part {damaged}"), reason: format!("block {index} is damaged") })
    }
}

/// Checkpoints in memory, as often as may be or not before the end.
#[derive(Default)]
struct Kept {
    saved: Option<Saved>,
    saves: Vec<u64>,
    rarely: bool,
}

impl Checkpoints for Kept {
    fn every(&self) -> Duration {
        if self.rarely { Duration::from_secs(1000) } else { Duration::ZERO }
    }

    fn load(&mut self) -> Result<Option<Saved>, SourceError> {
        Ok(self.saved.clone())
    }

    fn save(&mut self, saved: &Saved) -> Result<(), SourceError> {
        self.saves.push(saved.done);
        self.saved = Some(saved.clone());
        Ok(())
    }
}

const NEVER: u64 = u64::MAX;

#[test]
fn threads_give_the_sums_of_one() {
    for trial in [Trial::clear(23), Trial::bgv(9), Trial::clear(1)] {
        for threads in [1, 2, 3, 7, 40] {
            let mut source = trial.source();
            trial.check(trial.run(threads, &mut source, None, NEVER));
            let blocks = u64::try_from(trial.blocks.len()).unwrap();
            assert_eq!(source.read, (0..blocks).collect::<Vec<_>>(), "each once and in order");
            assert!(source.fresh <= threads + 2, "{threads} threads, {} blocks in memory", source.fresh);
        }
    }
}

#[test]
fn a_run_that_is_stopped_anywhere_goes_on() {
    for trial in [Trial::clear(12), Trial::bgv(6)] {
        let blocks = trial.blocks.len() as u64;
        for threads in [1, 3] {
            for rarely in [true, false] {
                for stop in 1..blocks {
                    let mut kept = Kept { rarely, ..Kept::default() };
                    let (mut first, mut second) = (trial.source(), trial.source());
                    match trial.run(threads, &mut first, Some(&mut kept), stop) {
                        Err(RunError::Cancelled { done, blocks: all }) => {
                            assert!(done >= stop && done < all && all == blocks);
                            assert_eq!(kept.saves.last(), Some(&done));
                            if threads == 1 {
                                assert_eq!(done, stop);
                            }
                        }
                        // The last blocks were under way.
                        done => trial.check(done),
                    }
                    let done = kept.saved.as_ref().map_or(0, |saved| saved.done);
                    trial.check(trial.run(threads, &mut second, Some(&mut kept), NEVER));
                    assert_eq!(second.read, (done..blocks).collect::<Vec<_>>(), "nothing twice");
                    assert!(kept.saves.is_sorted() && (rarely || !kept.saves.is_empty()));
                }
            }
        }
    }
}

/// Checkpoints that come as fast as they can: each state is of the first blocks, in order, and any will do.
#[test]
fn every_checkpoint_will_do() {
    let trial = Trial::clear(20);
    let mut kept = Kept::default();
    trial.check(trial.run(2, &mut trial.source(), Some(&mut kept), NEVER));
    let distinct: BTreeSet<u64> = kept.saves.iter().copied().collect();
    assert!(distinct.len() == kept.saves.len() && kept.saves.is_sorted() && !kept.saves.is_empty());
    trial.check(trial.run(3, &mut trial.source(), Some(&mut kept), NEVER));
}

#[test]
fn blocks_that_cannot_be_read_end_the_run_after_those_before() {
    let trial = Trial::clear(12);
    for threads in [1, 2, 4] {
        let mut kept = Kept { rarely: true, ..Kept::default() };
        let mut source = Source { bad: Some((7, Bad::Unreadable)), ..trial.source() };
        let error = trial.run(threads, &mut source, Some(&mut kept), NEVER).unwrap_err();
        assert_eq!(error.to_string(), "disk: block 7 is gone");
        assert_eq!(kept.saves, [7]);
        trial.check(trial.run(threads, &mut trial.source(), Some(&mut kept), NEVER));
    }
}

#[test]
fn the_first_damaged_block_is_named() {
    for trial in [Trial::clear(12), Trial::bgv(12)] {
        for threads in [1, 2, 4] {
            let mut kept = Kept { rarely: true, ..Kept::default() };
            let mut source = Source { bad: Some((7, Bad::Damaged)), ..trial.source() };
            let error = trial.run(threads, &mut source, Some(&mut kept), NEVER).unwrap_err();
            assert_eq!(error.to_string(), "part 1: block 7 is damaged", "{threads} threads");
            // The state of those who went on is not kept: it lacks the block.
            assert!(kept.saves.iter().all(|&done| done == 7));
        }
    }
    // Intact, but not what the backend wants: its own words then.
    let mut trial = Trial::clear(3);
    trial.blocks[1][0] = trial.evaluation.clone();
    let error = trial.run(2, &mut trial.source(), None, NEVER).unwrap_err();
    assert!(matches!(&error, RunError::Backend { source, .. } if source.fault == Fault::Input), "{error}");
    assert!(error.to_string().starts_with("block 1: plugin `clear`: input a"), "{error}");
}

#[test]
fn foreign_states_and_missing_inputs_are_refused() {
    let (trial, other) = (Trial::clear(4), Trial::clear(2));
    let mut kept = Kept::default();
    let stopped = trial.run(1, &mut trial.source(), Some(&mut kept), 3);
    assert!(matches!(stopped, Err(RunError::Cancelled { done: 3, blocks: 4 })));
    let error = other.run(1, &mut other.source(), Some(&mut kept), NEVER).unwrap_err();
    assert_eq!(error.to_string(), "the checkpoint cannot be continued: it is of 3 blocks where there are 2");
    kept.saved.as_mut().unwrap().state[50] ^= 1;
    let error = trial.run(1, &mut trial.source(), Some(&mut kept), NEVER).unwrap_err();
    assert!(matches!(&error, RunError::Checkpoint { reason } if reason.contains("checksum")), "{error}");

    let mut trial = Trial::clear(2);
    trial.blocks[1].pop();
    let error = trial.run(2, &mut trial.source(), None, NEVER).unwrap_err();
    assert_eq!(error.to_string(), "the plan reads `b`, which was not given");
}
