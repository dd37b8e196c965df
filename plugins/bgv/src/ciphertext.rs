//! A ciphertext in memory.

use crate::poly::{Limb, Poly, Pool};

/// Two parts, or more after products, all transformed and with equally many primes. Decrypts as
/// `c0 + c1 s + c2 s^2 + .. = m + t e`.
#[derive(Debug, Default)]
pub struct Ciphertext {
    /// c0, c1 and, after products, c2 and more.
    pub parts: Vec<Poly>,
}

impl Ciphertext {
    /// The first `limbs` primes of a part: truncation drops to a lower level for free.
    #[must_use]
    pub fn part(&self, index: usize, limbs: usize) -> &[Limb] {
        &self.parts[index][..limbs]
    }

    /// Gives the memory back.
    pub fn recycle(self, pool: &mut Pool) {
        for part in self.parts {
            pool.recycle(part);
        }
    }
}
