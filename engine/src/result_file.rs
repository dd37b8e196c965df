//! The file that comes back from whoever computed: the programs with all they use, so that the custodian can
//! plan them again and compare, and the encrypted sums.
//!
//! One frame of kind [`Kind::Result`] around a payload with a header (`headed`); its body is the frame of the sums, one for
//! each table, and behind it, where small counts stayed encrypted, the frame of what the gates let out.

use std::collections::BTreeMap;

use hq_plugin_sdk::frame::{self, FrameError, KeyId, Kind, split_off};
use hq_plugin_sdk::parameters::Parameters;
use serde::{Deserialize, Serialize};

use crate::encoding::Encoding;
use crate::headed::{HeadedError, Layout};

const LAYOUT: Layout = Layout { version: 3, max_header_bytes: 64 << 20 };

/// What was computed, and how.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Header {
    /// The programs, in order.
    pub programs: Vec<ProgramRecord>,
    /// The dataset.
    pub dataset: String,
    /// Digest of the dataset's manifest, and so of all that was read: BLAKE3 in hexadecimal.
    pub manifest_blake3: String,
    /// The backend, and its version.
    pub backend: (String, String),
    /// BLAKE3 of the file of the backend's plugin, in hexadecimal; older results do not say it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub backend_blake3: Option<String>,
    /// Parameters of the keys.
    pub parameters: Parameters,
    /// The encoding of each column.
    pub columns: BTreeMap<String, Encoding>,
    /// BLAKE3 of the plan's text, in hexadecimal.
    pub plan_blake3: String,
    /// What the plan's certificate says, for the record: the custodian proves it again.
    pub certificate: Option<CertificateRecord>,
    /// What it took.
    pub cost: Cost,
}

/// A program of which queries were computed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ProgramRecord {
    /// Display name.
    pub name: String,
    /// Its text.
    pub text: String,
    /// Display name and text of every module and schema that it uses, by module.
    pub modules: BTreeMap<String, (String, String)>,
    /// BLAKE3 digests of the files of plugins whose functions it calls, by name.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub functions: BTreeMap<String, String>,
    /// Values of its public parameters.
    pub params: Vec<(String, String)>,
    /// The queries, in the order of its text.
    pub queries: Vec<String>,
}

/// The heads of a certificate.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CertificateRecord {
    /// log2 of the probability that any number is wrong.
    pub failure_log2: f64,
    /// log2 of the statistical distance of a released ciphertext from one that holds nothing but its number.
    pub release_distance_log2: i32,
    /// Security in bits.
    pub security_bits: u32,
}

/// What a computation took.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Cost {
    /// Wall-clock seconds of the backend.
    pub server_s: f64,
    /// CPU seconds of the backend.
    pub server_cpu_s: f64,
    /// Bytes of ciphertext read.
    pub upload_bytes: u64,
    /// Blocks of rows.
    pub blocks: u64,
}

/// A result.
#[derive(Clone, Debug, PartialEq)]
pub struct ResultFile {
    /// The key pair that opens it.
    pub key: KeyId,
    /// What was computed.
    pub header: Header,
    /// The frame of the encrypted sums; of several tables, a frame for each.
    pub sums: Vec<u8>,
    /// The frame of what the gates let out, where there were some.
    pub passed: Option<Vec<u8>>,
}

/// Why bytes are no result.
#[derive(Debug, thiserror::Error)]
pub enum ResultError {
    /// Not an intact frame of a result.
    #[error(transparent)]
    Frame(#[from] FrameError),
    /// Of another version, cut short, or with another header.
    #[error(transparent)]
    Headed(#[from] HeadedError),
    /// The sums belong to another key than the result says.
    #[error("its sums belong to key {sums}, the result to {result}")]
    Key {
        /// Of the sums.
        sums: KeyId,
        /// Of the result.
        result: KeyId,
    },
}

/// The bytes of a result.
///
/// # Errors
/// A header that JSON cannot hold.
pub fn write(result: &ResultFile) -> Result<Vec<u8>, ResultError> {
    let body = [result.sums.as_slice(), result.passed.as_deref().unwrap_or_default()].concat();
    Ok(frame::seal(Kind::Result, result.key, &LAYOUT.write(&result.header, &body)?))
}

/// Reads a result.
///
/// # Errors
/// See [`ResultError`].
pub fn read(bytes: &[u8]) -> Result<ResultFile, ResultError> {
    let frame = frame::open(bytes, Kind::Result)?;
    let (header, body) = LAYOUT.read(frame.payload)?;
    let mut rest = body;
    let passed = loop {
        match split_off(rest, Kind::Sums) {
            Ok((sums, _, _)) if sums.key != frame.key => {
                return Err(ResultError::Key { sums: sums.key, result: frame.key });
            }
            Ok((_, _, [])) => {
                rest = &[];
                break None;
            }
            Ok((_, _, behind)) => rest = behind,
            // Behind sums.
            Err(FrameError::Kind { .. }) if rest.len() < body.len() => {
                frame::open(rest, Kind::Passed)?;
                break Some(rest.to_vec());
            }
            Err(error) => return Err(error.into()),
        }
    };
    let sums = body.get(..body.len() - rest.len()).unwrap_or_default().to_vec();
    Ok(ResultFile { key: frame.key, header, sums, passed })
}

/// The frames of sums that stand one behind the other.
///
/// # Errors
/// Frames that do not conform.
pub fn tables(sums: &[u8]) -> Result<Vec<&[u8]>, FrameError> {
    let mut rest = sums;
    let mut tables = Vec::new();
    while !rest.is_empty() {
        let (_, first, behind) = split_off(rest, Kind::Sums)?;
        tables.push(first);
        rest = behind;
    }
    Ok(tables)
}
