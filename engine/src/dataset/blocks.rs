//! Reading the blocks of a dataset, in any order and from any thread. What frames hold is not looked at
//! here: whoever computes with one checks it first.

use std::fmt;
use std::fs::File;
use std::io;
use std::path::PathBuf;

use hq_plugin_sdk::frame::{self, CHECKSUM_BYTES, HEADER_BYTES, Kind};

use super::{PartDigest, wrong};
use crate::run::{BlockSource, SourceError};

/// Largest ciphertext frame that is read, in bytes.
const MAX_FRAME_BYTES: u64 = 256 << 20;

/// The bytes of one part, wherever they are kept. Several threads read at once.
pub trait PartBytes: fmt::Debug + Send + Sync {
    /// Length in bytes.
    ///
    /// # Errors
    /// Why it is not known.
    fn length(&self) -> io::Result<u64>;

    /// Fills `bytes` from a place on.
    ///
    /// # Errors
    /// Why they cannot be had; `UnexpectedEof` where there are fewer.
    fn read_exact_at(&self, bytes: &mut [u8], offset: u64) -> io::Result<()>;
}

/// The blocks of the parts that a plan reads.
#[derive(Debug)]
pub struct DatasetBlocks {
    parts: Vec<Part>,
    /// Blocks of each table.
    blocks: u64,
    /// The table that is read.
    table: u64,
}

/// The file of one part, and where its frames stand.
#[derive(Debug)]
pub(super) struct Part {
    path: PathBuf,
    file: Box<dyn PartBytes>,
    frames: Vec<Place>,
}

/// A frame in its file.
#[derive(Clone, Copy, Debug)]
struct Place {
    offset: u64,
    bytes: usize,
    /// What stands at its end, and in the digest of the part.
    checksum: [u8; CHECKSUM_BYTES],
}

impl DatasetBlocks {
    pub(super) fn new(parts: Vec<Part>, blocks: u64) -> Self {
        Self { parts, blocks, table: 0 }
    }

    /// From now on another table is read.
    pub fn turn_to(&mut self, table: u64) {
        self.table = table;
    }

    /// The frames of a block, counted over all tables. What `frames` held before is memory to be used again.
    ///
    /// # Errors
    /// A file that cannot be read, or was changed after it was opened.
    pub fn read(&self, index: u64, frames: &mut Vec<Vec<u8>>) -> Result<(), SourceError> {
        frames.resize_with(self.parts.len(), Vec::new);
        self.parts.iter().zip(frames).try_for_each(|(part, frame)| part.read(index, frame))
    }
}

impl BlockSource for DatasetBlocks {
    fn blocks(&self) -> u64 {
        self.blocks
    }

    fn block(&mut self, index: u64, frames: &mut Vec<Vec<u8>>) -> Result<(), SourceError> {
        self.read(self.table * self.blocks + index, frames)
    }

    fn blame(&self, index: u64, frames: &[Vec<u8>]) -> Option<SourceError> {
        let index = self.table * self.blocks + index;
        self.parts.iter().zip(frames).find_map(|(part, frame)| {
            frame::open(frame, Kind::Ciphertext).err().map(|error| part.wrong(index, error))
        })
    }
}

impl Part {
    /// Opens a part and finds its frames, by their ends alone.
    ///
    /// # Errors
    /// Frames that are not all there, or not those of the digest.
    pub(super) fn open(
        path: PathBuf,
        file: Box<dyn PartBytes>,
        digest: &str,
        blocks: u64,
    ) -> Result<Self, SourceError> {
        let mut part = Self { path, file, frames: Vec::new() };
        // Only what is wrong is worth a look at every byte.
        let found = part.find_frames(blocks).and_then(|of_frames| {
            let exchanged = "is not the file that the manifest names: its blocks were exchanged or altered";
            if of_frames == digest { Ok(()) } else { Err(wrong(&part.path, exchanged)) }
        });
        found.map_err(|error| part.damage(blocks).unwrap_or(error))?;
        Ok(part)
    }

    /// Finds the frames, and gives their digest.
    fn find_frames(&mut self, blocks: u64) -> Result<String, SourceError> {
        let length = self.file.length().map_err(|error| wrong(&self.path, error.to_string()))?;
        let mut digest = PartDigest::default();
        let mut offset = 0;
        let mut header = [0; HEADER_BYTES];
        self.read_at(offset, &mut header, 0)?;
        for block in 0..blocks {
            let bytes = self.frame_bytes(&header, block)?;
            let end = offset + bytes as u64;
            // The checksum of this frame and the header of the next stand side by side.
            let mut ends = [0; CHECKSUM_BYTES + HEADER_BYTES];
            let last = block + 1 == blocks;
            let wanted = if last { &mut ends[..CHECKSUM_BYTES] } else { &mut ends[..] };
            if end > length {
                return Err(self.wrong(block, "it is cut short"));
            }
            self.read_at(end - CHECKSUM_BYTES as u64, wanted, block + u64::from(!last))?;
            let (checksum, next) = ends.split_at(CHECKSUM_BYTES);
            digest.add(checksum);
            let checksum = checksum.try_into().unwrap_or_default();
            self.frames.push(Place { offset, bytes, checksum });
            header.copy_from_slice(next);
            offset = end;
        }
        if offset == length {
            Ok(digest.finish())
        } else {
            Err(wrong(&self.path, "goes on after its last block: it was altered"))
        }
    }

    fn frame_bytes(&self, header: &[u8], block: u64) -> Result<usize, SourceError> {
        let bytes = frame::frame_bytes(header).map_err(|error| self.wrong(block, error))?;
        let plausible = usize::try_from(bytes).ok().filter(|_| bytes <= MAX_FRAME_BYTES);
        plausible.ok_or_else(|| self.wrong(block, format!("it claims {bytes} bytes: it was altered")))
    }

    /// The first frame that is not intact, where the frames are not those of the manifest.
    fn damage(&self, blocks: u64) -> Option<SourceError> {
        let mut offset = 0;
        let mut bytes = Vec::new();
        for block in 0..blocks {
            bytes.resize(HEADER_BYTES, 0);
            let intact = self.read_at(offset, &mut bytes, block).and_then(|()| {
                bytes.resize(self.frame_bytes(&bytes, block)?, 0);
                self.read_at(offset, &mut bytes, block)?;
                frame::open(&bytes, Kind::Ciphertext).map_err(|error| self.wrong(block, error)).map(drop)
            });
            if let Err(error) = intact {
                return Some(error);
            }
            offset += bytes.len() as u64;
        }
        None
    }

    /// The frame of a block.
    fn read(&self, block: u64, frame: &mut Vec<u8>) -> Result<(), SourceError> {
        let place = usize::try_from(block).ok().and_then(|index| self.frames.get(index));
        let place = place.ok_or_else(|| self.wrong(block, "there is no such block"))?;
        frame.resize(place.bytes, 0);
        self.read_at(place.offset, frame, block)?;
        if frame::checksum(frame) == Some(&place.checksum) {
            Ok(())
        } else {
            Err(self.wrong(block, "it was altered after the dataset was opened"))
        }
    }

    fn read_at(&self, offset: u64, bytes: &mut [u8], block: u64) -> Result<(), SourceError> {
        self.file.read_exact_at(bytes, offset).map_err(|error| {
            let short = error.kind() == io::ErrorKind::UnexpectedEof;
            if short { self.wrong(block, "it is cut short") } else { self.wrong(block, error) }
        })
    }

    fn wrong(&self, block: u64, reason: impl fmt::Display) -> SourceError {
        wrong(&self.path, format!("block {block}: {reason}"))
    }
}

impl PartBytes for File {
    fn length(&self) -> io::Result<u64> {
        Ok(self.metadata()?.len())
    }

    #[cfg(unix)]
    fn read_exact_at(&self, bytes: &mut [u8], offset: u64) -> io::Result<()> {
        std::os::unix::fs::FileExt::read_exact_at(self, bytes, offset)
    }

    #[cfg(windows)]
    fn read_exact_at(&self, mut bytes: &mut [u8], mut offset: u64) -> io::Result<()> {
        while !bytes.is_empty() {
            let read = std::os::windows::fs::FileExt::seek_read(self, bytes, offset)?;
            if read == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            bytes = &mut bytes[read..];
            offset += read as u64;
        }
        Ok(())
    }
}
