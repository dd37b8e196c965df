//! Bytes from outside: the layout of payloads, and bit-packed residues. Nothing in here panics on any input.
#![deny(clippy::indexing_slicing)]

use hq_plugin_sdk::parameters::RnsParameters;
use hq_plugin_sdk::payload;
use zeroize::Zeroizing;

use crate::error::WireError;
use crate::modular::{self, Modulus};

pub use hq_plugin_sdk::payload::{put_length, put_parameters, put_words};

/// Version of the layouts inside frames; the first byte of every payload.
pub const VERSION: u8 = 1;

/// How payloads of this backend are laid out.
#[derive(Debug)]
pub struct Layout;

impl payload::Layout for Layout {
    const VERSION: u8 = VERSION;
    const MAX_PARAMETERS: usize = 1 << 14;
    type Parameters = RnsParameters;
}

/// Reads a payload front to back.
pub type Reader<'a> = payload::Reader<'a, Layout>;

/// The next limb of `count` residues of `bits` bits, packed and not looked at yet.
///
/// # Errors
/// There are too few bytes.
pub fn packed<'a>(reader: &mut Reader<'a>, count: usize, bits: u32) -> Result<&'a [u8], WireError> {
    reader.bytes(packed_bytes(count, bits))
}

/// Rows of the packed layout; N is a multiple of it.
pub const ROWS: usize = 64;

/// Bytes that `count` values of `bits` bits take, for a multiple of 64 values.
#[must_use]
pub fn packed_bytes(count: usize, bits: u32) -> usize {
    count / ROWS * bits as usize * 8
}

/// Appends values of `bits` bits each (1 to 56). Value `r M + c`, for M = N/64 columns c, stands at bit `r
/// bits` of the column's string of 64 bits words, and word k of column c is the `k M + c`-th: a row is
/// unpacked with the same shift in every column, many columns at a time.
pub fn pack(values: &[u64], bits: u32, out: &mut Vec<u8>) {
    let columns = values.len() / ROWS;
    let mut words = Zeroizing::new(vec![0u64; columns * bits as usize]);
    for (row, values) in values.chunks_exact(columns.max(1)).enumerate() {
        let (at, shift) = place(row, bits);
        let (_, rest) = words.split_at_mut_checked(at * columns).unwrap_or_default();
        let (low, high) = rest.split_at_mut_checked(columns).unwrap_or_default();
        modular::pack_row(values, shift, low);
        if shift + bits > 64 {
            modular::pack_high(values, 64 - shift, high);
        }
    }
    words.iter_mut().for_each(|word| *word = word.to_le());
    out.extend_from_slice(pulp::bytemuck::cast_slice(&words));
}

/// Word and bit at which a row begins.
fn place(row: usize, bits: u32) -> (usize, u32) {
    let bit = row * bits as usize;
    (bit / 64, u32::try_from(bit % 64).unwrap_or(0))
}

/// Unpacks one row and returns its largest value.
fn unpack_row(words: &[[u8; 8]], row: usize, bits: u32, out: &mut [u64]) -> Result<u64, WireError> {
    let (at, shift) = place(row, bits);
    let line = |at: usize| {
        let start = at.checked_mul(out.len()).ok_or(WireError::Short)?;
        words.get(start..).and_then(|rest| rest.get(..out.len())).ok_or(WireError::Short)
    };
    let low = line(at)?;
    let mask = u64::MAX >> (64 - bits.clamp(1, 56));
    if shift + bits <= 64 {
        return Ok(modular::unpack_row(low, None, shift, mask, out));
    }
    let high = line(at + 1)?;
    Ok(modular::unpack_row(low, Some(high), shift, mask, out))
}

/// Unpacks residues of `bits` bits.
///
/// # Errors
/// A value is not below `q`, or there are too few bytes.
pub fn unpack(bytes: &[u8], bits: u32, q: Modulus, out: &mut [u64]) -> Result<(), WireError> {
    unpack_rows(bytes, bits, q, (out.len(), 0), out)
}

/// Unpacks the residues from `start` on of `count` packed ones: whole rows of `count / 64` values.
///
/// # Errors
/// A value is not below `q`, or there are too few bytes.
pub fn unpack_rows(
    bytes: &[u8],
    bits: u32,
    q: Modulus,
    (count, start): (usize, usize),
    out: &mut [u64],
) -> Result<(), WireError> {
    let words = bytes.as_chunks().0;
    let columns = (count / ROWS).max(1);
    let mut largest = 0;
    for (row, out) in (start / columns..).zip(out.chunks_exact_mut(columns)) {
        largest = unpack_row(words, row, bits, out)?.max(largest);
    }
    if largest < q.value() { Ok(()) } else { Err(WireError::Residue) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packing_round_trips_at_every_width() {
        for bits in 2..=50u32 {
            let q = Modulus::new((1 << bits) - 1);
            let values: Vec<u64> =
                (0..128u64).map(|i| i.wrapping_mul(0x9e37_79b9_7f4a_7c15) % q.value()).collect();
            let mut bytes = Vec::new();
            pack(&values, bits, &mut bytes);
            assert_eq!(bytes.len(), packed_bytes(128, bits));
            let mut back = vec![0; 128];
            assert_eq!(unpack(&bytes, bits, q, &mut back), Ok(()));
            assert_eq!(back, values);
            let mut rows = vec![0; 8];
            assert_eq!(unpack_rows(&bytes, bits, q, (128, 40), &mut rows), Ok(()));
            assert_eq!(rows, values.get(40..48).unwrap_or_default());
            assert_eq!(unpack_rows(&bytes, bits, q, (128, 128), &mut rows), Err(WireError::Short));
            bytes.fill(0xff);
            assert_eq!(unpack(&bytes, bits, q, &mut back), Err(WireError::Residue));
            assert_eq!(unpack(bytes.get(1..).unwrap_or_default(), bits, q, &mut back), Err(WireError::Short));
        }
    }
}
