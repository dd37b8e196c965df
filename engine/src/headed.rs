//! Payloads of a version, a header as JSON and a body: what a checkpoint and a result are inside their frames.
//!
//! Little-endian: version (4 bytes), length of the header (8 bytes), header, body. Reading panics on no input.
#![deny(clippy::indexing_slicing)]

use serde::Serialize;
use serde::de::DeserializeOwned;

/// One kind of such payloads.
#[derive(Clone, Copy, Debug)]
pub struct Layout {
    /// Version of the format.
    pub version: u32,
    /// Longest header that is read, in bytes.
    pub max_header_bytes: usize,
}

/// Why bytes are no such payload.
#[derive(Debug, thiserror::Error)]
pub enum HeadedError {
    /// Of another version.
    #[error("it has version {found}, this program reads {wanted}")]
    Version {
        /// Its version.
        found: u32,
        /// The version that is read.
        wanted: u32,
    },
    /// A length that does not fit.
    #[error("its {0} is cut short")]
    Short(&'static str),
    /// The header is not of the form that is wanted.
    #[error("its header: {0}")]
    Header(#[from] serde_json::Error),
}

impl Layout {
    /// The bytes of a payload.
    ///
    /// # Errors
    /// A header that JSON cannot hold.
    pub fn write(self, header: &impl Serialize, body: &[u8]) -> Result<Vec<u8>, HeadedError> {
        let header = serde_json::to_vec(header)?;
        let mut payload = Vec::with_capacity(12 + header.len() + body.len());
        payload.extend_from_slice(&self.version.to_le_bytes());
        payload.extend_from_slice(&(header.len() as u64).to_le_bytes());
        payload.extend_from_slice(&header);
        payload.extend_from_slice(body);
        Ok(payload)
    }

    /// Header and body of a payload.
    ///
    /// # Errors
    /// See [`HeadedError`].
    pub fn read<H: DeserializeOwned>(self, payload: &[u8]) -> Result<(H, &[u8]), HeadedError> {
        let (version, rest) = payload.split_first_chunk().ok_or(HeadedError::Short("version"))?;
        let found = u32::from_le_bytes(*version);
        if found != self.version {
            return Err(HeadedError::Version { found, wanted: self.version });
        }
        let (length, rest) = rest.split_first_chunk().ok_or(HeadedError::Short("header's length"))?;
        let length = usize::try_from(u64::from_le_bytes(*length)).unwrap_or(usize::MAX);
        let header = rest.split_at_checked(length).filter(|_| length <= self.max_header_bytes);
        let (header, body) = header.ok_or(HeadedError::Short("header"))?;
        Ok((serde_json::from_slice(header)?, body))
    }
}
