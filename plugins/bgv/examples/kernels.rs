//! CPU time per slot and limb of the kernels that a block consists of, over as many limbs as a block has:
//! `cargo run --release -p hq-plugin-bgv --example kernels`. The cost table of the backend is read off it.
#![expect(clippy::unwrap_used, clippy::print_stdout, reason = "a measuring tool, run by hand")]

use cpu_time::ProcessTime;
use hq_plugin_bgv::modular::{self, Modulus, Source};
use hq_plugin_bgv::poly::Limb;
use hq_plugin_bgv::primes::next_prime;
use hq_plugin_bgv::sample::{self, Expansion, Use, expand};
use hq_plugin_bgv::transform::{self, Transform as _};
use hq_plugin_bgv::wire;
use rand::SeedableRng;
use rand::rngs::ChaCha20Rng;

/// Limbs of a block: sixteen ciphertexts of two parts modulo seven primes.
const LIMBS: usize = 16 * 2 * 7;
const REPEATS: usize = 15;
/// Slots that are done at a time where a block is walked through by chunks.
const CHUNK: usize = 512;

fn main() {
    println!("nanoseconds per slot   N = 4096      8192     16384     32768");
    let rows: Vec<Vec<(&str, f64)>> = [12, 13, 14, 15].map(kernels).into();
    for (index, (name, _)) in rows[0].iter().enumerate() {
        let cells: Vec<String> = rows.iter().map(|row| format!("{:>9.3}", row[index].1)).collect();
        println!("{name:<22} {}", cells.join(" "));
    }
}

fn kernels(log_degree: u32) -> Vec<(&'static str, f64)> {
    let degree = 1_usize << log_degree;
    let prime = next_prime(1 << 48, 2 * degree as u64, 50, &[]).unwrap();
    let q = Modulus::new(prime);
    let mut limbs: Vec<Limb> = (0..LIMBS as u64).map(|seed| limb(degree, prime, seed)).collect();
    let factor = q.factor(prime / 3);
    let ntt = transform::select(degree, prime).unwrap();
    let (mut first, mut second, mut third) =
        (limb(degree, prime, 1), limb(degree, prime, 2), limb(degree, prime, 3));
    let mut timer = Timer { degree, rows: Vec::new() };
    let mut time = |name, per, work: &mut dyn FnMut(usize)| timer.time(name, per, work);
    time("transform", 2, &mut |at| {
        ntt.forward(&mut limbs[at]);
        ntt.inverse(&mut limbs[at]);
    });
    time("transform, in cache", 2, &mut |_| {
        ntt.forward(&mut limbs[0]);
        ntt.inverse(&mut limbs[0]);
    });
    let library = transform::TfheNtt::new(degree, prime).unwrap();
    time("transform, tfhe-ntt", 2, &mut |at| {
        library.forward(&mut limbs[at]);
        library.inverse(&mut limbs[at]);
    });
    limbs = (0..LIMBS as u64).map(|seed| limb(degree, prime, seed)).collect();
    let get = |at: usize| &*limbs[at % LIMBS];
    time("key product", 6, &mut |at| {
        let digits = [get(at), get(at + 1), get(at + 2)];
        let keys = [
            (get(7 * at), get(7 * at + 1)),
            (get(7 * at + 2), get(7 * at + 3)),
            (get(7 * at + 4), get(7 * at + 5)),
        ];
        modular::inner_products(q, &digits, &keys, [None, None], (&mut first, &mut second));
    });
    let quotients = vec![1.0; degree];
    time("conversion", 3, &mut |at| {
        let sources = [at, at + 1, at + 2].map(|at| Source { residues: get(at), factor });
        modular::convert(q, &sources, &quotients, factor, &mut first);
    });
    for (name, per, count) in [("product, 2 by 2", 4, 2), ("product, 4 by 4", 16, 4)] {
        let mut out = vec![vec![0; degree]; 2 * count - 1];
        time(name, per, &mut |at| {
            let a: Vec<&[u64]> = (0..count).map(|part| get(at + 7 * part)).collect();
            let b: Vec<&[u64]> = (0..count).map(|part| get(5 * at + 7 * part)).collect();
            let mut out: Vec<&mut [u64]> = out.iter_mut().map(Vec::as_mut_slice).collect();
            modular::convolve(q, &a, &b, &mut out);
        });
    }
    time("product, by chunks", 4, &mut |_| {
        for _ in 0..degree / CHUNK {
            let [a, b, c, d] = [0, 1, 2, 3].map(|at| &get(at)[..CHUNK]);
            let mut out = [&mut first[..CHUNK], &mut second[..CHUNK], &mut third[..CHUNK]];
            modular::convolve(q, &[a, b], &[c, d], &mut out);
        }
    });
    time("and added, by chunks", 4, &mut |_| {
        for _ in 0..degree / CHUNK {
            let [a, b, c, d] = [0, 1, 2, 3].map(|at| &get(at)[..CHUNK]);
            let mut tail = [&mut first[..CHUNK], &mut second[..CHUNK]];
            std::hint::black_box(modular::convolve_accumulate(q, -3, &[a, b], &[c, d], &mut tail));
        }
    });
    time("linear, a term", 3, &mut |at| {
        let terms = [(1, get(at)), (-1, get(3 * at)), (2, get(5 * at))];
        modular::linear(q, 1, &terms, &mut first);
    });
    bytes(&mut timer, q, &limbs[0]);
    timer.rows
}

/// What is drawn, packed and unpacked.
fn bytes(timer: &mut Timer, q: Modulus, limb: &[u64]) {
    let degree = limb.len();
    let (mut first, mut second) = (vec![0; degree], vec![0; degree]);
    let mut time = |name, per, work: &mut dyn FnMut(usize)| timer.time(name, per, work);
    let mut generator = ChaCha20Rng::from_seed([1; 32]);
    time("errors", 1, &mut |_| {
        std::hint::black_box(sample::gaussian(&mut generator, degree));
    });
    let mut packed = Vec::new();
    time("pack", 1, &mut |_| {
        packed.clear();
        wire::pack(limb, 64 - q.value().leading_zeros(), &mut packed);
    });
    packed.clear();
    let bits = 64 - q.value().leading_zeros();
    wire::pack(limb, bits, &mut packed);
    time("unpack", 1, &mut |_| wire::unpack(&packed, bits, q, &mut first).unwrap());
    time("expand (setup)", 1, &mut |_| expand(&[7; 32], Use::Ciphertext, q, &mut second));
    time("hash of a frame", 1, &mut |_| {
        std::hint::black_box(blake3::hash(&packed));
    });
    time("load, by chunks", 1, &mut |_| {
        let mut expander = Expansion::new(&[7; 32], Use::Ciphertext, q);
        let rows = (CHUNK * wire::ROWS / degree).max(1);
        let length = rows * degree / wire::ROWS;
        for start in (0..wire::ROWS).step_by(rows) {
            wire::unpack_rows(&packed, bits, q, (degree, start * degree / wire::ROWS), &mut first[..length])
                .unwrap();
            expander.fill(&mut second[..length]);
        }
    });
}

struct Timer {
    degree: usize,
    rows: Vec<(&'static str, f64)>,
}

impl Timer {
    /// Nanoseconds for each slot of `per` limbs, the least of several runs over all limbs.
    fn time(&mut self, name: &'static str, per: usize, work: &mut dyn FnMut(usize)) {
        let mut best = f64::INFINITY;
        for _ in 0..REPEATS {
            let start = ProcessTime::now();
            (0..LIMBS).for_each(&mut *work);
            best = best.min(start.elapsed().as_secs_f64());
        }
        self.rows.push((name, best * 1e9 / (LIMBS * per * self.degree) as f64));
    }
}

fn limb(degree: usize, prime: u64, seed: u64) -> Limb {
    let value = |i: u64| i.wrapping_mul(0x9e37_79b9_7f4a_7c15).wrapping_add(seed * 77) % prime;
    let mut limb = Limb::any(degree);
    limb.iter_mut().zip(0..).for_each(|(slot, i)| *slot = value(i));
    limb
}
