//! Measured noise never exceeds what a model predicts.

use super::cases::{all, table};
use super::{NoiseBounds, Report, Subject, frames};

pub(super) fn check(subject: &Subject, bounds: NoiseBounds<'_>, report: &mut Report) {
    for (case, seed) in all(subject, report).iter().zip(101..) {
        let check = format!("noise of `{}`", case.name);
        let Some(encrypted) =
            report.value(&check, subject.encrypt(&case.plan, &table(subject, &case.plan, seed)))
        else {
            return;
        };
        let blocks: Vec<Vec<&[u8]>> = encrypted.iter().map(|block| frames(block)).collect();
        let outcome = subject.key.measure(&subject.pair.evaluation, &case.plan, &blocks);
        let Some(measured) = report.value(&check, outcome) else { return };
        if !subject.evaluator.capabilities().encrypted {
            report.require(measured.node_max_bits.is_empty(), &check, "noise where nothing is encrypted");
            continue;
        }
        let (nodes, sums) = (case.plan.nodes().len(), case.plan.sums.len());
        let complete = measured.node_max_bits.len() == nodes && measured.node_stddev_bits.len() == nodes;
        report.require(complete, &check, "not one measurement per node");
        let complete = measured.sum_bits.len() == sums && measured.sum_bits_before_flooding.len() == sums;
        report.require(complete, &check, "not one measurement per sum");
        let bounds = bounds(&case.plan);
        report.require(bounds.len() == nodes, &check, "the caller's model gives not one bound per node");
        for ((node, _), (measured, bound)) in case.plan.iter().zip(measured.node_max_bits.iter().zip(&bounds))
        {
            let held = measured <= bound;
            report.require(held, &check, format!("{node} has {measured:.1} bits, more than {bound:.1}"));
        }
    }
}
