//! Whatever comes from outside may be damaged, foreign or made to do harm: it is refused by the right
//! fault, no panic happens, and a session goes on as if it had not been there.

use super::cases::{Case, all, richest, table};
use super::exact::compare;
use super::{Report, Subject, frames};
use crate::backend::{Fault, Session};
use crate::frame::{Kind, open, seal, split};
use crate::parameters::{Parameters, RnsParameters};
use crate::plan::{Builder, Input, Linear, Op, Origin, Sum};
use crate::range::Range;
use crate::tfhe::TfheParameters;

pub(super) fn check(subject: &Subject, report: &mut Report) {
    let cases = all(subject, report);
    let Some(case) = richest(&cases) else { return };
    values(subject, report);
    plans(subject, case, report);
    keys(subject, case, report);
    blocks(subject, case, report);
    results(subject, case, report);
    if subject.evaluator.capabilities().encrypted {
        another_key(subject, case, report);
    }
}

/// Copies that a checksum must catch: cut, lengthened, or with one bit flipped.
pub(super) fn damaged(bytes: &[u8]) -> Vec<(String, Vec<u8>)> {
    let length = bytes.len();
    let cuts = [0, 1, 16, 31, 32, 33, 64, length / 2, length.saturating_sub(1)];
    let mut copies: Vec<(String, Vec<u8>)> = cuts
        .into_iter()
        .filter(|&cut| cut < length)
        .map(|cut| (format!("cut to {cut} bytes"), bytes.iter().copied().take(cut).collect()))
        .collect();
    copies.push(("with a byte appended".to_owned(), [bytes, &[0]].concat()));
    let step = (length / 16).max(1);
    for position in (0..length.min(32)).chain((0..length).step_by(step)).chain(length.checked_sub(1)) {
        let mut copy = bytes.to_vec();
        if let Some(byte) = copy.get_mut(position) {
            *byte ^= 1 << (position % 8);
        }
        copies.push((format!("with a bit of byte {position} flipped"), copy));
    }
    copies
}

/// Frames whose checksum is right and whose content is not.
pub(super) fn forged(bytes: &[u8]) -> Vec<(String, Vec<u8>)> {
    let Ok((frame, _)) = split(bytes) else {
        return Vec::new();
    };
    let payload = frame.payload;
    let mut contents = vec![
        ("empty".to_owned(), Vec::new()),
        ("all ones".to_owned(), vec![0xFF; payload.len()]),
        ("all zeros".to_owned(), vec![0; payload.len()]),
        (
            "one byte short".to_owned(),
            payload.iter().copied().take(payload.len().saturating_sub(1)).collect(),
        ),
        ("half".to_owned(), payload.iter().copied().take(payload.len() / 2).collect()),
        ("a byte too long".to_owned(), [payload, &[0]].concat()),
        ("doubled".to_owned(), payload.repeat(2)),
    ];
    let step = (payload.len() / 8).max(1);
    for position in (0..payload.len().min(64)).chain((0..payload.len()).step_by(step)) {
        let mut copy = payload.to_vec();
        if let Some(byte) = copy.get_mut(position) {
            *byte = !*byte;
        }
        contents.push((format!("byte {position} inverted"), copy));
    }
    contents.into_iter().map(|(what, content)| (what, seal(frame.kind, frame.key, &content))).collect()
}

fn values(subject: &Subject, report: &mut Report) {
    let too_many = vec![0; subject.rows_per_block() + 1];
    report.refused("encrypt of more rows than fit", subject.key.encrypt(&too_many), &[Fault::Input]);
    if subject.evaluator.capabilities().encrypted {
        for value in [i64::MAX, i64::MIN] {
            let outcome = subject.key.encrypt(&[value]);
            report.refused(format!("encrypt of {value}"), outcome, &[Fault::Input]);
        }
    }
}

fn plans(subject: &Subject, case: &Case, report: &mut Report) {
    let mut too_wide = Builder::like(&case.plan);
    let range = Range::new(-(1 << 40), 1 << 40).unwrap_or(Range::BOOL);
    let input =
        too_wide.declare(Input { name: "wide".to_owned(), range, family: None, origin: Origin::Table });
    let level =
        case.plan.nodes().iter().find_map(|op| if let Op::Input { level, .. } = op { *level } else { None });
    let wide = too_wide.push(Op::Input { input, level });
    let square = too_wide.push(Op::Mul { left: wide, right: wide });
    too_wide.sum(Sum { node: square, range: Range::BOOL });
    report.refused("plan whose values leave 62 bits", subject.open(&too_wide.finish()), &[Fault::Plan]);

    let mut wrong_sum = case.plan.clone();
    if let Some(sum) = wrong_sum.sums.first_mut() {
        sum.range = Range::new(i64::MIN, i64::MAX).unwrap_or(Range::BOOL);
    }
    report.refused("plan whose sum is wider than its node", subject.open(&wrong_sum), &[Fault::Plan]);

    let foreign = match &subject.parameters {
        Parameters::Clear { .. } => {
            let rns = RnsParameters {
                ring_degree: 1024,
                plaintext_modulus: 65_537,
                moduli: vec![40_961, 65_537],
                special_moduli: vec![12_289],
                digit_limbs: 1,
                relinearization_limbs: vec![2],
                security_bits: 0,
            };
            Some(Parameters::Rns(rns))
        }
        Parameters::Rns(_) | Parameters::Tfhe(_) => Some(Parameters::Clear { rows_per_block: 1024 }),
    };
    let mut other_scheme = case.plan.clone();
    other_scheme.parameters = foreign;
    let outcome = subject.open(&other_scheme);
    report.refused(
        "plan with parameters of another scheme",
        outcome,
        &[Fault::Plan, Fault::Parameters, Fault::Key],
    );

    let mut fewer_rows = case.plan.clone();
    fewer_rows.parameters = Some(match &subject.parameters {
        Parameters::Clear { rows_per_block } => Parameters::Clear { rows_per_block: rows_per_block / 2 },
        Parameters::Rns(rns) => Parameters::Rns(RnsParameters {
            special_moduli: rns.moduli.iter().copied().take(1).collect(),
            ..rns.clone()
        }),
        Parameters::Tfhe(tfhe) => {
            Parameters::Tfhe(TfheParameters { rows_per_block: tfhe.rows_per_block / 2, ..tfhe.clone() })
        }
    });
    let outcome = subject.open(&fewer_rows);
    report.refused(
        "plan with other parameters than the key",
        outcome,
        &[Fault::Key, Fault::Parameters, Fault::Plan],
    );

    let claimed = &subject.evaluator.capabilities().ops;
    let mut builder = Builder::like(&case.plan);
    let input = builder.declare(Input {
        name: "other".to_owned(),
        range: Range::BOOL,
        family: None,
        origin: Origin::Table,
    });
    let node = builder.push(Op::Input { input, level: None });
    let ops = [
        Op::Member { arg: node, set: crate::range::RangeSet::from_ranges([Range::single(1)]) },
        Op::Relinearize { arg: node },
        Op::ModSwitch { arg: node },
        Op::Linear(Linear::constant_of(1)),
    ];
    for op in ops.into_iter().filter(|op| !claimed.contains(&op.kind())) {
        let kind = op.kind();
        let node = builder.push(op);
        builder.sum(Sum { node, range: Range::single(1) });
        let outcome = subject.open(builder.plan());
        report.refused(format!("plan with {kind:?}, which is not claimed"), outcome, &[Fault::Plan]);
    }
}

fn keys(subject: &Subject, case: &Case, report: &mut Report) {
    for (what, bytes) in damaged(&subject.pair.secret) {
        report.refused(format!("secret key {what}"), subject.custody.load_key(&bytes), &[Fault::Key]);
    }
    for (what, bytes) in forged(&subject.pair.secret) {
        report.survived(format!("secret key forged: {what}"), subject.custody.load_key(&bytes));
    }
    for (what, bytes) in damaged(&subject.pair.evaluation) {
        let outcome = subject.evaluator.open(&case.plan, &bytes);
        report.refused(format!("evaluation key {what}"), outcome, &[Fault::Key]);
    }
    for (what, bytes) in forged(&subject.pair.evaluation) {
        let outcome = subject.evaluator.open(&case.plan, &bytes);
        report.survived(format!("evaluation key forged: {what}"), outcome);
    }
    let outcome = subject.evaluator.open(&case.plan, &subject.pair.secret);
    report.refused("a secret key for the evaluator", outcome, &[Fault::Key]);
    let outcome = subject.custody.load_key(&subject.pair.evaluation);
    report.refused("an evaluation key for the custodian", outcome, &[Fault::Key]);
    let kinds =
        (open(&subject.pair.secret, Kind::SecretKey), open(&subject.pair.evaluation, Kind::EvaluationKey));
    report.require(matches!(kinds, (Ok(_), Ok(_))), "keygen", "its frames are of the wrong kind");
}

/// One session takes every bad block, and a good one between: the result is that of the good ones.
fn blocks(subject: &Subject, case: &Case, report: &mut Report) {
    let check = "session between bad blocks";
    let table = table(subject, &case.plan, 91);
    let Some(mut session) = report.value(check, subject.open(&case.plan)) else { return };
    let Some(encrypted) = report.value(check, subject.encrypt(&case.plan, &table)) else { return };
    for block in &encrypted {
        let Some((last, others)) = block.split_last() else { return };
        let with = |last: &[u8]| others.iter().cloned().chain([last.to_vec()]).collect::<Vec<_>>();
        for (what, bytes) in damaged(last) {
            let outcome = session.block(&frames(&with(&bytes)));
            report.refused(format!("ciphertext {what}"), outcome, &[Fault::Input]);
        }
        let wrong: [(&str, Vec<Vec<u8>>); 5] = [
            ("no inputs", Vec::new()),
            ("an input too few", others.to_vec()),
            ("an input too many", [block.as_slice(), std::slice::from_ref(last)].concat()),
            ("an evaluation key for an input", with(&subject.pair.evaluation)),
            ("a secret key for an input", with(&subject.pair.secret)),
        ];
        for (what, inputs) in wrong {
            let outcome = session.block(&frames(&inputs));
            report.refused(format!("block with {what}"), outcome, &[Fault::Input]);
        }
        report.value(check, session.block(&frames(block)));
    }
    let outcome = session.finish().and_then(|result| subject.key.decrypt(&result));
    compare(subject, check, &case.plan, &table, outcome, report);

    // A forged ciphertext may be a valid one, so these blocks go to a session of their own.
    let Some(block) = encrypted.first() else { return };
    let Some((last, others)) = block.split_last() else { return };
    for (what, bytes) in forged(last) {
        let inputs: Vec<Vec<u8>> = others.iter().cloned().chain([bytes]).collect();
        report.survived(format!("ciphertext forged: {what}"), session.block(&frames(&inputs)));
    }
    report.survived("finish after forged blocks", session.finish());
}

fn results(subject: &Subject, case: &Case, report: &mut Report) {
    let table = table(subject, &case.plan, 92);
    let run = || {
        let mut session = subject.open(&case.plan)?;
        let encrypted = subject.encrypt(&case.plan, &table)?;
        encrypted.iter().try_for_each(|block| session.block(&frames(block)))?;
        Ok((session.finish()?, encrypted))
    };
    let Some((result, encrypted)) = report.value("a result to damage", run()) else { return };
    report.require(open(&result, Kind::Sums).is_ok(), "finish", "its frame is of the wrong kind");
    for (what, bytes) in damaged(&result) {
        report.refused(format!("result {what}"), subject.key.decrypt(&bytes), &[Fault::Input]);
    }
    for (what, bytes) in forged(&result) {
        report.survived(format!("result forged: {what}"), subject.key.decrypt(&bytes));
    }
    for ciphertext in encrypted.iter().flatten().take(1) {
        let check = "a ciphertext for a result: only sums are ever decrypted";
        report.refused(check, subject.key.decrypt(ciphertext), &[Fault::Input]);
    }
}

/// Nothing of one key pair goes with another.
fn another_key(subject: &Subject, case: &Case, report: &mut Report) {
    let Some(other) = report.value("a second keygen", subject.custody.keygen(&subject.parameters, None))
    else {
        return;
    };
    let Some(other_key) = report.value("load of a second key", subject.custody.load_key(&other.secret))
    else {
        return;
    };
    let table = table(subject, &case.plan, 93);
    let run = || {
        let encrypted = subject.encrypt(&case.plan, &table)?;
        let mut foreign = subject.evaluator.open(&case.plan, &other.evaluation)?;
        let mut own = subject.open(&case.plan)?;
        let first = encrypted.first().map(|block| frames(block)).unwrap_or_default();
        let block = foreign.block(&first);
        own.block(&first)?;
        Ok((block, other_key.decrypt(&own.finish()?)))
    };
    if let Some((block, decrypted)) = report.value("two key pairs", run()) {
        report.refused("ciphertexts under another key", block, &[Fault::Input, Fault::Key]);
        report.refused("a result under another key", decrypted, &[Fault::Key]);
    }
}
