//! A transform on doubles with fused multiply-adds, for machines without 52-bit integer multiply-adds: the
//! same roots, the same order and the same bits as `tfhe-ntt`.
//!
//! The limb is a tree of blocks: block i of m halves with the root of node m + i, psi to the power of the
//! bit-reversed m + i (Seiler, "Faster AVX2 optimized NTT multiplication for Ring-LWE lattice cryptography",
//! 2018, section 2). A pass takes three layers at a time, or two; a leaf, of eight vectors, takes the rest in
//! registers. Passes go down the tree depth first, so that small blocks stay in the first cache.

use std::marker::PhantomData;

use aligned_vec::{AVec, CACHELINE_ALIGN};
use pulp::{Arch, NullaryFnOnce, Simd};

use super::Transform;
use super::butterfly::{Direction, Forward, Inverse, Number};
use super::roots;
use super::transpose::Transpose;
use crate::modular::{self, Lanes, Modulus, vectors_mut};

/// Vectors of a leaf.
const LEAF: usize = 8;
/// Sets of butterflies at a time; AVX-512 has registers for two of eight numbers.
const SETS: usize = 2;

/// Roots of one direction, centred, as doubles.
#[derive(Debug)]
struct Roots {
    /// By node, down to the leaves.
    nodes: Vec<f64>,
    /// For each leaf, in vectors: seven roots of its first layers, once each, then those of its last layers.
    leaves: AVec<f64>,
}

/// The transform for one prime and degree.
#[derive(Debug)]
pub struct FloatNtt {
    q: Modulus,
    /// Layers of each pass, from the whole limb to the leaves.
    passes: Vec<u32>,
    arch: Arch,
    forward: Roots,
    inverse: Roots,
}

impl FloatNtt {
    /// `None` where the prime has no 2N-th root of unity, N is below 1,024, or the machine has no vectors with
    /// fused multiply-adds.
    #[must_use]
    pub fn new(degree: usize, prime: u64) -> Option<Self> {
        Self::with(Arch::new(), degree, prime)
    }

    /// With each instruction set that this machine has.
    #[cfg(test)]
    pub(super) fn all(degree: usize, prime: u64) -> Vec<Self> {
        let mut sets = Vec::new();
        #[cfg(target_arch = "x86_64")]
        {
            sets.extend(pulp::x86::V4::try_new().map(Arch::V4));
            sets.extend(pulp::x86::V3::try_new().map(Arch::V3));
        }
        sets.into_iter().filter_map(|arch| Self::with(arch, degree, prime)).collect()
    }

    /// With the given instruction set.
    fn with(arch: Arch, degree: usize, prime: u64) -> Option<Self> {
        let lanes = match arch {
            #[cfg(target_arch = "x86_64")]
            Arch::V4(_) => 8,
            #[cfg(target_arch = "x86_64")]
            Arch::V3(_) => 4,
            _ => return None,
        };
        if !degree.is_power_of_two() || degree < 1024 {
            return None;
        }
        let q = Modulus::new(prime);
        let log_degree = degree.trailing_zeros();
        let powers = roots::powers(q, roots::primitive_root(q, log_degree)?, degree);
        let mut centred = vec![0.0; degree];
        modular::centre(q, &powers, &mut centred);
        let reversed = |node: usize| node.reverse_bits() >> (usize::BITS - log_degree);
        let forward = Roots::new(degree, lanes, |node| centred[reversed(node)]);
        // psi^-k = -psi^(N-k)
        let inverse = Roots::new(degree, lanes, |node| match reversed(node) {
            0 => 1.0,
            power => -centred[degree - power],
        });
        let mut left = (degree / (LEAF * lanes)).trailing_zeros();
        let mut passes = Vec::new();
        while left > 0 {
            let layers = if left == 1 || left == 2 || left == 4 { left.min(2) } else { 3 };
            passes.push(layers);
            left -= layers;
        }
        Some(Self { q, passes, arch, forward, inverse })
    }

    fn run<D: Direction>(&self, roots: &Roots, values: &mut [u64]) {
        match self.arch {
            #[cfg(target_arch = "x86_64")]
            Arch::V4(simd) => {
                simd.vectorize(Walk::<_, D> { simd, plan: self, roots, values, way: PhantomData })
            }
            #[cfg(target_arch = "x86_64")]
            Arch::V3(simd) => {
                simd.vectorize(Walk::<_, D> { simd, plan: self, roots, values, way: PhantomData })
            }
            _ => {}
        }
    }
}

/// A transform, to be compiled for an instruction set.
struct Walk<'a, S, D> {
    simd: S,
    plan: &'a FloatNtt,
    roots: &'a Roots,
    values: &'a mut [u64],
    way: PhantomData<D>,
}

impl<S: Transpose, D: Direction> NullaryFnOnce for Walk<'_, S, D> {
    type Output = ();

    #[inline(always)]
    fn call(self) {
        walk::<S, D>(self.simd, self.plan, self.roots, self.values);
    }
}

impl Transform for FloatNtt {
    fn forward(&self, values: &mut [u64]) {
        self.run::<Forward>(&self.forward, values);
    }

    fn inverse(&self, values: &mut [u64]) {
        self.run::<Inverse>(&self.inverse, values);
    }
}

impl Roots {
    fn new(degree: usize, lanes: usize, root: impl Fn(usize) -> f64) -> Self {
        let count = degree / (LEAF * lanes);
        let mut leaves = Vec::with_capacity(degree);
        for node in count..2 * count {
            let first = [node, 2 * node, 2 * node + 1, 4 * node, 4 * node + 1, 4 * node + 2, 4 * node + 3];
            leaves.extend(first.map(&root));
            leaves.push(0.0);
            // Each lane has a block of its own, the one that a vector of the leaf held before it was transposed.
            for square in (0..LEAF).step_by(lanes) {
                for (layer, child) in
                    (0..lanes.trailing_zeros()).flat_map(|l| (0..1 << l).map(move |c| (l, c)))
                {
                    let blocks = square..square + lanes;
                    leaves.extend(blocks.map(|block| root(((LEAF * node + block) << layer) + child)));
                }
            }
        }
        Self { nodes: (0..count).map(root).collect(), leaves: AVec::from_slice(CACHELINE_ALIGN, &leaves) }
    }

    /// The roots of the first three layers of a node.
    #[inline(always)]
    fn eight(&self, node: usize) -> [f64; 7] {
        let [a, b, c] = self.four(node);
        let [d, e, f, g] = std::array::from_fn(|child| self.nodes[4 * node + child]);
        [a, b, c, d, e, f, g]
    }

    #[inline(always)]
    fn four(&self, node: usize) -> [f64; 3] {
        [self.nodes[node], self.nodes[2 * node], self.nodes[2 * node + 1]]
    }
}

/// The whole transform: before, or after, each leaf those passes whose blocks begin, or end, with it.
#[inline(always)]
fn walk<S: Transpose, D: Direction>(simd: S, plan: &FloatNtt, roots: &Roots, values: &mut [u64]) {
    let lanes = Lanes::new(simd, plan.q);
    let words = vectors_mut::<S>(values);
    let total = words.len();
    let records = S::as_simd_f64s(&roots.leaves).0.chunks_exact(SETS * LEAF);
    for (pair, record) in records.enumerate() {
        let range = SETS * LEAF * pair..SETS * LEAF * (pair + 1);
        let mut length = total;
        if D::DOWN {
            for &layers in &plan.passes {
                if range.start % length == 0 {
                    pass::<S, D>(lanes, roots, words, range.start..range.start + length, layers);
                }
                length >>= layers;
            }
        }
        last_layers::<S, D>(simd, lanes, record, &mut words[range.clone()]);
        if !D::DOWN {
            length = LEAF;
            for &layers in plan.passes.iter().rev() {
                length <<= layers;
                if range.end % length != 0 {
                    break;
                }
                pass::<S, D>(lanes, roots, words, range.end - length..range.end, layers);
            }
        }
    }
}

/// One pass over a block.
#[inline(always)]
fn pass<S: Simd, D: Direction>(
    lanes: Lanes<S>,
    roots: &Roots,
    words: &mut [S::u64s],
    range: std::ops::Range<usize>,
    layers: u32,
) {
    let node = words.len() / range.len() + range.start / range.len();
    let outermost = range.len() == words.len();
    let block = &mut words[range];
    match (layers, outermost) {
        (3, true) => eight::<S, D>(lanes, block, roots.eight(node), true),
        (3, false) => eight::<S, D>(lanes, block, roots.eight(node), false),
        (2, true) => four::<S, D>(lanes, block, roots.four(node), true),
        (2, false) => four::<S, D>(lanes, block, roots.four(node), false),
        (_, true) => two::<S, D>(lanes, block, [roots.nodes[node]], true),
        (_, false) => two::<S, D>(lanes, block, [roots.nodes[node]], false),
    }
}

/// Defines the loop of a pass: butterflies of so many numbers, each a part of the block apart. A function that
/// took the butterflies as an argument would call them, compiled without the instruction set.
macro_rules! layers {
    ($name:ident, $numbers:literal, $roots:literal) => {
        #[inline(always)]
        fn $name<S: Simd, D: Direction>(
            lanes: Lanes<S>,
            block: &mut [S::u64s],
            roots: [f64; $roots],
            residues: bool,
        ) {
            let mut w = [lanes.zero(); $roots];
            for k in 0..$roots {
                w[k] = lanes.splat(roots[k]);
            }
            let length = block.len() / $numbers;
            let block = &mut block[..$numbers * length];
            for at in (0..length).step_by(SETS) {
                let mut x = [[Number::zero(lanes); $numbers]; SETS];
                for i in 0..$numbers {
                    for p in 0..SETS {
                        let word = block[i * length + at + p];
                        x[p][i] = Number::load::<D>(lanes, word, residues && D::DOWN);
                    }
                }
                D::$name(lanes, &mut x, &[w; SETS]);
                for i in 0..$numbers {
                    for p in 0..SETS {
                        block[i * length + at + p] = x[p][i].store::<D>(lanes, residues && !D::DOWN);
                    }
                }
            }
        }
    };
}

layers!(two, 2, 1);
layers!(four, 4, 3);
layers!(eight, 8, 7);

/// The layers of as many leaves as are done at a time.
#[inline(always)]
fn last_layers<S: Transpose, D: Direction>(
    simd: S,
    lanes: Lanes<S>,
    records: &[S::f64s],
    leaves: &mut [S::u64s],
) {
    let scalars = pulp::bytemuck::cast_slice::<S::f64s, f64>(records);
    let mut first = [[lanes.zero(); 7]; SETS];
    let mut x = [[Number::zero(lanes); LEAF]; SETS];
    for p in 0..SETS {
        for k in 0..7 {
            first[p][k] = lanes.splat(scalars[p * LEAF * S::F64_LANES + k]);
        }
        for i in 0..LEAF {
            x[p][i] = Number::load::<D>(lanes, leaves[p * LEAF + i], !D::DOWN);
        }
    }
    if D::DOWN {
        D::eight(lanes, &mut x, &first);
    }
    for x in &mut x {
        *x = Number::transpose(simd, lanes, *x);
    }
    if S::F64_LANES == LEAF {
        let mut w = [[lanes.zero(); 7]; SETS];
        for p in 0..SETS {
            for k in 0..7 {
                w[p][k] = records[p * LEAF + 1 + k];
            }
        }
        D::eight(lanes, &mut x, &w);
    } else {
        // Two squares in each leaf.
        for p in 0..SETS {
            let [a, b, c, d, e, f, g, h] = x[p];
            let mut halves = [[a, b, c, d], [e, f, g, h]];
            let mut w = [[lanes.zero(); 3]; 2];
            for k in 0..6 {
                w[k / 3][k % 3] = records[p * LEAF + 2 + k];
            }
            D::four(lanes, &mut halves, &w);
            let [[a, b, c, d], [e, f, g, h]] = halves;
            x[p] = [a, b, c, d, e, f, g, h];
        }
    }
    for x in &mut x {
        *x = Number::transpose(simd, lanes, *x);
    }
    if !D::DOWN {
        D::eight(lanes, &mut x, &first);
    }
    for p in 0..SETS {
        for i in 0..LEAF {
            leaves[p * LEAF + i] = x[p][i].store::<D>(lanes, D::DOWN);
        }
    }
}
