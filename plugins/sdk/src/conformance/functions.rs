//! The suite for libraries of functions: each gives what it declares, gives it again in any order and on any thread, takes what
//! it says it takes, and refuses the rest with a reason.

use std::path::Path;
use std::thread;

use super::{Failures, Report, fatal};
use crate::abi::Scalar;
use crate::backend::{BackendError, Fault};
use crate::function::{Domain, Library, Signature, within};
use crate::host::FunctionPlugin;

/// Most combinations of arguments that one function is called with.
const MAX_CALLS: usize = 4096;

/// Most values of one argument.
const MAX_VALUES: usize = 24;

/// Threads that call at once.
const THREADS: usize = 3;

type Outcome = Result<Scalar, BackendError>;

/// Runs the suite on a library of this program.
///
/// # Errors
/// All that does not hold.
pub fn run_functions<L: Library>() -> Result<(), Failures> {
    suite(&FunctionPlugin::linked::<L>("linked").map_err(|error| fatal("describe", &error))?)
}

/// Runs the suite on a plugin's file.
///
/// # Errors
/// All that does not hold.
pub fn run_functions_loaded(path: &Path) -> Result<(), Failures> {
    suite(&FunctionPlugin::load(path).map_err(|error| fatal("load", &error))?)
}

fn suite(plugin: &FunctionPlugin) -> Result<(), Failures> {
    let mut report = Report::default();
    for (at, signature) in plugin.functions().iter().enumerate() {
        check(plugin, at, signature, &mut report);
    }
    if report.failures.is_empty() { Ok(()) } else { Err(Failures(report.failures)) }
}

fn check(plugin: &FunctionPlugin, at: usize, signature: &Signature, report: &mut Report) {
    let name = &signature.name;
    report.require(
        !signature.about.trim().is_empty(),
        name,
        "nothing is said about it: a sentence, with its source",
    );
    let domains: Vec<&Domain> = signature.parameters.iter().map(|(_, domain)| domain).collect();
    let calls = combinations(&domains.iter().map(|domain| values(domain)).collect::<Vec<_>>());
    let first: Vec<Outcome> = calls.iter().map(|arguments| plugin.call(at, arguments)).collect();

    for (arguments, outcome) in calls.iter().zip(&first) {
        match outcome {
            Ok(value) => {
                let inside = match &signature.gives {
                    Domain::Number { lo, hi } => within(*value, *lo, *hi),
                    // The host has seen to these.
                    Domain::Flag | Domain::Levels(_) => true,
                };
                let reason = || format!("of {arguments:?} it gives {value:?}, outside {}", signature.gives);
                report.require(inside, name, if inside { String::new() } else { reason() });
            }
            // It may have no value somewhere, with a reason.
            Err(error) => report.survived(format!("{name} of {arguments:?}"), Outcome::Err(error.clone())),
        }
    }
    let some = first.iter().any(Result::is_ok);
    report.require(
        some,
        name,
        format!("it has no value for any of {} arguments in its domains", calls.len()),
    );

    let again: Vec<Outcome> = calls.iter().rev().map(|arguments| plugin.call(at, arguments)).collect();
    same(report, &format!("{name} in reverse order"), &calls, &first, again.iter().rev());
    let found: Vec<Vec<Outcome>> = thread::scope(|scope| {
        let work = || calls.iter().map(|arguments| plugin.call(at, arguments)).collect();
        let workers: Vec<_> = (0..THREADS).map(|_| scope.spawn(work)).collect();
        workers.into_iter().filter_map(|worker| worker.join().ok()).collect()
    });
    report.require(found.len() == THREADS, name, "a thread that called it ended");
    for outcomes in &found {
        same(report, &format!("{name} on three threads"), &calls, &first, outcomes.iter());
    }

    let refuse = [Fault::Input, Fault::Internal];
    let Some((arguments, _)) = calls.iter().zip(&first).find(|(_, outcome)| outcome.is_ok()) else { return };
    let fewer = arguments.get(1..).unwrap_or_default();
    report.refused(format!("{name} with an argument too few"), plugin.call(at, fewer), &refuse);
    let more: Vec<Scalar> = arguments.iter().chain(arguments.first()).copied().collect();
    report.refused(format!("{name} with an argument too many"), plugin.call(at, &more), &refuse);
    for (place, domain) in domains.iter().enumerate() {
        for wrong in outside(domain) {
            let mut arguments = arguments.clone();
            if let Some(argument) = arguments.get_mut(place) {
                *argument = wrong;
            }
            report.refused(
                format!("{name} with {wrong:?} in place {place}"),
                plugin.call(at, &arguments),
                &refuse,
            );
        }
    }
}

/// Outcomes that must be those of the first time.
fn same<'a>(
    report: &mut Report,
    check: &str,
    calls: &[Vec<Scalar>],
    first: &[Outcome],
    again: impl Iterator<Item = &'a Outcome>,
) {
    let differs = calls.iter().zip(first.iter().zip(again)).find(|(_, (first, again))| first != again);
    if let Some((arguments, (first, again))) = differs {
        report.require(false, check, format!("of {arguments:?} it gives {again:?}, and {first:?} before"));
    }
}

/// Values of a domain: all of them, or its ends, its middle, and some with decimals.
fn values(domain: &Domain) -> Vec<Scalar> {
    match domain {
        Domain::Flag => [0, 1].map(|value| Scalar { value, decimals: 0, kind: Scalar::FLAG }).to_vec(),
        Domain::Levels(levels) => (0..)
            .take(levels.len().min(MAX_VALUES))
            .map(|value| Scalar { value, decimals: 0, kind: Scalar::LEVEL })
            .collect(),
        Domain::Number { lo, hi } => {
            let middle = lo.midpoint(*hi);
            let whole =
                [*lo, lo.saturating_add(1), middle, hi.saturating_sub(1), *hi].map(|value| (value, 0));
            let parts = [
                (lo.saturating_mul(10).saturating_add(3), 1),
                (middle.saturating_mul(100).saturating_add(49), 2),
            ];
            let mut numbers: Vec<Scalar> = whole
                .into_iter()
                .chain(parts)
                .map(|(value, decimals)| Scalar { value, decimals, kind: Scalar::NUMBER })
                .filter(|number| within(*number, *lo, *hi))
                .collect();
            numbers.dedup();
            numbers
        }
    }
}

/// Values that a domain does not have.
fn outside(domain: &Domain) -> Vec<Scalar> {
    let (flag, level, number) = (Scalar::FLAG, Scalar::LEVEL, Scalar::NUMBER);
    let of = |value, decimals, kind| Scalar { value, decimals, kind };
    match domain {
        Domain::Flag => vec![of(2, 0, flag), of(-1, 0, flag), of(1, 0, number), of(0, 0, 7)],
        Domain::Levels(levels) => {
            let count = i64::try_from(levels.len()).unwrap_or(i64::MAX);
            vec![of(count, 0, level), of(-1, 0, level), of(0, 0, flag)]
        }
        Domain::Number { lo, hi } => {
            let mut wrong = vec![of(*lo, 19, number), of(*lo, u32::MAX, number), of(0, 0, level)];
            wrong.extend(hi.checked_add(1).map(|above| of(above, 0, number)));
            wrong.extend(lo.checked_sub(1).map(|below| of(below, 0, number)));
            wrong
        }
    }
}

/// All combinations, or as many as are called, evenly spread.
fn combinations(axes: &[Vec<Scalar>]) -> Vec<Vec<Scalar>> {
    let all = axes.iter().fold(1_usize, |all, axis| all.saturating_mul(axis.len()));
    let step = all.div_ceil(MAX_CALLS).max(1) | 1;
    let pick = |index: usize| {
        let mut rest = index;
        let digit = |axis: &Vec<Scalar>| {
            let size = axis.len().max(1);
            let value = axis.get(rest % size).copied();
            rest /= size;
            value
        };
        axes.iter().filter_map(digit).collect()
    };
    (0..all).step_by(step).map(pick).collect()
}
