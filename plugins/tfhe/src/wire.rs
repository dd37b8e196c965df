//! Bytes from outside: the layout of payloads. Every length follows from the parameters.

use hq_plugin_sdk::payload;
use hq_plugin_sdk::tfhe::TfheParameters;

pub(crate) use hq_plugin_sdk::payload::{put_length, put_parameters, put_wide_words, put_words};

/// Version of the layouts inside frames; the first byte of every payload.
pub(crate) const VERSION: u8 = 1;

/// How payloads of this backend are laid out.
#[derive(Debug)]
pub(crate) struct Layout;

impl payload::Layout for Layout {
    const VERSION: u8 = VERSION;
    const MAX_PARAMETERS: usize = 1 << 12;
    type Parameters = TfheParameters;
}

/// Reads a payload front to back.
pub(crate) type Reader<'a> = payload::Reader<'a, Layout>;
