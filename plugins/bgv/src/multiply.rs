//! Products of ciphertexts: the tensor product to three parts, and relinearization back to two, with or
//! without the modulus switch that follows.

use crate::ciphertext::Ciphertext;
use crate::key::EvaluationKey;
use crate::key_switch::KeySwitch;
use crate::mod_switch::Division;
use crate::modular;
use crate::params::Params;
use crate::poly::{Limb, Poly, Pool};

/// `(a0 b0, a0 b1 + a1 b0, a1 b1)`: decrypts with 1, s, s^2 to the product.
pub fn tensor(params: &Params, pool: &mut Pool, a: [&[Limb]; 2], b: [&[Limb]; 2]) -> Ciphertext {
    let limbs = a[0].len();
    let mut parts = [pool.poly(limbs), pool.poly(limbs), pool.poly(limbs)];
    let [d0, d1, d2] = &mut parts;
    for (i, ring) in params.rings().iter().enumerate().take(limbs) {
        modular::tensor(
            ring.q,
            (&a[0][i], &a[1][i]),
            (&b[0][i], &b[1][i]),
            &mut d0[i],
            (&mut d1[i], &mut d2[i]),
        );
    }
    Ciphertext { parts: parts.into() }
}

/// The tensor product of which only the sum over all slots is wanted: adds the parts that go with s and s^2
/// to `parts`, and returns the slot sums of the first part.
pub fn tensor_accumulate(
    params: &Params,
    a: [&[Limb]; 2],
    b: [&[Limb]; 2],
    (acc1, acc2): (&mut Poly, &mut Poly),
) -> Vec<u64> {
    let accumulators = acc1.iter_mut().zip(acc2);
    accumulators
        .zip(params.rings())
        .enumerate()
        .map(|(i, ((acc1, acc2), ring))| {
            modular::tensor_accumulate(ring.q, (&a[0][i], &a[1][i]), (&b[0][i], &b[1][i]), (acc1, acc2))
        })
        .collect()
}

/// From three parts to two. `division` divides by P, or by P and the last prime at once: one rounding
/// instead of two, and fewer transforms.
pub fn relinearize(
    key: &EvaluationKey,
    pool: &mut Pool,
    tables: (&KeySwitch, &Division),
    [d0, d1, d2]: [&[Limb]; 3],
    kept: usize,
) -> Ciphertext {
    let (switch, division) = tables;
    let (out0, out1) = switch.apply(key, pool, d2, (Some(d0), d1));
    let params = key.params();
    let parts = [out0, out1].map(|mut part| {
        let dropped = part.split_off(kept);
        let divided = division.apply(params, pool, dropped, &part);
        pool.recycle(part);
        divided
    });
    Ciphertext { parts: parts.into() }
}
