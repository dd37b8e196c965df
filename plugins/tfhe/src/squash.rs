//! Squashing: a sum is looked up piece by piece, from its lowest bits up, by rotations modulo 2^128, whose errors are far
//! below all that was before. The pieces add up to a sample of the sum under another key.
//!
//! A piece has a sign above its bits, and the tables of a rotation end there: the sign is looked up first and taken off.
#![deny(clippy::indexing_slicing)]

use hq_plugin_sdk::rotations::Use;
use hq_plugin_sdk::tfhe::Piece;
use tfhe::core_crypto::prelude::{
    ComputationBuffers, Fft128, GlweCiphertextOwned, LweCiphertextOwned,
    blind_rotate_f128_lwe_ciphertext_mem_optimized,
    blind_rotate_f128_lwe_ciphertext_mem_optimized_requirement, lwe_ciphertext_add_assign,
    lwe_ciphertext_centered_binary_modulus_switch,
};

use crate::error::Error;
use crate::evaluation_key::EvaluationKey;
use crate::params::{modulus, released_modulus};
use crate::session::{add_constant, add_scaled};
use crate::workspace::Workspace;

/// A quarter of the torus.
const QUARTER: u32 = 2;

/// Memory for squashing: for rotations as everywhere, and for those modulo 2^128.
pub(crate) struct Squasher<'a> {
    pub(crate) key: &'a EvaluationKey,
    pub(crate) workspace: Workspace,
    fft: Fft128,
    buffers: ComputationBuffers,
}

impl<'a> Squasher<'a> {
    pub(crate) fn new(key: &'a EvaluationKey) -> Self {
        let params = key.params();
        let fft = Fft128::new(params.squash_size());
        let needed = blind_rotate_f128_lwe_ciphertext_mem_optimized_requirement::<u128>(
            params.squash_dimension().to_glwe_size(),
            params.squash_size(),
            fft.as_view(),
        );
        let mut buffers = ComputationBuffers::new();
        buffers.resize(needed.unaligned_bytes_required());
        Self { key, workspace: Workspace::new(params), fft, buffers }
    }

    /// The sample of a sum, with no other noise than that of its pieces' rotations.
    pub(crate) fn squash(
        &mut self,
        mut rest: LweCiphertextOwned<u64>,
    ) -> Result<LweCiphertextOwned<u128>, Error> {
        let params = self.key.params().clone();
        let size = params.released_dimension().to_lwe_size();
        let mut squashed = LweCiphertextOwned::new(0, size, released_modulus());
        let sum_bits = params.tfhe().sum_bits;
        for piece in params.tfhe().pieces() {
            let Piece { shift, bits, last } = piece;
            // Sign and bits of the piece fill the torus; what is above them goes around it.
            let mut part = LweCiphertextOwned::new(0, params.big_dimension().to_lwe_size(), modulus());
            add_scaled(part.as_mut(), rest.as_ref(), 1 << (sum_bits - shift - bits - 1));
            // In the middle of its box.
            add_constant(&mut part, 1 << (62 - bits));
            self.workspace.take(self.key, &part)?;
            if last {
                // The sign is the highest bit of the sum.
                let mut sign = self.look_up_wide(|_, _| fraction(1, QUARTER).wrapping_neg())?;
                add_wide_constant(&mut sign, fraction(1, QUARTER));
                lwe_ciphertext_add_assign(&mut squashed, &sign);
            }
            if bits == 0 {
                continue;
            }
            let sign = self.workspace.look_up(self.key, Use::Digit, |_, _| (1_u64 << 62).wrapping_neg())?;
            add_scaled(part.as_mut(), sign.as_ref(), -1);
            add_constant(&mut part, (1_u64 << 62).wrapping_neg());
            self.workspace.take(self.key, &part)?;
            let value = |position: usize, size: usize| (position << bits) / size;
            let looked_up = self
                .look_up_wide(|position, size| fraction(value(position, size) as u128, sum_bits - shift))?;
            lwe_ciphertext_add_assign(&mut squashed, &looked_up);
            if !last {
                let looked_up = self.workspace.look_up(self.key, Use::Share, |position, size| {
                    (value(position, size) as u64) << (64 - sum_bits + shift)
                })?;
                add_scaled(rest.as_mut(), looked_up.as_ref(), -1);
            }
        }
        Ok(squashed)
    }

    /// [`Workspace::look_up`] modulo 2^128.
    pub(crate) fn look_up_wide(
        &mut self,
        coefficient: impl Fn(usize, usize) -> u128,
    ) -> Result<LweCiphertextOwned<u128>, Error> {
        let params = self.key.params();
        let size = params.squash_size();
        let glwe_size = params.squash_dimension().to_glwe_size();
        let mut table = GlweCiphertextOwned::new(0, glwe_size, size, released_modulus());
        let mut body = table.get_mut_body();
        let positions = body.as_mut().iter_mut().enumerate();
        positions.for_each(|(position, word)| *word = coefficient(position, size.0));
        let turns = size.to_blind_rotation_input_modulus_log();
        let angle = lwe_ciphertext_centered_binary_modulus_switch::<u64, usize, _>(
            self.workspace.switched().as_view(),
            turns,
        );
        let mut output =
            LweCiphertextOwned::new(0, params.released_dimension().to_lwe_size(), released_modulus());
        blind_rotate_f128_lwe_ciphertext_mem_optimized(
            &angle,
            &mut output,
            &table,
            self.key.squash()?,
            self.fft.as_view(),
            self.buffers.stack(),
        );
        Ok(output)
    }
}

/// `value / 2^bits` on the torus of 128 bits.
fn fraction(value: u128, bits: u32) -> u128 {
    value << (128 - bits)
}

pub(crate) fn add_wide_constant(out: &mut LweCiphertextOwned<u128>, encoded: u128) {
    let body = out.get_mut_body();
    *body.data = body.data.wrapping_add(encoded);
}
