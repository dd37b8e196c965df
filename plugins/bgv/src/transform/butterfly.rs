//! Butterflies on doubles: how numbers grow, and where they are reduced.
//!
//! A product is reduced as in [`crate::modular`], by a quotient that is off by half, and by 2^-52 of itself:
//! with a factor of at most q/2 in size and q below 2^50, a number of at most b q leaves at most (1/2 + b/8)
//! q. Numbers of up to 4q may be multiplied, and sums up to 8q are exact. Each number carries its bound; all
//! bounds are known when this is compiled, and leave no trace.

use pulp::Simd;

use super::transpose::Transpose;
use crate::modular::Lanes;

/// A vector of integers, none larger in size than `bound` times q/64.
#[derive(Clone, Copy)]
pub(super) struct Number<S: Simd> {
    value: S::f64s,
    bound: u32,
}

/// Bound of residues of `[0, q)`.
const RESIDUE: u32 = 64;
/// Bound of what may be multiplied, and of all numbers between passes: 4q.
const LARGEST: u32 = 256;
/// Bound of sums that the inverse passes on: 2q, so that their differences may be multiplied.
const LARGEST_SUM: u32 = 128;
/// Bound of what was just reduced: q/2, and a little for rounding.
const REDUCED: u32 = 33;

impl<S: Simd> Number<S> {
    /// Reduced if it may be larger than so much.
    #[inline(always)]
    fn at_most(self, lanes: Lanes<S>, bound: u32) -> Self {
        if self.bound > bound { Self { value: lanes.centred(self.value), bound: REDUCED } } else { self }
    }

    /// Zero, to be overwritten.
    #[inline(always)]
    pub(super) fn zero(lanes: Lanes<S>) -> Self {
        Self { value: lanes.zero(), bound: 0 }
    }

    #[inline(always)]
    fn add(self, lanes: Lanes<S>, other: Self) -> Self {
        Self { value: lanes.add(self.value, other.value), bound: self.bound + other.bound }
    }

    #[inline(always)]
    fn sub(self, lanes: Lanes<S>, other: Self) -> Self {
        Self { value: lanes.sub(self.value, other.value), bound: self.bound + other.bound }
    }

    #[inline(always)]
    fn times(self, lanes: Lanes<S>, w: S::f64s) -> Self {
        let x = self.at_most(lanes, LARGEST);
        Self { value: lanes.product(x.value, w), bound: REDUCED + x.bound.div_ceil(8) }
    }

    /// Takes up residues of `[0, q)`, or what another pass stored.
    #[inline(always)]
    pub(super) fn load<D: Direction>(lanes: Lanes<S>, words: S::u64s, residues: bool) -> Self {
        if residues {
            Self { value: lanes.to_float(words), bound: RESIDUE }
        } else {
            Self { value: lanes.with_bits(words), bound: D::PASSED }
        }
    }

    /// Stores residues of `[0, q)`, or what another pass takes up.
    #[inline(always)]
    pub(super) fn store<D: Direction>(self, lanes: Lanes<S>, residues: bool) -> S::u64s {
        if !residues {
            return lanes.to_bits(self.at_most(lanes, D::PASSED).value);
        }
        if self.bound < RESIDUE { lanes.canonical(self.value) } else { lanes.reduce(self.value) }
    }

    /// Exchanges vectors with lanes.
    #[inline(always)]
    pub(super) fn transpose(simd: S, lanes: Lanes<S>, x: [Self; 8]) -> [Self; 8]
    where
        S: Transpose,
    {
        let [a, b, c, d, e, f, g, h] = x;
        let mut bound = 0;
        for x in x {
            bound = if x.bound > bound { x.bound } else { bound };
        }
        let values = [a.value, b.value, c.value, d.value, e.value, f.value, g.value, h.value];
        let values = simd.transpose(values);
        let mut out = [Self { value: lanes.zero(), bound }; 8];
        for i in 0..8 {
            out[i].value = values[i];
        }
        out
    }
}

/// A direction of the transform.
pub(super) trait Direction {
    /// Whether residues enter at the root of the tree and leave at its leaves, or the other way round.
    const DOWN: bool;
    /// Bound of numbers between passes.
    const PASSED: u32;

    /// One butterfly with a root of at most q/2 in size.
    fn butterfly<S: Simd>(
        lanes: Lanes<S>,
        pair: (Number<S>, Number<S>),
        w: S::f64s,
    ) -> (Number<S>, Number<S>);

    /// One layer of each of P sets: a root for distance 1.
    fn two<S: Simd, const P: usize>(lanes: Lanes<S>, x: &mut [[Number<S>; 2]; P], w: &[[S::f64s; 1]; P]);
    /// Two layers of each of P sets: one root for distance 2, then two for distance 1.
    fn four<S: Simd, const P: usize>(lanes: Lanes<S>, x: &mut [[Number<S>; 4]; P], w: &[[S::f64s; 3]; P]);
    /// Three layers of each of P sets: one root for distance 4, two for distance 2, four for distance 1.
    fn eight<S: Simd, const P: usize>(lanes: Lanes<S>, x: &mut [[Number<S>; 8]; P], w: &[[S::f64s; 7]; P]);
}

/// Butterflies of numbers i and j with root k, one after the other; each of all P sets before the next, so that
/// more of them are on their way at a time than a machine would look ahead.
macro_rules! butterflies {
    ($lanes:ident, $x:ident, $w:ident: $($i:literal $j:literal $k:literal),*) => {
        $(for p in 0..P {
            ($x[p][$i], $x[p][$j]) = Self::butterfly($lanes, ($x[p][$i], $x[p][$j]), $w[p][$k]);
        })*
    };
}

/// `(x + w y, x - w y)`, from large distances to small ones (Cooley, Tukey, 1965).
#[derive(Clone, Copy, Debug)]
pub(super) struct Forward;

impl Direction for Forward {
    const DOWN: bool = true;
    const PASSED: u32 = LARGEST;

    #[inline(always)]
    fn butterfly<S: Simd>(
        lanes: Lanes<S>,
        (x, y): (Number<S>, Number<S>),
        w: S::f64s,
    ) -> (Number<S>, Number<S>) {
        let t = y.times(lanes, w);
        let x = x.at_most(lanes, LARGEST - t.bound);
        (x.add(lanes, t), x.sub(lanes, t))
    }

    #[inline(always)]
    fn two<S: Simd, const P: usize>(lanes: Lanes<S>, x: &mut [[Number<S>; 2]; P], w: &[[S::f64s; 1]; P]) {
        butterflies!(lanes, x, w: 0 1 0);
    }

    #[inline(always)]
    fn four<S: Simd, const P: usize>(lanes: Lanes<S>, x: &mut [[Number<S>; 4]; P], w: &[[S::f64s; 3]; P]) {
        butterflies!(lanes, x, w: 0 2 0, 1 3 0, 0 1 1, 2 3 2);
    }

    #[inline(always)]
    fn eight<S: Simd, const P: usize>(lanes: Lanes<S>, x: &mut [[Number<S>; 8]; P], w: &[[S::f64s; 7]; P]) {
        butterflies!(lanes, x, w: 0 4 0, 1 5 0, 2 6 0, 3 7 0);
        butterflies!(lanes, x, w: 0 2 1, 1 3 1, 4 6 2, 5 7 2);
        butterflies!(lanes, x, w: 0 1 3, 2 3 4, 4 5 5, 6 7 6);
    }
}

/// `(x + y, (x - y) w)`, from small distances to large ones (Gentleman, Sande, 1966).
#[derive(Clone, Copy, Debug)]
pub(super) struct Inverse;

impl Direction for Inverse {
    const DOWN: bool = false;
    const PASSED: u32 = LARGEST_SUM;

    #[inline(always)]
    fn butterfly<S: Simd>(
        lanes: Lanes<S>,
        (x, y): (Number<S>, Number<S>),
        w: S::f64s,
    ) -> (Number<S>, Number<S>) {
        (x.add(lanes, y).at_most(lanes, LARGEST_SUM), x.sub(lanes, y).times(lanes, w))
    }

    #[inline(always)]
    fn two<S: Simd, const P: usize>(lanes: Lanes<S>, x: &mut [[Number<S>; 2]; P], w: &[[S::f64s; 1]; P]) {
        butterflies!(lanes, x, w: 0 1 0);
    }

    #[inline(always)]
    fn four<S: Simd, const P: usize>(lanes: Lanes<S>, x: &mut [[Number<S>; 4]; P], w: &[[S::f64s; 3]; P]) {
        butterflies!(lanes, x, w: 0 1 1, 2 3 2, 0 2 0, 1 3 0);
    }

    #[inline(always)]
    fn eight<S: Simd, const P: usize>(lanes: Lanes<S>, x: &mut [[Number<S>; 8]; P], w: &[[S::f64s; 7]; P]) {
        butterflies!(lanes, x, w: 0 1 3, 2 3 4, 4 5 5, 6 7 6);
        butterflies!(lanes, x, w: 0 2 1, 1 3 1, 4 6 2, 5 7 2);
        butterflies!(lanes, x, w: 0 4 0, 1 5 0, 2 6 0, 3 7 0);
    }
}
