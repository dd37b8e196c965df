//! What the service computes with: a public key, the key switch, and rotation keys, expanded as far as a plan needs them.
#![deny(clippy::indexing_slicing)]

use std::sync::Arc;

use hq_plugin_sdk::frame::{KeyId, Kind};
use hq_plugin_sdk::rotations::Use;
use tfhe::core_crypto::prelude::{
    DecompositionBaseLog, DecompositionLevelCount, Fourier128LweBootstrapKey, Fourier128LweBootstrapKeyOwned,
    FourierLweBootstrapKey, FourierLweBootstrapKeyOwned, LweCompactPublicKey, LweCompactPublicKeyOwned,
    LweKeyswitchKeyOwned, SeededLweBootstrapKey, SeededLweKeyswitchKey,
    par_convert_standard_lwe_bootstrap_key_to_fourier, par_convert_standard_lwe_bootstrap_key_to_fourier_128,
};

use crate::error::{Error, WireError};
use crate::key::key_id;
use crate::params::{Params, modulus, released_modulus};
use crate::random::compression;
use crate::wire::Reader;

/// Which keys are needed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Needs {
    /// The public key, for parameters.
    Public,
    /// All, for a plan.
    All,
}

/// An evaluation key.
pub(crate) struct EvaluationKey {
    params: Arc<Params>,
    id: KeyId,
    public: LweCompactPublicKeyOwned<u64>,
    key_switch: Option<LweKeyswitchKeyOwned<u64>>,
    digits: Option<FourierLweBootstrapKeyOwned>,
    shares: Option<FourierLweBootstrapKeyOwned>,
    released: LweCompactPublicKeyOwned<u128>,
    squash: Option<Fourier128LweBootstrapKeyOwned>,
}

impl EvaluationKey {
    pub(crate) fn params(&self) -> &Arc<Params> {
        &self.params
    }

    pub(crate) fn id(&self) -> KeyId {
        self.id
    }

    pub(crate) fn public(&self) -> &LweCompactPublicKeyOwned<u64> {
        &self.public
    }

    pub(crate) fn key_switch(&self) -> Result<&LweKeyswitchKeyOwned<u64>, Error> {
        self.key_switch.as_ref().ok_or(Error::Internal("a key switch that was not announced"))
    }

    pub(crate) fn rotation(&self, role: Use) -> Result<&FourierLweBootstrapKeyOwned, Error> {
        let key = match role {
            Use::Digit => &self.digits,
            Use::Share => &self.shares,
        };
        key.as_ref().ok_or(Error::Internal("a rotation that was not announced"))
    }

    /// The public key of released sums.
    pub(crate) fn released(&self) -> &LweCompactPublicKeyOwned<u128> {
        &self.released
    }

    pub(crate) fn squash(&self) -> Result<&Fourier128LweBootstrapKeyOwned, Error> {
        self.squash.as_ref().ok_or(Error::Internal("a rotation that was not announced"))
    }

    /// Reads an evaluation-key frame and expands what is needed of it. Lengths, checksum and digest are checked of all.
    pub(crate) fn from_frame(
        bytes: &[u8],
        needs: impl FnOnce(&Params) -> Result<Needs, Error>,
    ) -> Result<Self, Error> {
        let (id, mut reader) = Reader::open(bytes, Kind::EvaluationKey).map_err(Error::Key)?;
        let found = key_id(reader.payload());
        if found != id {
            return Err(Error::Key(WireError::Digest { found, named: id }));
        }
        let params = Params::new(&reader.parameters().map_err(Error::Key)?)
            .map_err(|error| Error::KeyParameters(Box::new(error)))?;
        let needs = needs(&params)?;
        let params = Arc::new(params);
        Self::read(&mut reader, params, id, needs).map_err(Error::Key)
    }

    fn read(
        reader: &mut Reader<'_>,
        params: Arc<Params>,
        id: KeyId,
        needs: Needs,
    ) -> Result<Self, WireError> {
        let public = reader.words(2 * params.big_dimension().0)?;
        let public = LweCompactPublicKey::from_container(public, modulus());
        let all = needs == Needs::All;
        let key_switch = key_switch(reader, &params, all)?;
        let digits = bootstrap(reader, &params, params.bootstrap(), all)?;
        let shares = bootstrap(reader, &params, params.sum_bootstrap(), all)?;
        let released = reader.wide_words(2 * params.released_dimension().0)?;
        let released = LweCompactPublicKey::from_container(released, released_modulus());
        let squash = squash(reader, &params, all)?;
        reader.end()?;
        Ok(Self { params, id, public, key_switch, digits, shares, released, squash })
    }
}

/// The key switch: expanded where it is wanted, and else passed over.
fn key_switch(
    reader: &mut Reader<'_>,
    params: &Params,
    wanted: bool,
) -> Result<Option<LweKeyswitchKeyOwned<u64>>, WireError> {
    let (base_log, levels) = params.key_switch();
    let seed = reader.u128()?;
    let words = params.big_dimension().0 * levels.0;
    if !wanted {
        return reader.skip_words(words).map(|()| None);
    }
    let seeded = SeededLweKeyswitchKey::from_container(
        reader.words(words)?,
        base_log,
        levels,
        params.lwe_dimension().to_lwe_size(),
        compression(seed),
        modulus(),
    );
    Ok(Some(seeded.decompress_into_lwe_keyswitch_key()))
}

/// A rotation key, likewise.
fn bootstrap(
    reader: &mut Reader<'_>,
    params: &Params,
    (base_log, levels): (DecompositionBaseLog, DecompositionLevelCount),
    wanted: bool,
) -> Result<Option<FourierLweBootstrapKeyOwned>, WireError> {
    let seed = reader.u128()?;
    let (glwe_size, size) = (params.glwe_dimension().to_glwe_size(), params.polynomial_size());
    let words = params.lwe_dimension().0 * levels.0 * glwe_size.0 * size.0;
    if !wanted {
        return reader.skip_words(words).map(|()| None);
    }
    let seeded = SeededLweBootstrapKey::from_container(
        reader.words(words)?,
        glwe_size,
        size,
        base_log,
        levels,
        compression(seed),
        modulus(),
    );
    let standard = seeded.par_decompress_into_lwe_bootstrap_key();
    let mut fourier = FourierLweBootstrapKey::new(params.lwe_dimension(), glwe_size, size, base_log, levels);
    par_convert_standard_lwe_bootstrap_key_to_fourier(&standard, &mut fourier);
    Ok(Some(fourier))
}

/// The rotation key of released sums, likewise.
fn squash(
    reader: &mut Reader<'_>,
    params: &Params,
    wanted: bool,
) -> Result<Option<Fourier128LweBootstrapKeyOwned>, WireError> {
    let seed = reader.u128()?;
    let (base_log, levels) = params.squash_bootstrap();
    let (glwe_size, size) = (params.squash_dimension().to_glwe_size(), params.squash_size());
    let words = params.lwe_dimension().0 * levels.0 * glwe_size.0 * size.0;
    if !wanted {
        return reader.skip_wide_words(words).map(|()| None);
    }
    let seeded = SeededLweBootstrapKey::from_container(
        reader.wide_words(words)?,
        glwe_size,
        size,
        base_log,
        levels,
        compression(seed),
        released_modulus(),
    );
    let standard = seeded.par_decompress_into_lwe_bootstrap_key();
    let mut fourier =
        Fourier128LweBootstrapKey::new(params.lwe_dimension(), glwe_size, size, base_log, levels);
    par_convert_standard_lwe_bootstrap_key_to_fourier_128(&standard, &mut fourier);
    Ok(Some(fourier))
}
