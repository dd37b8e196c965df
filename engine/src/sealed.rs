//! Secret parameters as they travel: encrypted by whoever asks, read by whoever computes.
//!
//! A file of them is one frame of kind [`Kind::Parameters`]; its payload, little-endian: length of the header
//! (4 bytes), the header as JSON, the frames of the parts in its order. Reading panics on no input.

use hq_dsl::{Column, Query};
use hq_plugin_sdk::capabilities::{Capabilities, InputForm};
use hq_plugin_sdk::frame::{self, FrameError, KeyId, Kind};
use serde::{Deserialize, Serialize};

use crate::forms::parameter_form;
use crate::run::SealedParameters;

/// Version of the format.
const VERSION: u32 = 1;

/// Why a file of secret parameters is none for a query.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SealedError {
    /// Bytes that are no such file.
    #[error("{0}")]
    Damaged(String),
    /// Another key pair.
    #[error("was encrypted for key {found}, the data for key {wanted}")]
    Key {
        /// That of the file.
        found: KeyId,
        /// That of the dataset.
        wanted: KeyId,
    },
    /// Other parameters than the query has.
    #[error("holds parameters of another program than query `{query}`; seal them again")]
    Query {
        /// The query.
        query: String,
    },
}

impl From<FrameError> for SealedError {
    fn from(error: FrameError) -> Self {
        Self::Damaged(error.to_string())
    }
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Header {
    version: u32,
    query: String,
    parameters: Vec<Parameter>,
}

#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Parameter {
    name: String,
    /// Its domain as the program writes it: the parts mean nothing under another.
    domain: String,
    parts: Vec<String>,
}

/// The names of a parameter's parts as plans call them, with their values for one code.
#[must_use]
pub fn parts(column: &Column, backend: &Capabilities, code: i64) -> Vec<(String, i64)> {
    match backend.inputs {
        InputForm::Columns => vec![(column.name.clone(), code)],
        InputForm::Parts => {
            let parts = parameter_form(column, backend).parts(&column.name).into_iter();
            parts.map(|part| (part.input.name.clone(), part.value(Some(code)))).collect()
        }
    }
}

fn described(query: &Query, backend: &Capabilities) -> Vec<Parameter> {
    let describe = |column: &Column| Parameter {
        name: column.name.clone(),
        domain: column.domain.to_string(),
        parts: parts(column, backend, column.domain.range().0).into_iter().map(|(name, _)| name).collect(),
    };
    query.secrets.iter().map(describe).collect()
}

/// The bytes of a file.
///
/// # Errors
/// A header that is no JSON, which cannot be.
pub fn write(
    query: &Query,
    backend: &Capabilities,
    key: KeyId,
    sealed: &SealedParameters,
) -> Result<Vec<u8>, serde_json::Error> {
    let parameters = described(query, backend);
    let frames: Vec<&Vec<u8>> = parameters
        .iter()
        .flat_map(|parameter| &parameter.parts)
        .filter_map(|part| sealed.get(part))
        .collect();
    let header = serde_json::to_vec(&Header { version: VERSION, query: query.name.clone(), parameters })?;
    let mut payload = u32::try_from(header.len()).unwrap_or(u32::MAX).to_le_bytes().to_vec();
    payload.extend_from_slice(&header);
    frames.into_iter().for_each(|frame| payload.extend_from_slice(frame));
    Ok(frame::seal(Kind::Parameters, key, &payload))
}

/// Reads the bytes of a file for a query, over data under a key. Every part is a ciphertext of that key; what is in it, only the
/// backend can say.
///
/// # Errors
/// See [`SealedError`].
pub fn read(
    bytes: &[u8],
    query: &Query,
    backend: &Capabilities,
    key: KeyId,
) -> Result<SealedParameters, SealedError> {
    let of_key =
        |found: KeyId| if found == key { Ok(()) } else { Err(SealedError::Key { found, wanted: key }) };
    let outer = frame::open(bytes, Kind::Parameters)?;
    of_key(outer.key)?;
    let short = || SealedError::Damaged("is cut short".to_owned());
    let (length, rest) = outer.payload.split_first_chunk().ok_or_else(short)?;
    let length = usize::try_from(u32::from_le_bytes(*length)).unwrap_or(usize::MAX);
    let (header, mut rest) = rest.split_at_checked(length).ok_or_else(short)?;
    let header: Header = serde_json::from_slice(header)
        .map_err(|error| SealedError::Damaged(format!("its header: {error}")))?;
    if header.version != VERSION {
        let reason = format!("has version {}, this program reads {VERSION}", header.version);
        return Err(SealedError::Damaged(reason));
    }
    if header.query != query.name || header.parameters != described(query, backend) {
        return Err(SealedError::Query { query: query.name.clone() });
    }
    let mut sealed = SealedParameters::new();
    for part in header.parameters.into_iter().flat_map(|parameter| parameter.parts) {
        let length = usize::try_from(frame::frame_bytes(rest)?).unwrap_or(usize::MAX);
        let (bytes, after) = rest.split_at_checked(length).ok_or_else(short)?;
        of_key(frame::open(bytes, Kind::Parameter)?.key)?;
        sealed.insert(part, bytes.to_vec());
        rest = after;
    }
    if !rest.is_empty() {
        return Err(SealedError::Damaged("goes on after its last part".to_owned()));
    }
    Ok(sealed)
}
