//! Secret parameters: encrypted by the researcher under the public key, read by whoever computes.
//!
//! A file of them is one frame of kind [`Kind::Parameters`]; its payload, little-endian: length of the header
//! (4 bytes), the header as JSON, the frames of the parts in its order. Reading panics on no input.

use std::path::Path;

use hq_dsl::{Column, Query};
use hq_engine::forms::parameter_form;
use hq_engine::run::SealedParameters;
use hq_plugin_sdk::capabilities::{Capabilities, InputForm};
use hq_plugin_sdk::frame::{self, FrameError, KeyId, Kind};
use hq_plugin_sdk::host::EvaluatorPlugin;
use serde::{Deserialize, Serialize};

use crate::error::{ClientError, Result, damaged, mismatch, refused};
use crate::keys::read_bounded;
use crate::program::Program;

/// Version of the format.
const VERSION: u32 = 1;

/// Largest file that is read, in bytes.
const MAX_BYTES: u64 = 1 << 30;

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
fn parts(column: &Column, backend: &Capabilities, code: i64) -> Vec<(String, i64)> {
    match backend.inputs {
        InputForm::Columns => vec![(column.name.clone(), code)],
        InputForm::Parts => {
            let parts = parameter_form(column, backend).parts(&column.name).into_iter();
            parts.map(|part| (part.input.name.clone(), part.value(Some(code)))).collect()
        }
    }
}

/// Encrypts the secret parameters of a query, with the values that the command line gives.
pub(crate) fn seal(
    program: &Program,
    query: &Query,
    evaluator: &EvaluatorPlugin,
    evaluation_key: &[u8],
) -> Result<SealedParameters> {
    let mut sealed = SealedParameters::new();
    for column in &query.secrets {
        let given = program.secret_params.iter().find(|(name, _)| *name == column.name);
        let code = given.and_then(|(_, text)| column.domain.parse_parameter(text));
        let Some(code) = code else {
            return Err(ClientError::NoSecret { query: query.name.clone(), name: column.name.clone() });
        };
        for (name, value) in parts(column, evaluator.capabilities(), code) {
            let frame = evaluator
                .encrypt_parameter(evaluation_key, value)
                .map_err(refused(format!("the secret parameter `{}`", column.name)))?;
            sealed.insert(name, frame);
        }
    }
    Ok(sealed)
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
pub(crate) fn write(
    query: &Query,
    backend: &Capabilities,
    key: KeyId,
    sealed: &SealedParameters,
) -> std::result::Result<Vec<u8>, serde_json::Error> {
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

/// Reads a file of parameters for a query.
pub(crate) fn read(
    path: &Path,
    query: &Query,
    backend: &Capabilities,
    key: KeyId,
) -> Result<SealedParameters> {
    let bytes = read_bounded(path, MAX_BYTES)?;
    let broken = |error: FrameError| damaged(path, error.to_string());
    let outer = frame::open(&bytes, Kind::Parameters).map_err(broken)?;
    if outer.key != key {
        return Err(mismatch(path, format!("was encrypted for key {}, the data for key {key}", outer.key)));
    }
    let short = || damaged(path, "is cut short");
    let (length, rest) = outer.payload.split_first_chunk().ok_or_else(short)?;
    let length = usize::try_from(u32::from_le_bytes(*length)).unwrap_or(usize::MAX);
    let (header, mut rest) = rest.split_at_checked(length).ok_or_else(short)?;
    let header: Header =
        serde_json::from_slice(header).map_err(|error| damaged(path, format!("its header: {error}")))?;
    if header.version != VERSION {
        let reason = format!("has version {}, this program reads {VERSION}", header.version);
        return Err(damaged(path, reason));
    }
    if header.query != query.name || header.parameters != described(query, backend) {
        let reason =
            format!("holds parameters of another program than query `{}`; seal them again", query.name);
        return Err(mismatch(path, reason));
    }
    let mut sealed = SealedParameters::new();
    for part in header.parameters.into_iter().flat_map(|parameter| parameter.parts) {
        let length = frame::frame_bytes(rest).map_err(broken)?;
        let length = usize::try_from(length).unwrap_or(usize::MAX);
        let (bytes, after) = rest.split_at_checked(length).ok_or_else(short)?;
        frame::open(bytes, Kind::Parameter).map_err(broken)?;
        sealed.insert(part, bytes.to_vec());
        rest = after;
    }
    if !rest.is_empty() {
        return Err(damaged(path, "goes on after its last part"));
    }
    Ok(sealed)
}
