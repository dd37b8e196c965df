//! Bytes from outside, read in bounds: every length follows from the parameters. Nothing in here panics on any input.
#![deny(clippy::indexing_slicing)]

use hq_plugin_sdk::frame::{self, Frame, KeyId, Kind};
use hq_plugin_sdk::tfhe::TfheParameters;

use crate::error::WireError;

/// Version of the layouts inside frames; the first byte of every payload.
pub(crate) const VERSION: u8 = 1;

/// Longest description of parameters that is read.
const MAX_PARAMETERS: usize = 1 << 12;

/// Bytes of a public seed.
pub(crate) const SEED_BYTES: usize = 16;

/// Reads a payload front to back.
#[derive(Debug)]
pub(crate) struct Reader<'a> {
    payload: &'a [u8],
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    /// Checks frame and layout version.
    pub(crate) fn open(bytes: &'a [u8], kind: Kind) -> Result<(KeyId, Self), WireError> {
        let Frame { key, payload, .. } = frame::open(bytes, kind)?;
        let mut reader = Self { payload, rest: payload };
        match reader.u8()? {
            VERSION => Ok((key, reader)),
            other => Err(WireError::Version(other)),
        }
    }

    /// All that is read, from its first byte.
    pub(crate) fn payload(&self) -> &'a [u8] {
        self.payload
    }

    /// The next `count` bytes.
    pub(crate) fn bytes(&mut self, count: usize) -> Result<&'a [u8], WireError> {
        let (head, rest) = self.rest.split_at_checked(count).ok_or(WireError::Short)?;
        self.rest = rest;
        Ok(head)
    }

    /// The next `L` bytes as an array.
    pub(crate) fn array<const L: usize>(&mut self) -> Result<[u8; L], WireError> {
        self.bytes(L)?.try_into().map_err(|_| WireError::Short)
    }

    /// The next byte.
    pub(crate) fn u8(&mut self) -> Result<u8, WireError> {
        self.array::<1>().map(u8::from_le_bytes)
    }

    /// The next number.
    pub(crate) fn u64(&mut self) -> Result<u64, WireError> {
        self.array::<8>().map(u64::from_le_bytes)
    }

    /// The next four bytes as a count of at most so many.
    pub(crate) fn count(&mut self, most: usize) -> Result<usize, WireError> {
        let count = u32::from_le_bytes(self.array()?);
        usize::try_from(count).ok().filter(|&count| count <= most).ok_or(WireError::Content("too many parts"))
    }

    /// The next `count` numbers.
    pub(crate) fn words(&mut self, count: usize) -> Result<Vec<u64>, WireError> {
        let bytes = self.bytes(count.checked_mul(8).ok_or(WireError::Short)?)?;
        Ok(bytes.as_chunks().0.iter().map(|word| u64::from_le_bytes(*word)).collect())
    }

    /// Passes over the next `count` numbers.
    pub(crate) fn skip_words(&mut self, count: usize) -> Result<(), WireError> {
        self.bytes(count.checked_mul(8).ok_or(WireError::Short)?).map(|_| ())
    }

    /// A public seed.
    pub(crate) fn seed(&mut self) -> Result<u128, WireError> {
        self.array::<SEED_BYTES>().map(u128::from_le_bytes)
    }

    /// Parameters, still to be validated.
    pub(crate) fn parameters(&mut self) -> Result<TfheParameters, WireError> {
        let length = u32::from_le_bytes(self.array()?);
        let length = usize::try_from(length).map_err(|_| WireError::Parameters)?;
        if length > MAX_PARAMETERS {
            return Err(WireError::Parameters);
        }
        serde_json::from_slice(self.bytes(length)?).map_err(|_| WireError::Parameters)
    }

    /// Nothing may be left.
    pub(crate) fn end(&self) -> Result<(), WireError> {
        if self.rest.is_empty() { Ok(()) } else { Err(WireError::Long) }
    }
}

/// Appends parameters as [`Reader::parameters`] reads them.
pub(crate) fn put_parameters(out: &mut Vec<u8>, parameters: &TfheParameters) {
    // Plain numbers always have a JSON form.
    let json = serde_json::to_vec(parameters).unwrap_or_default();
    out.extend_from_slice(&u32::try_from(json.len()).unwrap_or(u32::MAX).to_le_bytes());
    out.extend_from_slice(&json);
}

/// Appends a count as [`Reader::count`] reads it.
pub(crate) fn put_count(out: &mut Vec<u8>, count: usize) {
    out.extend_from_slice(&u32::try_from(count).unwrap_or(u32::MAX).to_le_bytes());
}

/// Appends numbers.
pub(crate) fn put_words(out: &mut Vec<u8>, words: &[u64]) {
    out.reserve(words.len().saturating_mul(8));
    words.iter().for_each(|word| out.extend_from_slice(&word.to_le_bytes()));
}
