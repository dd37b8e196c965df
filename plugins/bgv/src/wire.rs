//! Bytes from outside: bounded reading and bit-packed residues. Nothing in here panics on any input.
#![deny(clippy::indexing_slicing)]

use hq_plugin_sdk::frame::{self, Frame, Kind, KeyId};
use hq_plugin_sdk::parameters::RnsParameters;

use crate::error::WireError;
use crate::modular::Modulus;

/// Version of the layouts inside frames; the first byte of every payload.
pub const VERSION: u8 = 1;
/// Longest description of parameters that is read.
const MAX_PARAMETERS: usize = 1 << 14;

/// Reads a payload front to back.
#[derive(Debug)]
pub struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    /// Checks frame and layout version.
    ///
    /// # Errors
    /// What is wrong with either.
    pub fn open(bytes: &'a [u8], kind: Kind) -> Result<(KeyId, Self), WireError> {
        let Frame { key, payload, .. } = frame::open(bytes, kind)?;
        let mut reader = Self { rest: payload };
        match reader.u8()? {
            VERSION => Ok((key, reader)),
            other => Err(WireError::Version(other)),
        }
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

    /// The next `L` bytes as an array.
    ///
    /// # Errors
    /// There are fewer.
    pub fn array<const L: usize>(&mut self) -> Result<[u8; L], WireError> {
        self.bytes(L)?.try_into().map_err(|_| WireError::Short)
    }

    /// The next byte.
    ///
    /// # Errors
    /// There is none.
    pub fn u8(&mut self) -> Result<u8, WireError> {
        self.array::<1>().map(u8::from_le_bytes)
    }

    /// The next four bytes as a length.
    ///
    /// # Errors
    /// There are fewer.
    pub fn length(&mut self) -> Result<usize, WireError> {
        let value = u32::from_le_bytes(self.array()?);
        usize::try_from(value).map_err(|_| WireError::Short)
    }

    /// Parameters, still to be validated.
    ///
    /// # Errors
    /// They are too long, cut short or not parameters.
    pub fn parameters(&mut self) -> Result<RnsParameters, WireError> {
        let length = self.length()?;
        if length > MAX_PARAMETERS {
            return Err(WireError::Parameters);
        }
        serde_json::from_slice(self.bytes(length)?).map_err(|_| WireError::Parameters)
    }

    /// A packed limb of `count` residues of `bits` bits, not looked at yet.
    ///
    /// # Errors
    /// There are too few bytes.
    pub fn packed(&mut self, count: usize, bits: u32) -> Result<&'a [u8], WireError> {
        self.bytes(packed_bytes(count, bits))
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
pub fn put_parameters(out: &mut Vec<u8>, rns: &RnsParameters) {
    // Plain numbers and vectors of numbers always have a JSON form.
    let json = serde_json::to_vec(rns).unwrap_or_default();
    put_length(out, json.len());
    out.extend_from_slice(&json);
}

/// Appends a length.
pub fn put_length(out: &mut Vec<u8>, length: usize) {
    out.extend_from_slice(&u32::try_from(length).unwrap_or(u32::MAX).to_le_bytes());
}

/// Bytes that `count` values of `bits` bits take.
#[must_use]
pub fn packed_bytes(count: usize, bits: u32) -> usize {
    (count * bits as usize).div_ceil(8)
}

/// Appends values of `bits` bits each (at most 56), lowest bits first.
pub fn pack(values: &[u64], bits: u32, out: &mut Vec<u8>) {
    out.reserve(packed_bytes(values.len(), bits));
    let (mut buffer, mut held) = (0u64, 0u32);
    for &value in values {
        buffer |= value << held;
        held += bits;
        while held >= 8 {
            out.extend_from_slice(&buffer.to_le_bytes()[..1]);
            buffer >>= 8;
            held -= 8;
        }
    }
    if held > 0 {
        out.extend_from_slice(&buffer.to_le_bytes()[..1]);
    }
}

/// Calls `each` with every value of `bits` bits (1 to 56) of `bytes`, in groups of eight.
#[inline(always)]
fn unpack_groups(bytes: &[u8], bits: u32, mut each: impl FnMut([u64; 8])) {
    let width = (bits as usize).clamp(1, 56);
    let mask = (1u64 << width) - 1;
    let places: [(usize, usize); 8] = std::array::from_fn(|j| (j * width / 8, j * width % 8));
    let mut window = [0u8; 64];
    for group in bytes.chunks(width) {
        if let Some(head) = window.get_mut(..group.len()) {
            head.copy_from_slice(group);
        }
        each(places.map(|(at, shift)| {
            let word = window.get(at..at + 8).and_then(|bytes| bytes.try_into().ok()).unwrap_or([0; 8]);
            u64::from_le_bytes(word) >> shift & mask
        }));
    }
}

/// Unpacks residues of `bits` bits.
///
/// # Errors
/// A value is not below `q`, or there are too few bytes.
pub fn unpack(bytes: &[u8], bits: u32, q: Modulus, out: &mut [u64]) -> Result<(), WireError> {
    if bytes.len() < packed_bytes(out.len(), bits) {
        return Err(WireError::Short);
    }
    let mut groups = out.chunks_mut(8);
    let mut largest = 0;
    unpack_groups(bytes, bits, |values| {
        if let Some(group) = groups.next() {
            for (slot, value) in group.iter_mut().zip(values) {
                *slot = value;
                largest = largest.max(value);
            }
        }
    });
    if largest < q.value() { Ok(()) } else { Err(WireError::Residue) }
}

/// Checks packed residues without keeping them.
///
/// # Errors
/// A value is not below `q`.
pub fn check(bytes: &[u8], bits: u32, q: Modulus) -> Result<(), WireError> {
    let mut largest = [0u64; 8];
    unpack_groups(bytes, bits, |values| {
        for (largest, value) in largest.iter_mut().zip(values) {
            *largest = (*largest).max(value);
        }
    });
    if largest.iter().all(|&value| value < q.value()) { Ok(()) } else { Err(WireError::Residue) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packing_round_trips_at_every_width() {
        for bits in 2..=50u32 {
            let q = Modulus::new((1 << bits) - 1);
            let values: Vec<u64> = (0..64u64).map(|i| i.wrapping_mul(0x9e37_79b9_7f4a_7c15) % q.value()).collect();
            let mut bytes = Vec::new();
            pack(&values, bits, &mut bytes);
            assert_eq!(bytes.len(), packed_bytes(64, bits));
            let mut back = vec![0; 64];
            assert_eq!(unpack(&bytes, bits, q, &mut back), Ok(()));
            assert_eq!(back, values);
            assert_eq!(check(&bytes, bits, q), Ok(()));
            bytes.fill(0xff);
            assert_eq!(unpack(&bytes, bits, q, &mut back), Err(WireError::Residue));
            assert_eq!(check(&bytes, bits, q), Err(WireError::Residue));
            assert_eq!(unpack(&bytes[1..], bits, q, &mut back), Err(WireError::Short));
        }
    }
}
