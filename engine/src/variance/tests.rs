//! Against closed forms, where there are some.
#![expect(clippy::unwrap_used, reason = "plans are written here")]

use hq_plugin_sdk::capabilities::Leveled;
use hq_plugin_sdk::plan::Plan;

use super::{Deviations, deviations};

const N: f64 = 8192.0;
const T: f64 = 65537.0;
const SIGMA: f64 = 3.19;
const Q: f64 = 1_125_899_905_744_897.0;

fn leveled() -> Leveled {
    Leveled {
        noise_model: String::new(),
        security: Vec::new(),
        security_source: String::new(),
        max_modulus_bits: 50,
        max_plaintext_bits: 26,
        error_stddev: SIGMA,
        max_relinearization_degree: 4,
        fresh_norm_factor: 4.0,
        secret_norm_factor: 4.5,
        costs: Vec::new(),
    }
}

/// A plan over one block, or `blocks`, with four primes; the last of `nodes` is summed.
fn plan(nodes: &str, blocks: u64) -> Plan {
    let rows = 8192 * blocks;
    let primes = "[1125899905744897,1125899905744897,1125899905744897,1125899905744897]";
    let last = nodes.lines().count() - 1;
    Plan::parse(&format!(
        "hq-plan 1\nrows {rows}\nparameters {{\"scheme\":\"rns\",\"ring_degree\":8192,\"plaintext_modulus\":65537,\
         \"moduli\":{primes},\"special_moduli\":[1125899905744897],\"digit_limbs\":1,\
         \"relinearization_limbs\":[4,4,4],\"security_bits\":0}}\nrelease @0 relinearize @3 flood 40\ninput x 0..1\ninput y 0..1\n\
         input p 0..1 parameter\n{nodes}sum %{last} 0..1\n"
    ))
    .unwrap()
}

fn simulated(nodes: &str, blocks: u64) -> Deviations {
    deviations(&plan(nodes, blocks), &leveled()).unwrap()
}

/// Asserts a variance, to 0.1 bit of the deviation.
#[track_caller]
fn close(bits: f64, variance: f64) {
    let expected = variance.log2() / 2.0;
    assert!((bits - expected).abs() < 0.1, "{bits} where {expected} is expected");
}

/// V of a fresh value.
const FRESH: f64 = T * T * (SIGMA * SIGMA + 1.0 / 12.0);
/// V of the rounding of two parts.
const ROUNDING: f64 = T * T / 12.0 * (1.0 + 2.0 * N / 3.0);
/// V of a public-key encryption of zero.
const PUBLIC: f64 = T * T * SIGMA * SIGMA * (1.0 + 4.0 * N / 3.0);

const FACTORS: &str = "%0 = input x @3\n%1 = input y @3\n";

#[test]
fn fresh_values_sums_and_products_of_independents() {
    let found = simulated(&format!("{FACTORS}%2 = linear 1 3*%0 -2*%1\n%3 = mul %0 %1\n"), 1);
    close(found.node_bits[0], FRESH);
    close(found.node_bits[2], 13.0 * FRESH);
    close(found.node_bits[3], N * FRESH * FRESH);
}

#[test]
fn powers_are_noisier_than_products_of_independents() {
    let found =
        simulated(&format!("{FACTORS}%2 = mul %0 %0\n%3 = mul %0 %2\n%4 = mul %2 %2\n%5 = drop %4 @0\n"), 1);
    close(found.node_bits[2], 2.0 * N * FRESH.powi(2));
    close(found.node_bits[3], 6.0 * N.powi(2) * FRESH.powi(3));
    close(found.node_bits[5], 24.0 * N.powi(3) * FRESH.powi(4));
}

#[test]
fn what_is_shared_cancels_or_adds_up() {
    let nodes = "%2 = mul %0 %1\n%3 = linear 1 -1*%0\n%4 = mul %1 %3\n%5 = linear 0 1*%2 1*%4\n";
    let found = simulated(&format!("{FACTORS}{nodes}"), 1);
    // x y + (1 - x) y = y
    close(found.node_bits[5], FRESH);
}

#[test]
fn a_switch_divides_and_rounds() {
    let found = simulated(&format!("{FACTORS}%2 = mod_switch %0\n%3 = mod_switch %1\n%4 = mul %2 %3\n"), 1);
    close(found.node_bits[2], FRESH / Q / Q + ROUNDING);
    // r1 r1' s^2: the secret is the same in both factors, and E |s|^4 = 2 (E |s|^2)^2.
    close(found.node_bits[4], 2.0 * N * ROUNDING * ROUNDING);
    let rounding3 = T * T / 12.0 * (1.0 + 2.0 * N / 3.0 + 2.0 * (2.0 * N / 3.0).powi(2));
    let found = simulated(&format!("{FACTORS}%2 = mul %0 %1\n%3 = mod_switch %2\n"), 1);
    close(found.node_bits[3], N * FRESH * FRESH / Q / Q + rounding3);
}

#[test]
fn key_switching_adds_its_digits() {
    let found = simulated(&format!("{FACTORS}%2 = mul %0 %1\n%3 = relinearize %2\n"), 1);
    let digits = 4.0 * T * T * N / 12.0 * SIGMA * SIGMA;
    close(found.node_bits[3], N * FRESH * FRESH + digits + ROUNDING);
    // Powers 2 and 3.
    let found = simulated(&format!("{FACTORS}%2 = mul %0 %1\n%3 = mul %0 %2\n%4 = relinearize %3\n"), 1);
    close(found.node_bits[4], 2.0 * N * N * FRESH.powi(3) + 2.0 * digits + ROUNDING);
}

#[test]
fn blocks_add_up_and_parameters_are_the_same_in_all() {
    let released = |variance: f64| variance / Q.powi(6) + ROUNDING;
    let found = simulated("%0 = input x @3\n%1 = drop %0 @0\n", 16);
    close(found.sums[0].bits, 16.0 * FRESH);
    let found = simulated("%0 = input p @3\n%1 = drop %0 @0\n", 16);
    close(found.node_bits[0], PUBLIC);
    close(found.sums[0].bits, 256.0 * PUBLIC);
    let found = simulated("%0 = input p @3\n%1 = input x @3\n%2 = mul %0 %1\n", 16);
    let product = 16.0 * N * FRESH * PUBLIC;
    close(found.sums[0].bits, released(product));
    // x + p: what comes from p adds up.
    let found = simulated("%0 = input p @0\n%1 = input x @0\n%2 = linear 0 1*%0 1*%1\n", 16);
    close(found.sums[0].bits, 16.0 * FRESH + 256.0 * PUBLIC);
}

#[test]
fn flooding_is_uniform() {
    let found = simulated("%0 = input x @3\n%1 = drop %0 @0\n", 1);
    close(found.sums[0].flooded_bits, T * T * 2_f64.powi(80) / 3.0);
}

#[test]
fn no_double_overflows() {
    let mut nodes = FACTORS.to_owned();
    // 2^(26 x 32): its square leaves a double's range.
    nodes.push_str("%2 = mul %0 %1\n%3 = relinearize %2\n");
    for step in 0..4 {
        let arg = 3 + 2 * step;
        nodes.push_str(&format!(
            "%{} = mul %{arg} %{arg}\n%{} = relinearize %{}\n",
            arg + 1,
            arg + 2,
            arg + 1
        ));
    }
    let found = simulated(&nodes, 1);
    let bits = found.node_bits[11];
    assert!(bits > 700.0 && bits.is_finite(), "{bits}");
}

#[test]
fn a_plan_has_one_prediction() {
    let nodes = format!("{FACTORS}%2 = mul %0 %1\n%3 = relinearize %2\n%4 = mod_switch %3\n");
    assert_eq!(simulated(&nodes, 3), simulated(&nodes, 3));
}

/// Not a test of speed, which depends on the machine: `cargo test --release -p hq-engine -- --ignored thousands`.
#[test]
#[ignore = "shows how long it takes"]
fn thousands_of_values() {
    let mut nodes = FACTORS.to_owned();
    for step in 0..1250 {
        let at = 2 + 4 * step;
        nodes.push_str(&format!(
            "%{at} = linear 1 {}*%0 1*%1\n%{} = mul %0 %{at}\n%{} = relinearize %{}\n%{} = linear 0 1*%0 {}*%{}\n",
            step + 1, at + 1, at + 2, at + 1, at + 3, step + 1, at + 2
        ));
    }
    let start = std::time::Instant::now();
    let found = simulated(&nodes, 4);
    eprintln!("{} values in {:?}", found.node_bits.len(), start.elapsed());
}
