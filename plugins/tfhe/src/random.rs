//! Where randomness comes from: the operating system's, expanded by the generator of tfhe-rs.

use rand::TryRng;
use rand::rngs::SysRng;
use tfhe::core_crypto::commons::generators::DeterministicSeeder;
use tfhe::core_crypto::commons::math::random::{CompressionSeed, Seed};
use tfhe::core_crypto::prelude::{
    DefaultRandomGenerator, EncryptionRandomGenerator, SecretRandomGenerator, Seeder,
};

use crate::error::Error;

/// Gives seeds, secret and public.
pub(crate) struct Source(DeterministicSeeder<DefaultRandomGenerator>);

impl Source {
    /// From the operating system.
    pub(crate) fn new() -> Result<Self, Error> {
        let mut seed = [0_u8; 16];
        SysRng.try_fill_bytes(&mut seed).map_err(|_| Error::Randomness)?;
        Ok(Self(DeterministicSeeder::new(Seed(u128::from_le_bytes(seed)))))
    }

    /// From a seed, in tests.
    pub(crate) fn seeded(seed: [u8; 32]) -> Self {
        let digest = blake3::hash(&seed);
        let seed = digest.as_bytes().first_chunk().copied().unwrap_or_default();
        Self(DeterministicSeeder::new(Seed(u128::from_le_bytes(seed))))
    }

    /// A public seed.
    pub(crate) fn public_seed(&mut self) -> u128 {
        self.0.seed().0
    }

    /// Uniform in `[-2^bits, 2^bits)`, modulo 2^128.
    pub(crate) fn flood(&mut self, bits: u32) -> u128 {
        let width = bits.saturating_add(1).min(127);
        (self.0.seed().0 >> (128 - width)).wrapping_sub(1 << (width - 1))
    }

    /// What draws secret keys.
    pub(crate) fn secret(&mut self) -> SecretRandomGenerator<DefaultRandomGenerator> {
        SecretRandomGenerator::new(self.0.seed())
    }

    /// What draws masks and errors.
    pub(crate) fn encryption(&mut self) -> EncryptionRandomGenerator<DefaultRandomGenerator> {
        let seed = self.0.seed();
        EncryptionRandomGenerator::new(seed, &mut self.0)
    }

    /// What errors are drawn from where masks come of a public seed.
    pub(crate) fn seeder(&mut self) -> &mut impl Seeder {
        &mut self.0
    }
}

/// A public seed as the library takes it.
pub(crate) fn compression(seed: u128) -> CompressionSeed {
    Seed(seed).into()
}
