//! The file that comes back from whoever computed: the program with all it uses, so that the custodian can
//! plan it again and compare, and the encrypted sums.
//!
//! One frame of kind [`Kind::Result`]; its payload, little-endian: version (4 bytes), length of the header
//! (8), the header as JSON, the frame of the sums. Reading panics on no input.

use std::collections::BTreeMap;

use hq_engine::encoding::Encoding;
use hq_plugin_sdk::frame::{self, FrameError, KeyId, Kind};
use hq_plugin_sdk::parameters::Parameters;
use serde::{Deserialize, Serialize};

/// Version of the format.
pub const VERSION: u32 = 1;

/// Longest header that is read, in bytes.
const MAX_HEADER_BYTES: usize = 64 << 20;

/// What was computed, and how.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Header {
    /// Display name of the program.
    pub program_name: String,
    /// Its text.
    pub program: String,
    /// Display name and text of every module and schema that it uses, by module.
    pub modules: BTreeMap<String, (String, String)>,
    /// Values of its public parameters.
    pub params: Vec<(String, String)>,
    /// The query.
    pub query: String,
    /// The dataset.
    pub dataset: String,
    /// The backend, and its version.
    pub backend: (String, String),
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
    /// The frame of the encrypted sums.
    pub sums: Vec<u8>,
}

/// Why bytes are no result.
#[derive(Debug, thiserror::Error)]
pub enum ResultError {
    /// Not an intact frame of a result.
    #[error(transparent)]
    Frame(#[from] FrameError),
    /// Of another version.
    #[error("it has version {found}, this program reads {VERSION}")]
    Version {
        /// Its version.
        found: u32,
    },
    /// A length that does not fit.
    #[error("its {0} is cut short")]
    Short(&'static str),
    /// The header is not of this form.
    #[error("its header: {0}")]
    Header(#[from] serde_json::Error),
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
    let header = serde_json::to_vec(&result.header)?;
    let mut payload = Vec::with_capacity(12 + header.len() + result.sums.len());
    payload.extend_from_slice(&VERSION.to_le_bytes());
    payload.extend_from_slice(&(header.len() as u64).to_le_bytes());
    payload.extend_from_slice(&header);
    payload.extend_from_slice(&result.sums);
    Ok(frame::seal(Kind::Result, result.key, &payload))
}

/// Reads a result.
///
/// # Errors
/// See [`ResultError`].
pub fn read(bytes: &[u8]) -> Result<ResultFile, ResultError> {
    let frame = frame::open(bytes, Kind::Result)?;
    let (version, rest) = frame.payload.split_first_chunk().ok_or(ResultError::Short("version"))?;
    let version = u32::from_le_bytes(*version);
    if version != VERSION {
        return Err(ResultError::Version { found: version });
    }
    let (length, rest) = rest.split_first_chunk().ok_or(ResultError::Short("header's length"))?;
    let length = usize::try_from(u64::from_le_bytes(*length)).unwrap_or(usize::MAX);
    let header = rest.split_at_checked(length).filter(|_| length <= MAX_HEADER_BYTES);
    let (header, sums) = header.ok_or(ResultError::Short("header"))?;
    let header = serde_json::from_slice(header)?;
    let inner = frame::open(sums, Kind::Sums)?;
    if inner.key != frame.key {
        return Err(ResultError::Key { sums: inner.key, result: frame.key });
    }
    Ok(ResultFile { key: frame.key, header, sums: sums.to_vec() })
}
