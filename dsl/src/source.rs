//! Source files and places in them.

use std::sync::Arc;

use crate::function::{ExternFunction, FunctionFault};

/// Index of a file in [`Sources`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub struct FileId(pub u32);

/// Half-open range of bytes in one source file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub struct Span {
    /// The file.
    pub file: FileId,
    /// First byte.
    pub start: u32,
    /// One past the last byte.
    pub end: u32,
}

impl Span {
    /// Bytes `start..end` of `file`; offsets past 4 GiB are cut there.
    #[must_use]
    pub fn new(file: FileId, start: usize, end: usize) -> Self {
        let cut = |offset| u32::try_from(offset).unwrap_or(u32::MAX);
        Self { file, start: cut(start), end: cut(end) }
    }

    /// From the start of `self` to the end of `other`, in the file of `self`.
    #[must_use]
    pub fn to(self, other: Self) -> Self {
        if self.file == other.file {
            Self { file: self.file, start: self.start.min(other.start), end: self.end.max(other.end) }
        } else {
            self
        }
    }

    /// First byte, as an index.
    #[must_use]
    pub fn start_index(self) -> usize {
        self.start as usize
    }

    /// One past the last byte, as an index.
    #[must_use]
    pub fn end_index(self) -> usize {
        self.end as usize
    }
}

/// The files of one compilation: display names and texts, used for drawing diagnostics.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Sources {
    files: Vec<(String, String)>,
}

impl Sources {
    /// Adds a file.
    pub fn add(&mut self, name: impl Into<String>, text: impl Into<String>) -> FileId {
        let id = FileId(u32::try_from(self.files.len()).unwrap_or(u32::MAX));
        self.files.push((name.into(), text.into()));
        id
    }

    /// Display name of a file; empty for an unknown id.
    #[must_use]
    pub fn name(&self, file: FileId) -> &str {
        self.files.get(file.0 as usize).map_or("", |(name, _)| name)
    }

    /// Text of a file; empty for an unknown id.
    #[must_use]
    pub fn text(&self, file: FileId) -> &str {
        self.files.get(file.0 as usize).map_or("", |(_, text)| text)
    }

    /// The text under a span; empty where the span does not fit.
    #[must_use]
    pub fn slice(&self, span: Span) -> &str {
        self.text(span.file).get(span.start_index()..span.end_index()).unwrap_or("")
    }

    /// Line number of a span's start, from 1.
    #[must_use]
    pub fn line(&self, span: Span) -> usize {
        let text = self.text(span.file).as_bytes();
        let before = text.get(..span.start_index().min(text.len())).unwrap_or(text);
        1 + before.iter().filter(|&&byte| byte == b'\n').count()
    }

    /// All files: id, name, text.
    pub fn iter(&self) -> impl Iterator<Item = (FileId, &str, &str)> {
        (0_u32..).zip(&self.files).map(|(id, (name, text))| (FileId(id), name.as_str(), text.as_str()))
    }
}

/// Where `use NAME` finds its text; the compiler itself reads no files.
pub trait Loader {
    /// Display name and text of a module or schema; `None` if there is none of that name.
    fn load(&self, module: &str) -> Option<(String, String)>;

    /// The values of a plugin's function, as [`FunctionTable`](crate::FunctionTable) holds them. Asked for at each
    /// call in a program, so that whoever answers keeps what was computed.
    ///
    /// # Errors
    /// See [`FunctionFault`].
    fn tabulate(&self, _function: &ExternFunction) -> Result<Arc<[i64]>, FunctionFault> {
        Err(FunctionFault::NoPlugin { installed: Vec::new(), searched: Vec::new() })
    }
}

/// Knows no modules but the built-in standard library, which is looked up first in any case.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoModules;

impl Loader for NoModules {
    fn load(&self, _module: &str) -> Option<(String, String)> {
        None
    }
}
