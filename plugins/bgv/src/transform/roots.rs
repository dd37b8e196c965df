//! The root of unity that `tfhe-ntt` and `concrete-ntt` use, and its powers.

use crate::modular::{self, Modulus};

/// The primitive 2N-th root of unity mod q that comes of taking square roots of -1 by Tonelli and Shanks
/// log2(N) times, from the smallest non-residue z. For q - 1 = 2^s r, r odd, all of them are powers of c = z^r,
/// so that the exponents suffice: the root of c^e is c^(e (r + 1) / 2 + f), where f below 2^(s-1) solves
/// 2 f + e r = 0 mod 2^s. `None` where 2N does not divide q - 1.
pub(super) fn primitive_root(q: Modulus, log_degree: u32) -> Option<u64> {
    let s = (q.value() - 1).trailing_zeros();
    if s <= log_degree {
        return None;
    }
    let r = (q.value() - 1) >> s;
    let mask = (1u64 << s) - 1;
    let z = (2..q.value()).find(|&z| q.pow(z, (q.value() - 1) / 2) == q.value() - 1)?;
    let mut exponent = 1u64 << (s - 1);
    for _ in 0..log_degree {
        let f = (exponent.wrapping_mul(r).wrapping_neg() & mask) / 2;
        exponent = exponent.wrapping_mul(r.div_ceil(2)).wrapping_add(f) & mask;
    }
    Some(q.pow(q.pow(z, r), exponent))
}

/// 1, w, w^2, …: N of them, N a power of two.
pub(super) fn powers(q: Modulus, root: u64, degree: usize) -> Vec<u64> {
    let mut out = vec![1u64; degree];
    let (mut known, mut step) = (1, root);
    while known < degree {
        let (low, high) = out.split_at_mut(known);
        let high = &mut high[..known];
        high.copy_from_slice(low);
        modular::scale_assign(q, high, q.factor(step));
        known *= 2;
        step = q.mul(step, step);
    }
    out
}
