//! The host's side of a library of functions: its table as safe methods.
#![expect(unsafe_code, reason = "pointers cross the C ABI here; see the head of `host`")]

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;

use super::{Image, LoadError, call, file_stem, ill_behaved, load_table, load_table_at, structure, take};
use crate::abi::{FunctionTable, Scalar, View};
use crate::backend::BackendError;
use crate::export::function_table;
use crate::function::{Domain, Library, MAX_DECIMALS, Signature};

/// Longest description, in bytes.
const MAX_DESCRIPTION_BYTES: usize = 4 << 20;

/// Most functions of a library.
const MAX_FUNCTIONS: usize = 4096;

/// Most arguments of a function.
const MAX_PARAMETERS: usize = 16;

/// Functions out of a plugin.
#[derive(Clone, Debug)]
pub struct FunctionPlugin {
    table: FunctionTable,
    name: Arc<str>,
    digest: Arc<str>,
    functions: Arc<[Signature]>,
}

impl FunctionPlugin {
    /// Loads a library of functions. See the module for what to check before.
    ///
    /// # Errors
    /// See [`LoadError`].
    pub fn load(path: &Path) -> Result<Self, LoadError> {
        let digest = Image::read(path)?.digest().to_owned();
        Self::of(load_table(path)?, path, &digest)
    }

    /// As [`Self::load`], of a file that was read already.
    ///
    /// # Errors
    /// See [`LoadError`].
    pub fn load_image(image: &Image) -> Result<Self, LoadError> {
        Self::of(load_table_at(&image.place()?, image.path())?, image.path(), image.digest())
    }

    fn of(table: FunctionTable, path: &Path, digest: &str) -> Result<Self, LoadError> {
        Self::describe(table, &file_stem(path), digest)
            .map_err(|source| LoadError::Capabilities { path: path.to_owned(), source })
    }

    /// A library of this very program, called as a plugin is.
    ///
    /// # Errors
    /// `Fault::Internal` where it does not describe itself.
    pub fn linked<L: Library>(name: &str) -> Result<Self, BackendError> {
        Self::describe(function_table::<L>(), name, "linked")
    }

    fn describe(table: FunctionTable, name: &str, digest: &str) -> Result<Self, BackendError> {
        // SAFETY: the table's own functions on buffers of this frame, as `abi` asks.
        let bytes = unsafe { take(name, table.free_buffer, |out, error| (table.describe)(out, error)) }?;
        let functions = signatures(name, &bytes)?.into();
        Ok(Self { table, name: name.into(), digest: digest.into(), functions })
    }

    /// The plugin's name, by its file.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// BLAKE3 digest of the plugin's file, in hexadecimal.
    #[must_use]
    pub fn digest(&self) -> &str {
        &self.digest
    }

    /// Its functions.
    #[must_use]
    pub fn functions(&self) -> &[Signature] {
        &self.functions
    }

    /// The value of the function at a place of [`Self::functions`], in the range that this declares.
    ///
    /// # Errors
    /// `Fault::Input` where the function has no value there, `Fault::Internal` where it fails.
    pub fn call(&self, function: usize, arguments: &[Scalar]) -> Result<Scalar, BackendError> {
        let name = &*self.name;
        let signature = self.functions.get(function);
        let (Some(signature), Ok(function)) = (signature, u32::try_from(function)) else {
            return Err(ill_behaved(name, "it has no such function"));
        };
        let mut value = Scalar { value: 0, decimals: u32::MAX, kind: u32::MAX };
        // SAFETY: the view, the value and the buffer live through the call, as `abi` asks.
        unsafe {
            call(name, self.table.free_buffer, |error| {
                (self.table.call)(function, View::of(arguments), &raw mut value, error)
            })
        }?;
        checked(name, signature, value)
    }
}

/// The functions that a description names, as every kind of plugin gives it.
///
/// # Errors
/// `Fault::Internal`: too long, of another form, or unsound.
pub fn signatures(name: &str, description: &[u8]) -> Result<Vec<Signature>, BackendError> {
    if description.len() > MAX_DESCRIPTION_BYTES {
        return Err(ill_behaved(name, &format!("its description has {} bytes", description.len())));
    }
    let functions: Vec<Signature> = structure(name, description)?;
    fault(&functions).map_or(Ok(functions), |reason| Err(ill_behaved(name, &reason)))
}

/// A value that a plugin gives, if it is one of what the function declares.
///
/// # Errors
/// `Fault::Internal`: it is none.
pub fn checked(name: &str, signature: &Signature, value: Scalar) -> Result<Scalar, BackendError> {
    if gives(&signature.gives, value) {
        return Ok(value);
    }
    Err(ill_behaved(name, &format!("it gives {value:?}, which is not of {}", signature.gives)))
}

/// Whether a value is of the kind declared: a number of any size, a level that exists.
fn gives(domain: &Domain, scalar: Scalar) -> bool {
    match domain {
        Domain::Flag => scalar.kind == Scalar::FLAG && matches!(scalar.value, 0 | 1) && scalar.decimals == 0,
        Domain::Number { .. } => scalar.kind == Scalar::NUMBER && scalar.decimals <= MAX_DECIMALS,
        Domain::Levels(levels) => {
            scalar.kind == Scalar::LEVEL
                && scalar.decimals == 0
                && usize::try_from(scalar.value).is_ok_and(|at| at < levels.len())
        }
    }
}

/// What is wrong with a description.
fn fault(functions: &[Signature]) -> Option<String> {
    if functions.is_empty() || functions.len() > MAX_FUNCTIONS {
        return Some(format!("it has {} functions", functions.len()));
    }
    let mut names = BTreeSet::new();
    for function in functions {
        let name = &function.name;
        let mut parameters = BTreeSet::new();
        let domains = function.parameters.iter().map(|(_, domain)| domain).chain([&function.gives]);
        if !is_plain(name) || !names.insert(name) {
            return Some(format!("{name:?} is no name, or the name of two functions"));
        }
        if function.parameters.is_empty()
            || function.parameters.len() > MAX_PARAMETERS
            || !function.parameters.iter().all(|(name, _)| is_plain(name) && parameters.insert(name))
        {
            return Some(format!("the arguments of `{name}` are none, too many, or not named apart"));
        }
        if let Some(domain) = domains.into_iter().find(|domain| !is_sound(domain)) {
            return Some(format!("`{name}` has a domain without values, or with one twice: {domain}"));
        }
    }
    None
}

fn is_plain(name: &str) -> bool {
    name.len() <= 64
        && name.starts_with(|c: char| c.is_ascii_alphabetic())
        && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
}

fn is_sound(domain: &Domain) -> bool {
    match domain {
        Domain::Flag => true,
        Domain::Number { lo, hi } => lo <= hi,
        Domain::Levels(levels) => {
            !levels.is_empty() && levels.iter().collect::<BTreeSet<_>>().len() == levels.len()
        }
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failing test may panic")]
    use super::*;
    use crate::abi::{ABI_VERSION, Buffer};

    const JSON: &str =
        r#"[{"name":"f","about":"","parameters":[["x","flag"]],"gives":{"levels":["a","b"]}}]"#;

    unsafe extern "C" fn keep(_: Buffer) {}

    unsafe extern "C" fn describe(out: *mut Buffer, _: *mut Buffer) -> i32 {
        // SAFETY: the host passes a writable buffer; the text is static, and `keep` frees nothing.
        unsafe { out.write(Buffer { ptr: JSON.as_ptr().cast_mut(), len: JSON.len(), capacity: 0 }) };
        0
    }

    /// Answers with whatever the argument says, as C would.
    unsafe extern "C" fn call(_: u32, arguments: View<Scalar>, out: *mut Scalar, _: *mut Buffer) -> i32 {
        // SAFETY: the test passes one argument and the host a writable value.
        let said = unsafe { arguments.ptr.read() };
        if said.value == 99 {
            return 77;
        }
        if said.value != 98 {
            // SAFETY: as above.
            unsafe { out.write(said) };
        }
        0
    }

    #[test]
    fn a_table_that_answers_wrongly_is_to_blame() {
        let table_bytes = u32::try_from(size_of::<FunctionTable>()).unwrap();
        let table =
            FunctionTable { abi_version: ABI_VERSION, table_bytes, free_buffer: keep, describe, call };
        let plugin = FunctionPlugin::describe(table, "c", "none").unwrap();
        let say = |value, decimals, kind| plugin.call(0, &[Scalar { value, decimals, kind }]);
        assert_eq!(say(1, 0, Scalar::LEVEL).unwrap().value, 1);
        for (value, decimals, kind) in [
            (2, 0, Scalar::LEVEL),
            (-1, 0, Scalar::LEVEL),
            (1, 1, Scalar::LEVEL),
            (1, 0, 7),
            (98, 0, Scalar::LEVEL),
        ] {
            let found = say(value, decimals, kind).unwrap_err();
            assert!(found.message.starts_with("plugin `c`: it gives"), "{found}");
        }
        let unknown = say(99, 0, Scalar::LEVEL).unwrap_err();
        assert_eq!(unknown.message, "plugin `c`: unknown status 77: it gives no reason");
    }
}
