//! Parameters, validated and in the types of the library.

use hq_plugin_sdk::parameters::Parameters;
use hq_plugin_sdk::tfhe::TfheParameters;
use tfhe::core_crypto::prelude::{
    CiphertextModulus, DecompositionBaseLog, DecompositionLevelCount, DynamicDistribution, GlweDimension,
    LweDimension, PolynomialSize,
};

use crate::describe::{parameter_sets, test_parameters};
use crate::error::Error;

/// Most rows of a block.
const MAX_ROWS: u32 = 4096;

/// Digits stand at multiples of `1 / (2 E)`, E boxes: between these.
const BOXES: std::ops::RangeInclusive<u32> = 2..=16;

/// Largest magnitude of a digit that is encrypted.
pub(crate) const MAX_DIGIT: u64 = 1 << 20;

/// Validated parameters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Params {
    tfhe: TfheParameters,
}

/// Whether insecure parameters and seeded keys may be used: in this crate's unit tests, and in builds with debug assertions
/// where `HQ_TEST_PARAMETERS=1` is set. A release build refuses always.
#[must_use]
pub(crate) fn test_parameters_allowed() -> bool {
    let asked = || std::env::var_os("HQ_TEST_PARAMETERS").is_some_and(|value| value == "1");
    cfg!(test) || (cfg!(debug_assertions) && asked())
}

impl Params {
    /// Parameters of this backend: one of its sets, with any number of boxes, bits of sums and rows that can be.
    pub(crate) fn new(tfhe: &TfheParameters) -> Result<Self, Error> {
        let like = |set: &TfheParameters| {
            let TfheParameters { boxes, sum_bits, rows_per_block, .. } = *tfhe;
            TfheParameters { boxes, sum_bits, rows_per_block, ..set.clone() } == *tfhe
        };
        if tfhe.security_bits == 0 {
            if !test_parameters_allowed() {
                return Err(Error::TestOnly);
            }
            if !like(&test_parameters()) {
                return Err(Error::Parameters("they are not the test parameters"));
            }
        } else if !parameter_sets().iter().any(like) {
            return Err(Error::Parameters("they are none of this backend's sets"));
        }
        let most_bits = test_parameters().sum_bits;
        if !BOXES.contains(&tfhe.boxes) || !(1..=most_bits).contains(&tfhe.sum_bits) {
            return Err(Error::Parameters("no table, or no sum, is of that size"));
        }
        if !(1..=MAX_ROWS).contains(&tfhe.rows_per_block) {
            return Err(Error::Parameters("a block has 1 to 4096 rows"));
        }
        Ok(Self { tfhe: tfhe.clone() })
    }

    /// The same, of any backend's.
    pub(crate) fn of(parameters: &Parameters) -> Result<Self, Error> {
        match parameters {
            Parameters::Tfhe(tfhe) => Self::new(tfhe),
            Parameters::Rns(_) | Parameters::Clear { .. } => Err(Error::Scheme),
        }
    }

    /// As data.
    pub(crate) fn tfhe(&self) -> &TfheParameters {
        &self.tfhe
    }

    /// Rows of a block.
    pub(crate) fn rows(&self) -> usize {
        size(self.tfhe.rows_per_block)
    }

    pub(crate) fn lwe_dimension(&self) -> LweDimension {
        LweDimension(size(self.tfhe.lwe_dimension))
    }

    pub(crate) fn glwe_dimension(&self) -> GlweDimension {
        GlweDimension(size(self.tfhe.glwe_dimension))
    }

    pub(crate) fn polynomial_size(&self) -> PolynomialSize {
        PolynomialSize(size(self.tfhe.polynomial_size))
    }

    /// Dimension of the ring key, flat.
    pub(crate) fn big_dimension(&self) -> LweDimension {
        LweDimension(self.glwe_dimension().0 * self.polynomial_size().0)
    }

    pub(crate) fn lwe_noise(&self) -> DynamicDistribution<u64> {
        DynamicDistribution::new_t_uniform(self.tfhe.lwe_noise_bits)
    }

    pub(crate) fn glwe_noise(&self) -> DynamicDistribution<u64> {
        DynamicDistribution::new_t_uniform(self.tfhe.glwe_noise_bits)
    }

    pub(crate) fn key_switch(&self) -> (DecompositionBaseLog, DecompositionLevelCount) {
        decomposition(self.tfhe.key_switch)
    }

    pub(crate) fn bootstrap(&self) -> (DecompositionBaseLog, DecompositionLevelCount) {
        decomposition(self.tfhe.bootstrap)
    }

    pub(crate) fn sum_bootstrap(&self) -> (DecompositionBaseLog, DecompositionLevelCount) {
        decomposition(self.tfhe.sum_bootstrap)
    }

    pub(crate) fn squash_dimension(&self) -> GlweDimension {
        GlweDimension(size(self.tfhe.squash.glwe_dimension))
    }

    pub(crate) fn squash_size(&self) -> PolynomialSize {
        PolynomialSize(size(self.tfhe.squash.polynomial_size))
    }

    /// Dimension of the key that results are opened with, flat.
    pub(crate) fn released_dimension(&self) -> LweDimension {
        LweDimension(self.squash_dimension().0 * self.squash_size().0)
    }

    pub(crate) fn squash_noise(&self) -> DynamicDistribution<u128> {
        DynamicDistribution::new_t_uniform(self.tfhe.squash.glwe_noise_bits)
    }

    pub(crate) fn squash_bootstrap(&self) -> (DecompositionBaseLog, DecompositionLevelCount) {
        decomposition(self.tfhe.squash.bootstrap)
    }

    /// A multiple of half a digit's unit, `1 / (4 E)`, on the torus.
    pub(crate) fn half_digits(&self, halves: i64) -> u64 {
        let denominator = 4 * i128::from(self.tfhe.boxes);
        let scaled = i128::from(halves) << 64;
        // Rounded to the nearest.
        wrapped((2 * scaled + denominator).div_euclid(2 * denominator))
    }

    /// A digit on the torus.
    pub(crate) fn digit(&self, value: i64) -> u64 {
        self.half_digits(value.saturating_mul(2))
    }

    /// A multiple of half a share's unit on the torus.
    pub(crate) fn half_shares(&self, halves: i64) -> u64 {
        halves.cast_unsigned() << (63 - self.tfhe.sum_bits)
    }

    /// A share on the torus.
    pub(crate) fn share(&self, value: i64) -> u64 {
        value.cast_unsigned() << (64 - self.tfhe.sum_bits)
    }
}

fn wrapped(value: i128) -> u64 {
    let low = value.rem_euclid(1 << 64);
    u64::try_from(low).unwrap_or(0)
}

fn size(value: u32) -> usize {
    usize::try_from(value).unwrap_or(usize::MAX)
}

fn decomposition(
    decomposition: hq_plugin_sdk::tfhe::Decomposition,
) -> (DecompositionBaseLog, DecompositionLevelCount) {
    let hq_plugin_sdk::tfhe::Decomposition { base_log, levels } = decomposition;
    (DecompositionBaseLog(size(base_log)), DecompositionLevelCount(size(levels)))
}

/// Released sums live modulo 2^128.
pub(crate) fn released_modulus() -> CiphertextModulus<u128> {
    CiphertextModulus::new_native()
}

/// Other ciphertexts live modulo 2^64.
pub(crate) fn modulus() -> CiphertextModulus<u64> {
    CiphertextModulus::new_native()
}
