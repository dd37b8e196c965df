//! Exactness: whatever is computed equals the reference interpreter.

use std::thread;

use super::cases::{Case, all, richest, table};
use super::{Report, Subject, Table, frames};
use crate::backend::{BackendError, Fault, Session};
use crate::plan::Plan;
use crate::verify::verify;

pub(super) fn check(subject: &Subject, report: &mut Report) {
    let cases = all(subject, report);
    for (case, seed) in cases.iter().zip(1..) {
        report.require(
            verify(&case.plan).is_ok(),
            case.name,
            "the suite's own plan is invalid for this backend",
        );
        let table = table(subject, &case.plan, seed);
        let outcome = subject.evaluate(&case.plan, &table);
        compare(subject, &format!("result of `{}`", case.name), &case.plan, &table, outcome, report);
    }
    let Some(case) = richest(&cases) else { return };
    no_blocks(subject, case, report);
    goes_on_after_finish(subject, case, report);
    sessions_are_independent(subject, case, report);
    seeded_keys(subject, report);
}

pub(super) fn compare(
    subject: &Subject,
    check: &str,
    plan: &Plan,
    table: &Table,
    outcome: Result<Vec<i64>, BackendError>,
    report: &mut Report,
) {
    let expected = subject.expected(plan, table);
    if expected.iter().any(|sum| i64::try_from(*sum).is_err()) {
        return report.refused(format!("{check}, which leaves 64 bits"), outcome, &[Fault::Plan]);
    }
    let Some(sums) = report.value(check, outcome) else { return };
    let sums: Vec<i128> = sums.into_iter().map(i128::from).collect();
    report.require(sums == expected, check, format!("{sums:?} where {expected:?} is right"));
}

fn no_blocks(subject: &Subject, case: &Case, report: &mut Report) {
    let outcome = subject.evaluate(&case.plan, &Vec::new());
    compare(subject, "result without any block", &case.plan, &Vec::new(), outcome, report);
}

fn goes_on_after_finish(subject: &Subject, case: &Case, report: &mut Report) {
    let check = "finish gives the sums so far";
    let table = table(subject, &case.plan, 71);
    let step_by_step = || {
        let mut session = subject.open(&case.plan)?;
        let mut results = Vec::new();
        for block in &subject.encrypt(&case.plan, &table)? {
            session.block(&frames(block))?;
            results.push(subject.key.decrypt(&session.finish()?)?);
        }
        Ok(results)
    };
    let Some(results) = report.value(check, step_by_step()) else { return };
    for (result, blocks) in results.into_iter().zip(1..) {
        let so_far: Table = table.iter().take(blocks).cloned().collect();
        compare(subject, &format!("{check}, {blocks} blocks"), &case.plan, &so_far, Ok(result), report);
    }
}

/// Two sessions interleaved, and two in threads of their own that share the key.
fn sessions_are_independent(subject: &Subject, case: &Case, report: &mut Report) {
    let tables = [table(subject, &case.plan, 81), table(subject, &case.plan, 82)];
    let interleaved = || {
        let mut sessions = [subject.open(&case.plan)?, subject.open(&case.plan)?];
        let encrypted = [subject.encrypt(&case.plan, &tables[0])?, subject.encrypt(&case.plan, &tables[1])?];
        for (first, second) in encrypted[0].iter().zip(&encrypted[1]) {
            sessions[0].block(&frames(first))?;
            sessions[1].block(&frames(second))?;
        }
        let [first, second] = &mut sessions;
        Ok([subject.key.decrypt(&first.finish()?)?, subject.key.decrypt(&second.finish()?)?])
    };
    if let Some(results) = report.value("two sessions interleaved", interleaved()) {
        for (result, table) in results.into_iter().zip(&tables) {
            compare(subject, "two sessions interleaved", &case.plan, table, Ok(result), report);
        }
    }
    let results = thread::scope(|scope| {
        tables
            .each_ref()
            .map(|table| scope.spawn(|| subject.evaluate(&case.plan, table)))
            .map(thread::ScopedJoinHandle::join)
    });
    for (result, table) in results.into_iter().zip(&tables) {
        match result {
            Ok(outcome) => {
                compare(subject, "two sessions in two threads", &case.plan, table, outcome, report);
            }
            Err(_) => report.require(false, "two sessions in two threads", "a thread panicked"),
        }
    }
}

/// A seed makes keys reproducible, or is refused.
fn seeded_keys(subject: &Subject, report: &mut Report) {
    let keygen = |seed| subject.custody.keygen(&subject.parameters, Some([seed; 32]));
    match (keygen(1), keygen(1), keygen(2)) {
        (Ok(first), Ok(again), Ok(other)) => {
            let check = "keygen from a seed";
            let same = first.secret == again.secret && first.evaluation == again.evaluation;
            report.require(same, check, "one seed gives two key pairs");
            let differ = first.secret != other.secret || !subject.evaluator.capabilities().encrypted;
            report.require(differ, check, "two seeds give one key pair");
        }
        (first, again, other) => {
            for outcome in [first, again, other] {
                report.refused("keygen from a seed, in a release build", outcome, &[Fault::Parameters]);
            }
        }
    }
}
