//! Q-COHORT on the tfhe backend beside the same query the plain way, on `FheUint8` and `FheBool` of tfhe-rs:
//! `cargo run --release --manifest-path bench/tfhe/Cargo.toml -- [ROUNDS]`.
//!
//! Both sides have the parameters of a failure probability of 2^-128, one thread, and rows of which half match. Rounds
//! alternate; of each side the quietest counts. What is measured is the service's work on rows that are encrypted already:
//! keys and encryption are left out. Releasing the sums is told by itself: it does not grow with the rows, and the plain way
//! releases nothing.

mod plain;
mod planned;
mod rows;

use std::error::Error;

use rows::Row;

/// Rows of a round.
const ROWS: usize = 16;

/// What a side took for a round.
struct Round {
    /// Work that grows with the rows.
    cpu_s: f64,
    /// Releasing the sums, once for any table.
    release_s: f64,
    bootstraps: f64,
    count: u64,
    sum: u64,
}

/// The least CPU of some rounds, and bootstraps, both for each row.
#[derive(Default)]
struct Best {
    cpu_s: Option<f64>,
    release_s: f64,
    bootstraps: f64,
}

impl Best {
    /// Counts a round in, if its numbers are right.
    fn add(&mut self, round: &Round, rows: &[Row]) -> Result<(), Box<dyn Error>> {
        let matching = || rows.iter().filter(|row| row.matches());
        let expected = (matching().count() as u64, matching().map(|row| u64::from(row.sbp)).sum());
        if (round.count, round.sum) != expected {
            return Err(format!("{:?} is not {expected:?}", (round.count, round.sum)).into());
        }
        let each = rows.len() as f64;
        let cpu_s = round.cpu_s / each;
        self.cpu_s = Some(self.cpu_s.map_or(cpu_s, |best| best.min(cpu_s)));
        self.bootstraps = round.bootstraps / each;
        self.release_s = round.release_s;
        Ok(())
    }

    fn cpu_s(&self) -> f64 {
        self.cpu_s.unwrap_or(f64::NAN)
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    let rounds: u64 = std::env::args().nth(1).map_or(Ok(3), |text| text.parse())?;
    rayon::ThreadPoolBuilder::new().num_threads(1).build_global()?;
    let planned = planned::Side::new(ROWS as u64)?;
    let plain = plain::Side::new();
    let (mut hq, mut other) = (Best::default(), Best::default());
    println!("round   hq, CPU s a row   plain, CPU s a row");
    for round in 0..rounds {
        let rows = rows::some(ROWS, round);
        let (own, theirs) = (planned.run(&rows)?, plain.run(&rows)?);
        hq.add(&own, &rows)?;
        other.add(&theirs, &rows)?;
        let each = ROWS as f64;
        println!("{round:>5} {:>17.3} {:>20.3}", own.cpu_s / each, theirs.cpu_s / each);
    }
    println!("\nQ-COHORT, {ROWS} rows a round, one thread, the quietest of {rounds} rounds");
    println!("hq      {:>6.2} bootstraps and {:.3} CPU s a row", hq.bootstraps, hq.cpu_s());
    println!("          {:.2} CPU s for releasing both sums", hq.release_s);
    println!("plain   {:>6.2} bootstraps and {:.3} CPU s a row", other.bootstraps, other.cpu_s());
    println!("ratio   {:>6.2} of the CPU", hq.cpu_s() / other.cpu_s());
    Ok(())
}
