//! Squashing: a sum is looked up piece by piece, from its lowest bits up, by rotations modulo 2^128, whose errors are far
//! below all that was before. The pieces add up to a sample of the sum under another key.
//!
//! A piece has a sign above its bits, and the tables of a rotation end there: the sign is looked up first and taken off.
#![deny(clippy::indexing_slicing)]

use hq_plugin_sdk::rotations::Use;
use hq_plugin_sdk::tfhe::Piece;
use tfhe::core_crypto::prelude::{
    ComputationBuffers, Fft, Fft128, GlweCiphertextOwned, LweCiphertextOwned, MonomialDegree,
    blind_rotate_assign_mem_optimized, blind_rotate_assign_mem_optimized_requirement,
    blind_rotate_f128_lwe_ciphertext_mem_optimized,
    blind_rotate_f128_lwe_ciphertext_mem_optimized_requirement, extract_lwe_sample_from_glwe_ciphertext,
    keyswitch_lwe_ciphertext, lwe_ciphertext_add_assign, lwe_ciphertext_centered_binary_modulus_switch,
};

use crate::error::Error;
use crate::evaluation_key::EvaluationKey;
use crate::params::{modulus, released_modulus};
use crate::session::{add_constant, add_scaled};

/// A quarter of the torus.
const QUARTER: u32 = 2;

/// Memory for squashing.
pub(crate) struct Squasher<'a> {
    key: &'a EvaluationKey,
    fft: Fft,
    wide_fft: Fft128,
    buffers: ComputationBuffers,
}

impl<'a> Squasher<'a> {
    pub(crate) fn new(key: &'a EvaluationKey) -> Result<Self, Error> {
        let params = key.params();
        let (fft, wide_fft) = (Fft::new(params.polynomial_size()), Fft128::new(params.squash_size()));
        let narrow = blind_rotate_assign_mem_optimized_requirement::<u64>(
            params.glwe_dimension().to_glwe_size(),
            params.polynomial_size(),
            fft.as_view(),
        );
        let wide = blind_rotate_f128_lwe_ciphertext_mem_optimized_requirement::<u128>(
            params.squash_dimension().to_glwe_size(),
            params.squash_size(),
            wide_fft.as_view(),
        );
        let mut buffers = ComputationBuffers::new();
        buffers.resize(narrow.unaligned_bytes_required().max(wide.unaligned_bytes_required()));
        Ok(Self { key, fft, wide_fft, buffers })
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
            let switched = self.switched(&part)?;
            if last {
                // The sign is the highest bit of the sum.
                let mut sign = self.look_up_wide(&switched, |_, _| fraction(1, QUARTER).wrapping_neg())?;
                add_wide_constant(&mut sign, fraction(1, QUARTER));
                lwe_ciphertext_add_assign(&mut squashed, &sign);
            }
            if bits == 0 {
                continue;
            }
            let sign = self.look_up(&switched, Use::Digit, |_| (1_u64 << 62).wrapping_neg())?;
            add_scaled(part.as_mut(), sign.as_ref(), -1);
            add_constant(&mut part, (1_u64 << 62).wrapping_neg());
            let switched = self.switched(&part)?;
            let value = |position: usize, size: usize| (position << bits) / size;
            let looked_up = self.look_up_wide(&switched, |position, size| {
                fraction(value(position, size) as u128, sum_bits - shift)
            })?;
            lwe_ciphertext_add_assign(&mut squashed, &looked_up);
            if !last {
                let size = params.polynomial_size().0;
                let looked_up = self.look_up(&switched, Use::Share, |position| {
                    (value(position, size) as u64) << (64 - sum_bits + shift)
                })?;
                add_scaled(rest.as_mut(), looked_up.as_ref(), -1);
            }
        }
        Ok(squashed)
    }

    /// Under the small key.
    pub(crate) fn switched(&self, part: &LweCiphertextOwned<u64>) -> Result<LweCiphertextOwned<u64>, Error> {
        let size = self.key.params().lwe_dimension().to_lwe_size();
        let mut switched = LweCiphertextOwned::new(0, size, modulus());
        keyswitch_lwe_ciphertext(self.key.key_switch()?, part, &mut switched);
        Ok(switched)
    }

    /// The entry of a value, by the coefficients of a table over half a turn.
    fn look_up(
        &mut self,
        switched: &LweCiphertextOwned<u64>,
        role: Use,
        coefficient: impl Fn(usize) -> u64,
    ) -> Result<LweCiphertextOwned<u64>, Error> {
        let params = self.key.params();
        let size = params.polynomial_size();
        let mut table = GlweCiphertextOwned::new(0, params.glwe_dimension().to_glwe_size(), size, modulus());
        let mut body = table.get_mut_body();
        body.as_mut().iter_mut().enumerate().for_each(|(position, word)| *word = coefficient(position));
        let turns = size.to_blind_rotation_input_modulus_log();
        let angle = lwe_ciphertext_centered_binary_modulus_switch::<u64, usize, _>(switched.as_view(), turns);
        let key = self.key.rotation(role)?;
        blind_rotate_assign_mem_optimized(&angle, &mut table, key, self.fft.as_view(), self.buffers.stack());
        let mut output = LweCiphertextOwned::new(0, params.big_dimension().to_lwe_size(), modulus());
        extract_lwe_sample_from_glwe_ciphertext(&table, &mut output, MonomialDegree(0));
        Ok(output)
    }

    /// The same modulo 2^128, by position and size.
    pub(crate) fn look_up_wide(
        &mut self,
        switched: &LweCiphertextOwned<u64>,
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
        let angle = lwe_ciphertext_centered_binary_modulus_switch::<u64, usize, _>(switched.as_view(), turns);
        let mut output =
            LweCiphertextOwned::new(0, params.released_dimension().to_lwe_size(), released_modulus());
        blind_rotate_f128_lwe_ciphertext_mem_optimized(
            &angle,
            &mut output,
            &table,
            self.key.squash()?,
            self.wide_fft.as_view(),
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
