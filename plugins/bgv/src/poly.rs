//! Polynomials as residues by prime, aligned for wide loads, with a pool that reuses their memory.

use aligned_vec::{ABox, CACHELINE_ALIGN, avec};

pub use crate::slab::Limb;

/// A polynomial modulo the first primes of the chain: `limbs[i]` holds its residues modulo q_i.
pub type Poly = Vec<Limb>;

/// N doubles.
pub type Reals = ABox<[f64]>;

/// Reuses limbs of one degree, so that a session allocates only while it warms up.
#[derive(Debug)]
pub struct Pool {
    degree: usize,
    free: Vec<Limb>,
    free_reals: Vec<Reals>,
}

impl Pool {
    /// An empty pool of limbs of N residues.
    #[must_use]
    pub fn new(degree: usize) -> Self {
        Self { degree, free: Vec::new(), free_reals: Vec::new() }
    }

    /// A limb of any content.
    pub fn limb(&mut self) -> Limb {
        self.free.pop().unwrap_or_else(|| Limb::any(self.degree))
    }

    /// A polynomial of any content.
    pub fn poly(&mut self, limbs: usize) -> Poly {
        (0..limbs).map(|_| self.limb()).collect()
    }

    /// A polynomial of zeros.
    pub fn zero(&mut self, limbs: usize) -> Poly {
        let mut poly = self.poly(limbs);
        poly.iter_mut().for_each(|limb| limb.fill(0));
        poly
    }

    /// A copy of some limbs.
    pub fn copy(&mut self, limbs: &[Limb]) -> Poly {
        let copy = |limb: &Limb| {
            let mut out = self.limb();
            out.copy_from_slice(limb);
            out
        };
        limbs.iter().map(copy).collect()
    }

    /// Takes limbs back.
    pub fn recycle(&mut self, poly: impl IntoIterator<Item = Limb>) {
        self.free.extend(poly);
    }

    /// N doubles of any content.
    pub fn reals(&mut self) -> Reals {
        let make = || avec!([CACHELINE_ALIGN]| 0.0; self.degree).into_boxed_slice();
        self.free_reals.pop().unwrap_or_else(make)
    }

    /// Takes doubles back.
    pub fn recycle_reals(&mut self, reals: impl IntoIterator<Item = Reals>) {
        self.free_reals.extend(reals);
    }
}
