//! The frame around every file and blob: what it is, for which key, how long, and a checksum. Bytes from
//! outside pass through here first; nothing in here panics on any input.
//!
//! Layout, little-endian: magic `HQF1`, kind (1 byte), reserved zero (3), key id (16), payload length (8),
//! payload, BLAKE3 of all before it (32).

use std::fmt;

/// First bytes of a frame; the digit is the format's version.
pub const MAGIC: [u8; 4] = *b"HQF1";
/// Bytes before the payload; they tell its length.
pub const HEADER_BYTES: usize = 32;
/// Bytes of the payload's length, at the end of the header.
const LENGTH_BYTES: usize = 8;
/// Bytes behind the payload.
pub const CHECKSUM_BYTES: usize = 32;

/// What a frame holds. A secret key can never be taken for anything else.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Kind {
    /// Keys that the service computes with.
    EvaluationKey = 1,
    /// One block of one encrypted input.
    Ciphertext = 2,
    /// Encrypted sums, ready to be opened.
    Sums = 3,
    /// A result file: program, plan and encrypted sums.
    Result = 4,
    /// A placed plan.
    Plan = 5,
    /// A secret parameter: one value for all rows, encrypted under the public key.
    Parameter = 6,
    /// A file of secret parameters.
    Parameters = 7,
    /// Encrypted sums of a session that is not done.
    State = 8,
    /// A checkpoint: whose state it is, and the state.
    Checkpoint = 9,
    /// Encrypted sums on the torus, for another scheme.
    Samples = 10,
    /// The key that leads from one scheme to another.
    BridgeKey = 11,
    /// What gates let out, encrypted.
    Passed = 12,
    /// The custodian's secret key.
    SecretKey = 0xE5,
}

impl Kind {
    fn from_byte(byte: u8) -> Option<Self> {
        [
            Self::EvaluationKey,
            Self::Ciphertext,
            Self::Sums,
            Self::Result,
            Self::Plan,
            Self::Parameter,
            Self::Parameters,
            Self::State,
            Self::Checkpoint,
            Self::Samples,
            Self::BridgeKey,
            Self::Passed,
            Self::SecretKey,
        ]
        .into_iter()
        .find(|&kind| kind as u8 == byte)
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::EvaluationKey => "evaluation keys",
            Self::Ciphertext => "a ciphertext",
            Self::Sums => "encrypted sums",
            Self::Result => "a result",
            Self::Plan => "a plan",
            Self::Parameter => "a secret parameter",
            Self::Parameters => "secret parameters",
            Self::State => "the state of a session",
            Self::Checkpoint => "a checkpoint",
            Self::Samples => "sums on the torus",
            Self::BridgeKey => "a key from one scheme to another",
            Self::Passed => "what gates let out",
            Self::SecretKey => "a SECRET KEY",
        })
    }
}

/// Names a key pair: the first 16 bytes of a digest of its public part.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
pub struct KeyId(pub [u8; 16]);

impl fmt::Display for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

/// Why bytes are not the frame that was wanted.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FrameError {
    /// Too few bytes.
    #[error("it is cut short: {found} bytes where {wanted} are needed")]
    Short {
        /// Bytes there.
        found: usize,
        /// Bytes needed.
        wanted: u64,
    },
    /// Not of this format or version.
    #[error("it does not begin with HQF1: not a file of hq, or of another version")]
    Magic,
    /// Reserved bytes are set, or bytes follow the frame.
    #[error("it has {0}")]
    Malformed(&'static str),
    /// The checksum is not that of the content.
    #[error("its checksum does not match: the content was altered or damaged")]
    Checksum,
    /// A frame, but of another kind.
    #[error("it holds {found}, not {wanted}")]
    Kind {
        /// What it holds.
        found: Kind,
        /// What was wanted.
        wanted: Kind,
    },
}

/// A checked frame, borrowing its payload.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Frame<'a> {
    /// What it holds.
    pub kind: Kind,
    /// The key it belongs to; zero where none does.
    pub key: KeyId,
    /// The content.
    pub payload: &'a [u8],
}

/// The bytes of a frame.
#[must_use]
pub fn seal(kind: Kind, key: KeyId, payload: &[u8]) -> Vec<u8> {
    let mut sealing = Sealing::new(kind, key, payload.len());
    sealing.payload().extend_from_slice(payload);
    sealing.seal()
}

/// A frame whose payload is written where it stays.
#[derive(Debug)]
pub struct Sealing(Vec<u8>);

impl Sealing {
    /// Begins a frame, with room for a payload of so many bytes.
    #[must_use]
    pub fn new(kind: Kind, key: KeyId, capacity: usize) -> Self {
        let mut bytes = Vec::with_capacity(HEADER_BYTES + capacity + CHECKSUM_BYTES);
        bytes.extend_from_slice(&MAGIC);
        bytes.extend_from_slice(&[kind as u8, 0, 0, 0]);
        bytes.extend_from_slice(&key.0);
        bytes.extend_from_slice(&[0; LENGTH_BYTES]);
        Self(bytes)
    }

    /// Where the payload is to be appended.
    pub fn payload(&mut self) -> &mut Vec<u8> {
        &mut self.0
    }

    /// The whole frame.
    #[must_use]
    pub fn seal(self) -> Vec<u8> {
        let Self(mut bytes) = self;
        let length = bytes.len().saturating_sub(HEADER_BYTES) as u64;
        if let Some(place) = bytes.get_mut(HEADER_BYTES - LENGTH_BYTES..HEADER_BYTES) {
            place.copy_from_slice(&length.to_le_bytes());
        }
        let checksum = blake3::hash(&bytes);
        bytes.extend_from_slice(checksum.as_bytes());
        bytes
    }
}

/// Reads one frame of the wanted kind that fills `bytes`.
///
/// # Errors
/// Whatever is wrong with it; see [`FrameError`].
pub fn open(bytes: &[u8], wanted: Kind) -> Result<Frame<'_>, FrameError> {
    let (frame, _, rest) = split_off(bytes, wanted)?;
    if rest.is_empty() { Ok(frame) } else { Err(FrameError::Malformed("bytes after its end")) }
}

/// Reads the frame at the head of `bytes`, of any kind, and returns what follows it.
///
/// # Errors
/// Whatever is wrong with it; see [`FrameError`].
pub fn split(bytes: &[u8]) -> Result<(Frame<'_>, &[u8]), FrameError> {
    let total = frame_bytes(bytes)?;
    let length = usize::try_from(total).unwrap_or(usize::MAX);
    let short = FrameError::Short { found: bytes.len(), wanted: total };
    let (frame, rest) = bytes.split_at_checked(length).ok_or_else(|| short.clone())?;
    let (content, checksum) = frame.split_at_checked(length - CHECKSUM_BYTES).ok_or_else(|| short.clone())?;
    let (header, payload) = content.split_at_checked(HEADER_BYTES).ok_or(short)?;
    // blake3's Hash compares in constant time.
    let given: [u8; CHECKSUM_BYTES] = checksum.try_into().map_err(|_| FrameError::Checksum)?;
    if blake3::hash(content) != given {
        return Err(FrameError::Checksum);
    }
    let [_, _, _, _, kind, zeros @ .., _, _, _, _, _, _, _, _] = header else {
        return Err(FrameError::Malformed("no header"));
    };
    let (reserved, key) = zeros.split_at_checked(3).ok_or(FrameError::Malformed("no header"))?;
    if reserved != [0, 0, 0] {
        return Err(FrameError::Malformed("reserved bytes set"));
    }
    let kind = Kind::from_byte(*kind).ok_or(FrameError::Malformed("an unknown kind"))?;
    let key = KeyId(key.try_into().map_err(|_| FrameError::Malformed("no key id"))?);
    Ok((Frame { kind, key, payload }, rest))
}

/// Length in bytes of the frame whose header stands at the head of `bytes` (32 bytes suffice), so that a
/// reader of a stream knows how much to read. The caller bounds it.
///
/// # Errors
/// Too short for a header, or not a frame.
pub fn frame_bytes(bytes: &[u8]) -> Result<u64, FrameError> {
    let header = bytes
        .first_chunk::<HEADER_BYTES>()
        .ok_or(FrameError::Short { found: bytes.len(), wanted: HEADER_BYTES as u64 })?;
    if !header.starts_with(&MAGIC) {
        return Err(FrameError::Magic);
    }
    let length = header.last_chunk::<8>().map_or(0, |bytes| u64::from_le_bytes(*bytes));
    length
        .checked_add((HEADER_BYTES + CHECKSUM_BYTES) as u64)
        .ok_or(FrameError::Malformed("an impossible length"))
}

/// The checksum at the end of a frame's bytes, as it stands there; `None` where they are too few. It says
/// which content is meant, and whoever opens the frame finds out whether it is there.
#[must_use]
pub fn checksum(frame: &[u8]) -> Option<&[u8; CHECKSUM_BYTES]> {
    frame.last_chunk()
}

/// The first frame, of a kind, its bytes as they stand there, and what follows it.
///
/// # Errors
/// It does not conform, or is of another kind.
pub fn split_off(bytes: &[u8], wanted: Kind) -> Result<(Frame<'_>, &[u8], &[u8]), FrameError> {
    let (frame, rest) = split(bytes)?;
    if frame.kind != wanted {
        return Err(FrameError::Kind { found: frame.kind, wanted });
    }
    let (first, rest) = bytes.split_at(bytes.len().saturating_sub(rest.len()));
    Ok((frame, first, rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_flipped_bit_and_any_cut_is_noticed() {
        let bytes = seal(Kind::Sums, KeyId([7; 16]), b"payload");
        assert_eq!(open(&bytes, Kind::Sums).map(|frame| frame.payload), Ok(&b"payload"[..]));
        assert!(matches!(open(&bytes, Kind::SecretKey), Err(FrameError::Kind { .. })));
        for bit in 0..bytes.len() * 8 {
            let mut damaged = bytes.clone();
            damaged[bit / 8] ^= 1 << (bit % 8);
            assert!(open(&damaged, Kind::Sums).is_err(), "bit {bit}");
        }
        for length in 0..bytes.len() {
            assert!(open(&bytes[..length], Kind::Sums).is_err(), "cut at {length}");
        }
        assert!(open(&[bytes.as_slice(), &[0]].concat(), Kind::Sums).is_err());
    }
}
