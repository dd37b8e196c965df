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

    /// A secret number of 64 bits.
    pub(crate) fn number(&mut self) -> u64 {
        u64::try_from(self.0.seed().0 & u128::from(u64::MAX)).unwrap_or(0)
    }

    /// A secret number, uniform in `[-2^-b, 2^-b)` of a turn, in 64 bits of it.
    pub(crate) fn flooding(&mut self, bits: u32) -> u64 {
        (self.number() >> (bits - 1)).wrapping_sub(1 << (u64::BITS - bits))
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
