//! Payloads of frames, read in bounds: a version of the layout, then what the backend puts there. Nothing in here panics on
//! any input.
#![deny(clippy::indexing_slicing)]

use std::marker::PhantomData;

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::frame::{self, Frame, FrameError, KeyId, Kind};

/// Failures of anything read from outside.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WireError {
    /// The frame does not conform.
    #[error(transparent)]
    Frame(#[from] FrameError),
    /// The payload ends early.
    #[error("it is cut short")]
    Short,
    /// Bytes are left over.
    #[error("it has bytes after its end")]
    Long,
    /// Another version of the layout.
    #[error("it has layout version {found}, this build reads {reads}")]
    Version {
        /// The version it has.
        found: u8,
        /// The version that is read.
        reads: u8,
    },
    /// A number of limbs, sums or the like that cannot be.
    #[error("it announces {0}")]
    Count(&'static str),
    /// A residue at or above its modulus.
    #[error("it holds a residue that is not below its modulus")]
    Residue,
    /// A content of another kind.
    #[error("it holds {0}")]
    Content(&'static str),
    /// The parameters inside cannot be read.
    #[error("its parameters cannot be read")]
    Parameters,
    /// It belongs to another key.
    #[error("it belongs to key {found}, not to {wanted}")]
    Key {
        /// Key it names.
        found: KeyId,
        /// Key in use.
        wanted: KeyId,
    },
    /// An evaluation key under another's name.
    #[error("it names itself {named}, but its content is that of {found}")]
    Digest {
        /// Digest of the content.
        found: KeyId,
        /// Key it names.
        named: KeyId,
    },
}

/// How a backend lays its payloads out.
pub trait Layout {
    /// The first byte of every payload.
    const VERSION: u8;
    /// Most bytes of a description of parameters.
    const MAX_PARAMETERS: usize;
    /// The scheme's parameters.
    type Parameters: Serialize + DeserializeOwned;
}

/// Reads a payload front to back.
#[derive(Debug)]
pub struct Reader<'a, L> {
    payload: &'a [u8],
    rest: &'a [u8],
    layout: PhantomData<L>,
}

impl<'a, L: Layout> Reader<'a, L> {
    /// Checks frame and layout version.
    ///
    /// # Errors
    /// What is wrong with either.
    pub fn open(bytes: &'a [u8], kind: Kind) -> Result<(KeyId, Self), WireError> {
        let Frame { key, payload, .. } = frame::open(bytes, kind)?;
        Ok((key, Self::payload_of(payload)?))
    }

    /// Checks the layout version of a payload without its frame.
    ///
    /// # Errors
    /// It is another one.
    pub fn payload_of(payload: &'a [u8]) -> Result<Self, WireError> {
        let mut reader = Self { payload, rest: payload, layout: PhantomData };
        match reader.u8()? {
            found if found == L::VERSION => Ok(reader),
            found => Err(WireError::Version { found, reads: L::VERSION }),
        }
    }

    /// All that is read, from its first byte.
    #[must_use]
    pub fn payload(&self) -> &'a [u8] {
        self.payload
    }

    /// The next `count` bytes.
    ///
    /// # Errors
    /// There are fewer.
    pub fn bytes(&mut self, count: usize) -> Result<&'a [u8], WireError> {
        let (head, rest) = self.rest.split_at_checked(count).ok_or(WireError::Short)?;
        self.rest = rest;
        Ok(head)
    }

    /// The next `N` bytes as an array.
    ///
    /// # Errors
    /// There are fewer.
    pub fn array<const N: usize>(&mut self) -> Result<[u8; N], WireError> {
        self.bytes(N)?.try_into().map_err(|_| WireError::Short)
    }

    /// The next byte.
    ///
    /// # Errors
    /// There is none.
    pub fn u8(&mut self) -> Result<u8, WireError> {
        self.array().map(u8::from_le_bytes)
    }

    /// The next number of 64 bits.
    ///
    /// # Errors
    /// There are fewer bytes.
    pub fn u64(&mut self) -> Result<u64, WireError> {
        self.array().map(u64::from_le_bytes)
    }

    /// The next number of 128 bits.
    ///
    /// # Errors
    /// There are fewer bytes.
    pub fn u128(&mut self) -> Result<u128, WireError> {
        self.array().map(u128::from_le_bytes)
    }

    /// The next four bytes as a length.
    ///
    /// # Errors
    /// There are fewer.
    pub fn length(&mut self) -> Result<usize, WireError> {
        let value = u32::from_le_bytes(self.array()?);
        usize::try_from(value).map_err(|_| WireError::Short)
    }

    /// The next `count` numbers of 64 bits.
    ///
    /// # Errors
    /// There are fewer.
    pub fn words(&mut self, count: usize) -> Result<Vec<u64>, WireError> {
        let bytes = self.bytes(count.checked_mul(8).ok_or(WireError::Short)?)?;
        Ok(bytes.as_chunks().0.iter().map(|word| u64::from_le_bytes(*word)).collect())
    }

    /// Passes over the next `count` numbers of 64 bits.
    ///
    /// # Errors
    /// There are fewer.
    pub fn skip_words(&mut self, count: usize) -> Result<(), WireError> {
        self.bytes(count.checked_mul(8).ok_or(WireError::Short)?).map(|_| ())
    }

    /// The next `count` numbers of 128 bits.
    ///
    /// # Errors
    /// There are fewer.
    pub fn wide_words(&mut self, count: usize) -> Result<Vec<u128>, WireError> {
        let bytes = self.bytes(count.checked_mul(16).ok_or(WireError::Short)?)?;
        Ok(bytes.as_chunks().0.iter().map(|word| u128::from_le_bytes(*word)).collect())
    }

    /// Passes over the next `count` numbers of 128 bits.
    ///
    /// # Errors
    /// There are fewer.
    pub fn skip_wide_words(&mut self, count: usize) -> Result<(), WireError> {
        self.bytes(count.checked_mul(16).ok_or(WireError::Short)?).map(|_| ())
    }

    /// Parameters, still to be validated.
    ///
    /// # Errors
    /// They are too long, cut short or not parameters.
    pub fn parameters(&mut self) -> Result<L::Parameters, WireError> {
        let length = self.length()?;
        if length > L::MAX_PARAMETERS {
            return Err(WireError::Parameters);
        }
        serde_json::from_slice(self.bytes(length)?).map_err(|_| WireError::Parameters)
    }

    /// Nothing may be left.
    ///
    /// # Errors
    /// Something is.
    pub fn end(&self) -> Result<(), WireError> {
        if self.rest.is_empty() { Ok(()) } else { Err(WireError::Long) }
    }
}

/// Appends parameters as [`Reader::parameters`] reads them.
pub fn put_parameters(out: &mut Vec<u8>, parameters: &impl Serialize) {
    // Plain numbers and vectors of numbers always have a JSON form.
    let json = serde_json::to_vec(parameters).unwrap_or_default();
    put_length(out, json.len());
    out.extend_from_slice(&json);
}

/// Appends a length as [`Reader::length`] reads it.
pub fn put_length(out: &mut Vec<u8>, length: usize) {
    out.extend_from_slice(&u32::try_from(length).unwrap_or(u32::MAX).to_le_bytes());
}

/// Appends numbers as [`Reader::words`] reads them.
pub fn put_words(out: &mut Vec<u8>, words: &[u64]) {
    out.reserve(words.len().saturating_mul(8));
    words.iter().for_each(|word| out.extend_from_slice(&word.to_le_bytes()));
}

/// Appends numbers as [`Reader::wide_words`] reads them.
pub fn put_wide_words(out: &mut Vec<u8>, words: &[u128]) {
    out.reserve(words.len().saturating_mul(16));
    words.iter().for_each(|word| out.extend_from_slice(&word.to_le_bytes()));
}
