//! Blocks shared out among forks, on one thread or several, and states that are saved and taken up: the sums
//! are those of one session that did every block.

use std::thread;

use super::cases::{Case, all, richest, table};
use super::exact::compare;
use super::hostile::{damaged, forged};
use super::{Report, Subject, frames};
use crate::backend::{BackendError, Fault, Session};
use crate::frame::{Kind, open};
use crate::host::PluginSession;

pub(super) fn check(subject: &Subject, report: &mut Report) {
    let cases = all(subject, report);
    for (case, seed) in cases.iter().zip(201..) {
        shared_out(subject, case, seed, report);
        saved(subject, case, seed, report);
    }
    let Some(case) = richest(&cases) else { return };
    on_threads(subject, case, report);
    foreign_states(subject, case, report);
    if subject.evaluator.capabilities().encrypted {
        another_key(subject, case, report);
    }
}

/// Three sessions take turns; one of them is forked from a session that has done a block.
fn shared_out(subject: &Subject, case: &Case, seed: u64, report: &mut Report) {
    let check = format!("blocks shared out, `{}`", case.name);
    let table = table(subject, &case.plan, seed);
    let run = || {
        let mut session = subject.open(&case.plan)?;
        let mut fork = session.fork()?;
        let mut blocks = subject.encrypt(&case.plan, &table)?.into_iter();
        let mut next = |session: &mut PluginSession| {
            blocks.next().map_or(Ok(()), |block| session.block(&frames(&block)))
        };
        next(&mut fork)?;
        next(&mut session)?;
        let mut grandchild = fork.fork()?;
        next(&mut grandchild)?;
        next(&mut fork)?;
        fork.absorb(grandchild)?;
        session.absorb(fork)?;
        subject.key.decrypt(&session.finish()?)
    };
    compare(subject, &check, &case.plan, &table, run(), report);
}

/// A state is taken between any two blocks: whoever takes it up, and whoever gave it, goes on to the sums of all.
fn saved(subject: &Subject, case: &Case, seed: u64, report: &mut Report) {
    let check = format!("saved and restored, `{}`", case.name);
    let table = table(subject, &case.plan, seed);
    let run = || {
        let encrypted = subject.encrypt(&case.plan, &table)?;
        let mut giver = subject.open(&case.plan)?;
        let mut taker = subject.open(&case.plan)?;
        taker.restore(&giver.save()?)?;
        for block in &encrypted {
            giver.block(&frames(block))?;
            taker.block(&frames(block))?;
            let state = taker.save()?;
            taker = subject.open(&case.plan)?;
            taker.restore(&state)?;
        }
        Ok([giver, taker])
    };
    let Some(sessions) = report.value(&check, run()) else { return };
    for mut session in sessions {
        let outcome = session.finish().and_then(|sums| subject.key.decrypt(&sums));
        compare(subject, &check, &case.plan, &table, outcome, report);
    }
}

/// Forks at work at once.
fn on_threads(subject: &Subject, case: &Case, report: &mut Report) {
    let check = "blocks on three threads";
    let tables = [211, 212, 213].map(|seed| table(subject, &case.plan, seed));
    // A parameter has one value for all.
    let together: Vec<_> = tables[0].iter().chain(&tables[0]).chain(&tables[0]).cloned().collect();
    let run = || {
        let encrypted = subject.encrypt(&case.plan, &tables[0])?;
        let mut session = subject.open(&case.plan)?;
        let forks = tables.iter().map(|_| session.fork()).collect::<Result<Vec<_>, _>>()?;
        let work = |mut fork: PluginSession| {
            encrypted.iter().try_for_each(|block| fork.block(&frames(block)))?;
            Ok(fork)
        };
        let done: Vec<thread::Result<Result<_, BackendError>>> = thread::scope(|scope| {
            let handles: Vec<_> = forks.into_iter().map(|fork| scope.spawn(move || work(fork))).collect();
            handles.into_iter().map(thread::ScopedJoinHandle::join).collect()
        });
        for fork in done {
            let panicked = |_| BackendError::new(Fault::Internal, "a thread panicked");
            session.absorb(fork.map_err(panicked)??)?;
        }
        subject.key.decrypt(&session.finish()?)
    };
    compare(subject, check, &case.plan, &together, run(), report);
}

/// What is no state of this very session is refused, and harms nothing.
fn foreign_states(subject: &Subject, case: &Case, report: &mut Report) {
    let check = "session after bad states";
    let table = table(subject, &case.plan, 221);
    let mut other_plan = case.plan.clone();
    other_plan.rows -= 1;
    let run = || {
        let encrypted = subject.encrypt(&case.plan, &table)?;
        let mut giver = subject.open(&case.plan)?;
        let mut other = subject.open(&other_plan)?;
        for session in [&mut giver, &mut other] {
            session.block(&encrypted.first().map(|block| frames(block)).unwrap_or_default())?;
        }
        Ok((encrypted, giver.save()?, other.save()?, subject.open(&case.plan)?))
    };
    let Some((encrypted, state, of_other_plan, mut session)) = report.value(check, run()) else { return };
    report.require(open(&state, Kind::State).is_ok(), "save", "its frame is of the wrong kind");
    for (what, bytes) in damaged(&state) {
        report.refused(format!("state {what}"), session.restore(&bytes), &[Fault::Input]);
    }
    let outcome = session.restore(&of_other_plan);
    report.refused("a state of another plan", outcome, &[Fault::Input, Fault::Plan]);
    let sums = session.finish();
    if let Some(sums) = report.value("finish between states", sums) {
        report.refused("sums for a state", session.restore(&sums), &[Fault::Input]);
    }
    for ciphertext in encrypted.iter().flatten().take(1) {
        report.refused("a ciphertext for a state", session.restore(ciphertext), &[Fault::Input]);
    }
    let all = encrypted.iter().try_for_each(|block| session.block(&frames(block)));
    let outcome = all.and_then(|()| session.finish()).and_then(|sums| subject.key.decrypt(&sums));
    compare(subject, check, &case.plan, &table, outcome, report);
    report.refused("a state after a block", session.restore(&state), &[Fault::Input, Fault::Plan]);

    // A forged state may be a valid one, so each goes to a session of its own.
    for (what, bytes) in forged(&state) {
        let outcome = subject.open(&case.plan).and_then(|mut session| {
            session.restore(&bytes)?;
            session.block(&encrypted.first().map(|block| frames(block)).unwrap_or_default())?;
            session.finish()
        });
        report.survived(format!("state forged: {what}"), outcome);
    }
}

fn another_key(subject: &Subject, case: &Case, report: &mut Report) {
    let run = || {
        let other = subject.custody.keygen(&subject.parameters, None)?;
        let state = subject.evaluator.open(&case.plan, &other.evaluation)?.save()?;
        Ok((subject.open(&case.plan)?, state))
    };
    if let Some((mut session, state)) = report.value("a state under another key", run()) {
        let outcome = session.restore(&state);
        report.refused("a state under another key", outcome, &[Fault::Input, Fault::Key]);
    }
}
