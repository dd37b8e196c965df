//! The search for transform-friendly primes.

/// Whether Barrett reduction of products with `bits`-bit words needs a single correction for this prime:
/// the transform libraries are exact for such primes on every code path (52 bits with IFMA, 64 without).
/// Source: "Barrett reduction: a tighter bound", zkSecurity 2025, as used in tfhe-ntt.
fn single_step(prime: u64, bits: u32) -> bool {
    let length = prime.ilog2() + 1;
    let prime = u128::from(prime);
    (1u128 << (length + bits - 1)) % prime <= prime - (1u128 << (length - 1))
}

/// Whether every code path of the transform libraries, slot-wise products included, is exact for this prime.
#[must_use]
pub fn is_exact(prime: u64) -> bool {
    prime > 2 && single_step(prime, 52) && single_step(prime, 64)
}

/// Whether an integer is prime.
#[must_use]
pub fn is_prime(value: u64) -> bool {
    tfhe_ntt::prime::is_prime64(value)
}

/// The smallest prime `p >= least` with `p = 1 mod step`, below `2^max_bits` and not among `taken`.
#[must_use]
pub fn next_prime(least: u64, step: u64, max_bits: u32, taken: &[u64]) -> Option<u64> {
    search(least, step, max_bits, |candidate| !taken.contains(&candidate))
}

/// As [`next_prime`], among primes that are exact in the transform libraries. Within a factor 1 + x of a
/// power of two about x^2 of the candidates are, so where `least` is one the search starts a little above.
#[must_use]
pub fn next_exact_prime(least: u64, step: u64, max_bits: u32, taken: &[u64]) -> Option<u64> {
    let least = if least.is_power_of_two() { least + least / 16 } else { least };
    search(least, step, max_bits, |candidate| is_exact(candidate) && !taken.contains(&candidate))
}

fn search(least: u64, step: u64, max_bits: u32, fits: impl Fn(u64) -> bool) -> Option<u64> {
    let limit = 1u64.checked_shl(max_bits)?;
    let mut candidate =
        least.saturating_sub(2).checked_div(step)?.checked_add(1)?.checked_mul(step)?.checked_add(1)?;
    while candidate < limit {
        if fits(candidate) && is_prime(candidate) {
            return Some(candidate);
        }
        candidate = candidate.checked_add(step)?;
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_the_next_prime() {
        assert_eq!(next_prime(65537, 1 << 14, 20, &[]), Some(65537));
        let first = next_exact_prime(1 << 35, 65537 << 14, 50, &[]);
        let second = first.and_then(|first| next_exact_prime(1 << 35, 65537 << 14, 50, &[first]));
        assert!(first < second && first.is_some_and(|p| p % (65537 << 14) == 1 && p >= 1 << 35));
        assert_eq!(next_prime(1 << 49, 1 << 60, 50, &[]), None);
        assert!(is_exact(1_125_899_904_679_937) && !is_exact(642_404_624_507_521));
    }
}
