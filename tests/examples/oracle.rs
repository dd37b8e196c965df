//! Questions P01 to P15 on both backends beside the oracle's answers, as a table:
//! `cargo build --workspace && cargo run -p hq-tests --example oracle`, with names of questions to take those only.
#![expect(clippy::print_stdout, reason = "a program that prints a table")]

use std::process::ExitCode;

use hq_tests::oracle::{Answer, CASES, Case, Comparison, answer, compare};

/// Largest relative difference of a final result that passes.
const TOLERANCE: f64 = 1e-9;

fn main() -> ExitCode {
    let Some(shared) = hq_tests::shared() else {
        println!("skipped: the tables and the oracle do not lie in `../shared`, beside this checkout");
        return ExitCode::SUCCESS;
    };
    let chosen: Vec<String> = std::env::args().skip(1).collect();
    println!("Seconds are of the clock, in one thread; those of the service are of its CPU.\n");
    println!(
        "{:8} {:7} {:>6} {:>7} {:>14} {:>15} {:>8} {:>8} {:>8} {:>8} {:>5} {:>6}",
        "question",
        "backend",
        "groups",
        "opened",
        "integers equal",
        "largest rel.",
        "keygen",
        "encrypt",
        "service",
        "open",
        "depth",
        "ring"
    );
    let mut sound = true;
    for case in CASES.iter().filter(|case| chosen.is_empty() || chosen.iter().any(|id| id == case.id)) {
        let table = shared.join("data").join(format!("{}.csv", case.dataset));
        for backend in ["clear", "bgv"] {
            let result = answer(case.id, case.dataset, &table, backend)
                .and_then(|answer| compare(case, &answer, &shared).map(|found| (answer, found)));
            match result {
                Ok((answer, found)) => sound &= line(case, backend, &answer, &found),
                Err(error) => {
                    println!("{:8} {backend:7} {error}", case.id);
                    sound = false;
                }
            }
        }
    }
    if sound { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// Prints a line; false if a number is wrong.
fn line(case: &Case, backend: &str, answer: &Answer, found: &Comparison) -> bool {
    let equal = found.wrong.is_empty();
    let yes = if equal { "yes" } else { "NO" };
    let seconds =
        |name| answer.sum("timing", name).map_or_else(|| "–".to_owned(), |value| format!("{value:.2}"));
    let number =
        |part, name| answer.most(part, name).map_or_else(|| "–".to_owned(), |value| value.to_string());
    // Fresh ciphertexts have one prime more than the products that can follow.
    let depth = answer
        .most("certificate", "levels")
        .map_or_else(|| "–".to_owned(), |levels| (levels - 1).to_string());
    println!(
        "{:8} {backend:7} {:>6} {:>7} {:>14} {:>15} {:>8} {:>8} {:>8} {:>8} {depth:>5} {:>6}",
        case.id,
        answer.groups(),
        answer
            .sum("certificate", "released_numbers")
            .map_or_else(|| "–".to_owned(), |count| count.to_string()),
        format!("{yes}, {}", found.integers),
        format!("{:.1e} of {}", found.largest, found.finals),
        seconds("keygen_s"),
        seconds("encrypt_s"),
        seconds("server_cpu_s"),
        seconds("open_s"),
        number("certificate", "ring_degree"),
    );
    for wrong in found.wrong.iter().chain(&found.absent).take(3) {
        println!("         not so: {wrong}");
    }
    equal && found.absent.is_empty() && found.largest <= TOLERANCE
}
