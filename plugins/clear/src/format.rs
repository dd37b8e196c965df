//! The frames of this backend: little-endian `i64` for columns and sums, a marker and the rows per block
//! for keys. Nothing is encrypted, so every frame belongs to the key zero.

use hq_plugin_sdk::backend::{BackendError, Fault};
use hq_plugin_sdk::frame::{self, KeyId, Kind};

/// What both keys hold: that there is nothing to keep.
const KEY_MARKER: &[u8] = b"clear: not a key, nothing is encrypted; rows per block: ";

/// A frame of numbers.
pub(crate) fn seal_numbers(kind: Kind, values: impl ExactSizeIterator<Item = i64>) -> Vec<u8> {
    let mut payload = Vec::with_capacity(values.len() * size_of::<i64>());
    for value in values {
        payload.extend_from_slice(&value.to_le_bytes());
    }
    frame::seal(kind, KeyId::default(), &payload)
}

/// The numbers of a frame, each as its bytes.
///
/// # Errors
/// `Fault::Input` where it is no such frame.
pub(crate) fn open_numbers(bytes: &[u8], kind: Kind) -> Result<&[[u8; 8]], BackendError> {
    let payload = payload(bytes, kind, Fault::Input)?;
    match payload.as_chunks() {
        (numbers, []) => Ok(numbers),
        (_, rest) => Err(BackendError::new(
            Fault::Input,
            format!("its last number is cut short: {} bytes where 8 are needed", rest.len()),
        )),
    }
}

/// A key's frame: it holds the rows per block, for there is nothing to keep.
pub(crate) fn seal_key(kind: Kind, rows_per_block: u32) -> Vec<u8> {
    frame::seal(kind, KeyId::default(), &[KEY_MARKER, &rows_per_block.to_le_bytes()].concat())
}

/// Checks a key's frame and returns the rows per block, at least 1.
///
/// # Errors
/// `Fault::Key` where it is no such frame.
pub(crate) fn open_key(bytes: &[u8], kind: Kind) -> Result<u32, BackendError> {
    let payload = payload(bytes, kind, Fault::Key)?;
    payload
        .strip_prefix(KEY_MARKER)
        .and_then(|rows| rows.try_into().ok())
        .map(u32::from_le_bytes)
        .filter(|&rows| rows > 0)
        .ok_or_else(|| BackendError::new(Fault::Key, "the key is none of the clear backend"))
}

/// The content of a frame.
///
/// # Errors
/// The given fault where it is not intact, of another kind, or of another backend.
pub(crate) fn payload(bytes: &[u8], kind: Kind, fault: Fault) -> Result<&[u8], BackendError> {
    let frame = frame::open(bytes, kind).map_err(|error| BackendError::new(fault, error.to_string()))?;
    if frame.key != KeyId::default() {
        return Err(BackendError::new(
            fault,
            format!("it belongs to key {}: it was made by another backend", frame.key),
        ));
    }
    Ok(frame.payload)
}
