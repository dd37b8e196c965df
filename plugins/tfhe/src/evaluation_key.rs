//! What the service computes with: a public key, the key switch, and rotation keys, expanded as far as a plan needs them.
#![deny(clippy::indexing_slicing)]

use std::sync::Arc;

use hq_plugin_sdk::frame::{KeyId, Kind};
use hq_plugin_sdk::rotations::Use;
use tfhe::core_crypto::prelude::{
    DecompositionBaseLog, DecompositionLevelCount, FourierLweBootstrapKey, FourierLweBootstrapKeyOwned,
    LweCompactPublicKey, LweCompactPublicKeyOwned, LweKeyswitchKeyOwned, SeededLweBootstrapKey,
    SeededLweKeyswitchKey, par_convert_standard_lwe_bootstrap_key_to_fourier,
};

use crate::error::{Error, WireError};
use crate::key::key_id;
use crate::params::{Params, modulus};
use crate::random::compression;
use crate::wire::Reader;

/// Which keys a plan needs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Needs {
    /// Rotations that give digits.
    pub(crate) digits: bool,
    /// Rotations that give shares.
    pub(crate) shares: bool,
}

/// An evaluation key.
pub(crate) struct EvaluationKey {
    params: Arc<Params>,
    id: KeyId,
    public: LweCompactPublicKeyOwned<u64>,
    key_switch: Option<LweKeyswitchKeyOwned<u64>>,
    digits: Option<FourierLweBootstrapKeyOwned>,
    shares: Option<FourierLweBootstrapKeyOwned>,
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
        let key_switch = key_switch(reader, &params, needs.digits || needs.shares)?;
        let digits = bootstrap(reader, &params, params.bootstrap(), needs.digits)?;
        let shares = bootstrap(reader, &params, params.sum_bootstrap(), needs.shares)?;
        reader.end()?;
        Ok(Self { params, id, public, key_switch, digits, shares })
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
