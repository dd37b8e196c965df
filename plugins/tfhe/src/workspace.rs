//! Memory for rotations, used again and again.
#![deny(clippy::indexing_slicing)]

use hq_plugin_sdk::rotations::Use;
use tfhe::core_crypto::prelude::{
    ComputationBuffers, Fft, GlweCiphertextOwned, LweCiphertextOwned, MonomialDegree,
    blind_rotate_assign_mem_optimized, blind_rotate_assign_mem_optimized_requirement,
    extract_lwe_sample_from_glwe_ciphertext, keyswitch_lwe_ciphertext,
    lwe_ciphertext_centered_binary_modulus_switch,
};

use crate::error::Error;
use crate::evaluation_key::EvaluationKey;
use crate::params::{Params, modulus};

/// An argument, tables to be rotated by it, and what is read of them.
pub(crate) struct Workspace {
    pub(crate) arg: LweCiphertextOwned<u64>,
    pub(crate) output: LweCiphertextOwned<u64>,
    pub(crate) tables: GlweCiphertextOwned<u64>,
    small: LweCiphertextOwned<u64>,
    fft: Fft,
    buffers: ComputationBuffers,
}

impl Workspace {
    pub(crate) fn new(params: &Params) -> Self {
        let (glwe_size, size) = (params.glwe_dimension().to_glwe_size(), params.polynomial_size());
        let fft = Fft::new(size);
        let mut buffers = ComputationBuffers::new();
        let needed = blind_rotate_assign_mem_optimized_requirement::<u64>(glwe_size, size, fft.as_view());
        buffers.resize(needed.unaligned_bytes_required());
        let big = params.big_dimension().to_lwe_size();
        Self {
            arg: LweCiphertextOwned::new(0, big, modulus()),
            output: LweCiphertextOwned::new(0, big, modulus()),
            tables: GlweCiphertextOwned::new(0, glwe_size, size, modulus()),
            small: LweCiphertextOwned::new(0, params.lwe_dimension().to_lwe_size(), modulus()),
            fft,
            buffers,
        }
    }

    /// Brings an argument that stands elsewhere under the small key.
    pub(crate) fn take(&mut self, key: &EvaluationKey, arg: &LweCiphertextOwned<u64>) -> Result<(), Error> {
        keyswitch_lwe_ciphertext(key.key_switch()?, arg, &mut self.small);
        Ok(())
    }

    /// The argument that was switched last, under the small key.
    pub(crate) fn switched(&self) -> &LweCiphertextOwned<u64> {
        &self.small
    }

    /// The entry of the argument that was switched last, by the coefficients of a table over half a turn: of position and size.
    pub(crate) fn look_up(
        &mut self,
        key: &EvaluationKey,
        role: Use,
        coefficient: impl Fn(usize, usize) -> u64,
    ) -> Result<LweCiphertextOwned<u64>, Error> {
        self.tables.as_mut().fill(0);
        let mut body = self.tables.get_mut_body();
        let size = body.as_ref().len();
        let positions = body.as_mut().iter_mut().enumerate();
        positions.for_each(|(position, word)| *word = coefficient(position, size));
        self.rotate(key, role)?;
        extract_lwe_sample_from_glwe_ciphertext(&self.tables, &mut self.output, MonomialDegree(0));
        Ok(self.output.clone())
    }

    /// Brings the argument under the small key.
    pub(crate) fn key_switch(&mut self, key: &EvaluationKey) -> Result<(), Error> {
        keyswitch_lwe_ciphertext(key.key_switch()?, &self.arg, &mut self.small);
        Ok(())
    }

    /// Rotates the tables by the argument that was switched last.
    pub(crate) fn rotate(&mut self, key: &EvaluationKey, role: Use) -> Result<(), Error> {
        let turns = key.params().polynomial_size().to_blind_rotation_input_modulus_log();
        let switched =
            lwe_ciphertext_centered_binary_modulus_switch::<u64, usize, _>(self.small.as_view(), turns);
        let Self { tables, fft, buffers, .. } = self;
        let key = key.rotation(role)?;
        blind_rotate_assign_mem_optimized(&switched, tables, key, fft.as_view(), buffers.stack());
        Ok(())
    }
}
