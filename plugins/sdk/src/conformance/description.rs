//! A backend's description of itself, and the parameters it gives.

use std::collections::HashSet;

use super::{Options, Report};
use crate::backend::Fault;
use crate::capabilities::{Bootstrapped, Capabilities, Leveled, OpKind};
use crate::host::EvaluatorPlugin;
use crate::parameters::{Parameters, RnsParameters, RnsRequest};
use crate::tfhe::TfheParameters;

/// Rows per block for a backend that leaves it open.
const ROWS_PER_BLOCK: u32 = 100;

/// Checks the description; gives parameters for the checks to come, where there are any.
pub(super) fn check(
    evaluator: &EvaluatorPlugin,
    options: &Options<'_>,
    report: &mut Report,
) -> Option<Parameters> {
    let capabilities = evaluator.capabilities();
    check_capabilities(capabilities, report);
    if let Some(bootstrapped) = &capabilities.bootstrapped {
        check_bootstrapped(bootstrapped, report);
        let refusal = evaluator.resolve(&small_request(60));
        report.refused("resolve of a backend without levels", refusal, &[Fault::Parameters]);
        let own =
            bootstrapped.parameters.first().map(|set| TfheParameters { rows_per_block: 4, ..set.clone() });
        return options.tfhe.clone().or(own).map(Parameters::Tfhe);
    }
    let Some(leveled) = &capabilities.leveled else {
        let refusal = evaluator.resolve(&small_request(60));
        report.refused("resolve of a backend without levels", refusal, &[Fault::Parameters]);
        return Some(Parameters::Clear { rows_per_block: ROWS_PER_BLOCK });
    };
    check_leveled(leveled, report);
    let request = options.request.clone().unwrap_or_else(|| small_request(leveled.max_modulus_bits));
    let check = "resolve of test parameters (set HQ_TEST_PARAMETERS=1 where they are of security 0)";
    let parameters = report.value(check, evaluator.resolve(&request))?;
    check_answer(&request, &parameters, report);
    check_impossible(evaluator, &request, leveled, report);
    Some(Parameters::Rns(parameters))
}

/// Five primes, which bear two products, in a small ring.
fn small_request(max_modulus_bits: u32) -> RnsRequest {
    let special = max_modulus_bits.min(54);
    RnsRequest {
        ring_degree: 1024,
        min_plaintext_modulus: 65_537,
        modulus_bits: vec![special.saturating_sub(4); 5],
        special_bits: vec![special],
        digit_limbs: 1,
        relinearization_limbs: vec![5],
        security_bits: 0,
    }
}

fn check_capabilities(capabilities: &Capabilities, report: &mut Report) {
    let check = "capabilities";
    let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_';
    let name = &capabilities.name;
    report.require(
        !name.is_empty() && name.bytes().all(plain),
        check,
        format!("`{name}` is not a-z, 0-9, _"),
    );
    report.require(!capabilities.version.trim().is_empty(), check, "no version");
    let ops: HashSet<OpKind> = capabilities.ops.iter().copied().collect();
    report.require(ops.len() == capabilities.ops.len(), check, "an operation is named twice");
    for op in [OpKind::Input, OpKind::Linear] {
        report.require(ops.contains(&op), check, format!("{op:?} is not claimed: nothing can be computed"));
    }
    let leveled = [OpKind::Relinearize, OpKind::ModSwitch, OpKind::Drop];
    report.require(
        capabilities.leveled.is_some() || leveled.iter().all(|op| !ops.contains(op)),
        check,
        "it claims operations on levels, but has none",
    );
}

fn check_leveled(leveled: &Leveled, report: &mut Report) {
    let check = "capabilities, levels";
    report.require(!leveled.noise_model.is_empty(), check, "no noise model");
    report.require(!leveled.security_source.is_empty(), check, "the security table has no source");
    report.require(!leveled.security.is_empty(), check, "the security table is empty");
    let rows: HashSet<(u32, u32)> =
        leveled.security.iter().map(|row| (row.ring_degree, row.security_bits)).collect();
    report.require(rows.len() == leveled.security.len(), check, "the security table contradicts itself");
    for row in &leveled.security {
        let sane = row.ring_degree.is_power_of_two() && row.security_bits >= 128 && row.max_log2_qp > 0;
        report.require(sane, check, format!("the security table's {row:?}"));
    }
    let primes = (1..=62).contains(&leveled.max_modulus_bits) && leveled.max_plaintext_bits >= 2;
    report.require(primes, check, "widths of its primes");
    let noise = leveled.error_stddev.is_finite() && leveled.error_stddev > 0.0;
    report.require(noise, check, "fresh errors have no standard deviation");
    let secret = leveled.secret_norm_factor.is_finite() && leveled.secret_norm_factor > 0.0;
    report.require(secret, check, "the secret has no norm");
    let fresh = leveled.fresh_norm_factor.is_finite() && leveled.fresh_norm_factor > 0.0;
    report.require(fresh, check, "a fresh value has no norm");
    report.require(leveled.max_relinearization_degree >= 2, check, "no product could be relinearized");
    report.require(!leveled.costs.is_empty(), check, "no costs: nothing can be planned");
    for costs in &leveled.costs {
        let ring_degree = costs.ring_degree;
        let sane = costs.all().iter().all(|cost| cost.is_finite() && *cost >= 0.0);
        report.require(sane, check, format!("the costs at N = {ring_degree} are not numbers of nanoseconds"));
    }
}

fn check_bootstrapped(bootstrapped: &Bootstrapped, report: &mut Report) {
    let check = "capabilities, bootstraps";
    report.require(!bootstrapped.noise_model.is_empty(), check, "no noise model");
    report.require(!bootstrapped.parameters.is_empty(), check, "no parameters");
    for set in &bootstrapped.parameters {
        let sane = set.polynomial_size.is_power_of_two()
            && set.security_bits >= 128
            && (1..=62).contains(&set.sum_bits)
            && (1..=set.polynomial_size).contains(&set.boxes)
            && set.rows_per_block > 0;
        report.require(sane, check, format!("the parameters {set:?}"));
    }
    let sane = bootstrapped.costs.all().iter().all(|cost| cost.is_finite() && *cost >= 0.0);
    report.require(sane, check, "its costs are not numbers of nanoseconds");
}

fn check_answer(request: &RnsRequest, answer: &RnsParameters, report: &mut Report) {
    let check = "resolve answers what was asked";
    let RnsParameters { ring_degree, plaintext_modulus, moduli, special_moduli, .. } = answer;
    report.require(*ring_degree == request.ring_degree, check, "another ring degree");
    report.require(answer.digit_limbs == request.digit_limbs, check, "other digits");
    let keys = answer.relinearization_limbs == request.relinearization_limbs;
    report.require(keys, check, "other relinearization keys");
    report.require(answer.security_bits == request.security_bits, check, "another security level");
    report.require(*plaintext_modulus >= request.min_plaintext_modulus, check, "plaintext modulus too small");
    report.require(moduli.len() == request.modulus_bits.len(), check, "another number of primes");
    report.require(
        special_moduli.len() == request.special_bits.len(),
        check,
        "another number of special primes",
    );
    let primes = moduli.iter().chain(special_moduli);
    let bits = request.modulus_bits.iter().chain(&request.special_bits);
    for (prime, bits) in primes.clone().zip(bits) {
        report.require(
            prime.checked_ilog2() >= bits.checked_sub(1),
            check,
            format!("{prime} has not {bits} bits"),
        );
    }
    let distinct: HashSet<u64> = primes.clone().copied().chain([*plaintext_modulus]).collect();
    report.require(distinct.len() == moduli.len() + special_moduli.len() + 1, check, "a prime occurs twice");
    let cyclotomic = 2 * u64::from(*ring_degree);
    for prime in primes.chain([plaintext_modulus]) {
        report.require(prime % cyclotomic == 1, check, format!("{prime} is not 1 modulo 2N"));
    }
    for prime in moduli.iter().skip(1) {
        report.require(prime % plaintext_modulus == 1, check, format!("{prime} is not 1 modulo t"));
    }
}

fn check_impossible(
    evaluator: &EvaluatorPlugin,
    request: &RnsRequest,
    leveled: &Leveled,
    report: &mut Report,
) {
    let impossible: [(&str, RnsRequest); 6] = [
        ("a ring degree of 1000", RnsRequest { ring_degree: 1000, ..request.clone() }),
        ("a ring degree of 0", RnsRequest { ring_degree: 0, ..request.clone() }),
        ("no primes", RnsRequest { modulus_bits: Vec::new(), ..request.clone() }),
        ("no digits", RnsRequest { digit_limbs: 0, ..request.clone() }),
        (
            "a prime that is too wide",
            RnsRequest { modulus_bits: vec![leveled.max_modulus_bits + 1; 5], ..request.clone() },
        ),
        (
            "128-bit security of a huge modulus",
            RnsRequest {
                security_bits: 128,
                modulus_bits: vec![leveled.max_modulus_bits.min(50); 40],
                ..request.clone()
            },
        ),
    ];
    for (what, request) in impossible {
        report.refused(format!("resolve of {what}"), evaluator.resolve(&request), &[Fault::Parameters]);
    }
}
