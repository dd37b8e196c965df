//! A module with functions, in the interpreter. Nothing of what it says is believed: places in its memory are looked up there,
//! texts are bounded, and values are held against what it declares.

use std::path::{Path, PathBuf};

use hq_plugin_sdk::abi::{OK, Scalar};
use hq_plugin_sdk::backend::{BackendError, Fault};
use hq_plugin_sdk::function::Signature;
use hq_plugin_sdk::host::{Callable, Image, LoadError, checked, name_of, signatures};
use wasmi::{
    Config, EnforcedLimits, Engine, Error, Instance, Linker, Memory, Store, StoreLimits, StoreLimitsBuilder,
    TypedFunc, WasmParams, WasmResults,
};

/// Largest module, in bytes.
const MAX_MODULE_BYTES: usize = 16 << 20;

/// Memory of a module, in bytes.
const MEMORY_BYTES: usize = 64 << 20;

/// Entries of its tables of functions.
const TABLE_ENTRIES: usize = 1 << 16;

/// Steps until it is ready and has described itself.
const STEPS_TO_BEGIN: u64 = 1 << 28;

/// Steps of a call. They are counted alike on every machine, so that a table is there for all or for none.
const STEPS_OF_CALL: u64 = 1 << 24;

/// Longest text that is taken, in bytes.
const MAX_TEXT_BYTES: usize = 4 << 20;

/// Longest reason that is passed on, in bytes.
const MAX_REASON_BYTES: usize = 64 << 10;

/// Bytes of a scalar in the memory.
const SCALAR_BYTES: usize = 16;

/// A module that is ready to be called.
#[derive(Debug)]
pub struct Module {
    name: String,
    functions: Vec<Signature>,
    store: Store<StoreLimits>,
    memory: Memory,
    room: TypedFunc<u32, u32>,
    call: TypedFunc<(u32, u32), i32>,
    reason: TypedFunc<(), u64>,
}

impl Module {
    /// Reads a module and has it describe itself.
    ///
    /// # Errors
    /// What is no module, asks for something, does not end, or does not describe itself.
    pub fn load(image: &Image) -> Result<Self, LoadError> {
        let wrong = |reason: String| LoadError::Module { path: image.path().to_owned(), reason };
        let (mut store, instance) = ready(image.bytes()).map_err(wrong)?;
        let export = |what: &str| wrong(format!("it exports no {what} of the right form"));
        let memory = instance.get_memory(&store, "memory").ok_or_else(|| export("`memory`"))?;
        let room = exported(&store, &instance, "hq_room_v2").ok_or_else(|| export("`hq_room_v2`"))?;
        let call = exported(&store, &instance, "hq_call_v2").ok_or_else(|| export("`hq_call_v2`"))?;
        let reason = exported(&store, &instance, "hq_reason_v2").ok_or_else(|| export("`hq_reason_v2`"))?;
        let describe: TypedFunc<(), u64> =
            exported(&store, &instance, "hq_describe_v2").ok_or_else(|| export("`hq_describe_v2`"))?;
        let place = describe.call(&mut store, ()).map_err(|error| wrong(stopped(&error, STEPS_TO_BEGIN)))?;
        let name = name_of(image.path()).map_or_else(|| shown(image.path()), str::to_owned);
        let described = text(&memory, &store, place, MAX_TEXT_BYTES).map_err(wrong)?;
        let functions = signatures(&name, &described)
            .map_err(|source| LoadError::Capabilities { path: PathBuf::from(image.path()), source })?;
        Ok(Self { name, functions, store, memory, room, call, reason })
    }

    fn ill_behaved(&self, reason: &str) -> BackendError {
        BackendError::new(Fault::Internal, format!("plugin `{}`: {reason}", self.name))
    }

    /// Calls something of the module with new steps.
    fn run<P: WasmParams, R: WasmResults>(
        &mut self,
        function: TypedFunc<P, R>,
        with: P,
    ) -> Result<R, BackendError> {
        self.store.set_fuel(STEPS_OF_CALL).map_err(|error| self.ill_behaved(&error.to_string()))?;
        function
            .call(&mut self.store, with)
            .map_err(|error| self.ill_behaved(&stopped(&error, STEPS_OF_CALL)))
    }

    /// What the module says of a call that failed.
    fn failure(&mut self, status: i32) -> BackendError {
        let place = match self.run(self.reason, ()) {
            Ok(place) => place,
            Err(error) => return error,
        };
        let reason = match text(&self.memory, &self.store, place, MAX_REASON_BYTES) {
            Ok(bytes) if bytes.is_empty() => "it gives no reason".to_owned(),
            Ok(bytes) => String::from_utf8_lossy(&bytes).into_owned(),
            Err(reason) => return self.ill_behaved(&reason),
        };
        match Fault::from_status(status) {
            Some(fault) => BackendError::new(fault, format!("plugin `{}`: {reason}", self.name)),
            None => self.ill_behaved(&format!("unknown status {status}: {reason}")),
        }
    }
}

impl Callable for Module {
    fn functions(&self) -> &[Signature] {
        &self.functions
    }

    fn call(&mut self, function: usize, arguments: &[Scalar]) -> Result<Scalar, BackendError> {
        let signature = self.functions.get(function).cloned();
        let (Some(signature), Ok(at), Ok(count)) =
            (signature, u32::try_from(function), u32::try_from(arguments.len()))
        else {
            return Err(self.ill_behaved("it has no such function"));
        };
        let room = self.run(self.room, count)?;
        let outside = |module: &Self| module.ill_behaved("its room for arguments is not in its memory");
        let place = usize::try_from(room).map_err(|_| outside(self))?;
        let mut bytes: Vec<u8> = arguments.iter().flat_map(bytes_of).collect();
        let answer_at = place.checked_add(bytes.len()).ok_or_else(|| outside(self))?;
        // An answer that is not written is none.
        bytes.extend([0xff; SCALAR_BYTES]);
        self.memory.write(&mut self.store, place, &bytes).map_err(|_| outside(self))?;
        let status = self.run(self.call, (at, count))?;
        if status != OK {
            return Err(self.failure(status));
        }
        let mut answer = [0; SCALAR_BYTES];
        self.memory.read(&self.store, answer_at, &mut answer).map_err(|_| outside(self))?;
        checked(&self.name, &signature, scalar_of(&answer))
    }
}

/// An instance of a module without imports.
fn ready(bytes: &[u8]) -> Result<(Store<StoreLimits>, Instance), String> {
    if bytes.len() > MAX_MODULE_BYTES {
        return Err(format!("it has more than {MAX_MODULE_BYTES} bytes"));
    }
    let mut config = Config::default();
    config
        .consume_fuel(true)
        .enforced_limits(EnforcedLimits::strict())
        .wasm_multi_memory(false)
        .wasm_memory64(false)
        .wasm_custom_page_sizes(false);
    let engine = Engine::new(&config);
    let module = wasmi::Module::new(&engine, bytes).map_err(|error| error.to_string())?;
    if let Some(import) = module.imports().next() {
        let (from, what) = (import.module(), import.name());
        return Err(format!("it imports `{what}` of `{from}`, and a module is given nothing"));
    }
    let limits = StoreLimitsBuilder::new()
        .memory_size(MEMORY_BYTES)
        .table_elements(TABLE_ENTRIES)
        .instances(1)
        .memories(1)
        .tables(4)
        .build();
    let mut store = Store::new(&engine, limits);
    store.limiter(|limits| limits);
    store.set_fuel(STEPS_TO_BEGIN).map_err(|error| error.to_string())?;
    let instance = Linker::new(&engine)
        .instantiate_and_start(&mut store, &module)
        .map_err(|error| stopped(&error, STEPS_TO_BEGIN))?;
    Ok((store, instance))
}

fn exported<P: WasmParams, R: WasmResults>(
    store: &Store<StoreLimits>,
    instance: &Instance,
    name: &str,
) -> Option<TypedFunc<P, R>> {
    instance.get_typed_func(store, name).ok()
}

/// Bytes of the memory at `place << 32 | length`.
fn text(memory: &Memory, store: &Store<StoreLimits>, place: u64, most: usize) -> Result<Vec<u8>, String> {
    let (at, length) = (usize::try_from(place >> 32), usize::try_from(place & u64::from(u32::MAX)));
    let (Ok(at), Ok(length)) = (at, length) else { return Err("it gives a text that is nowhere".to_owned()) };
    if length > most {
        return Err(format!("it gives a text of {length} bytes, more than {most}"));
    }
    let mut bytes = vec![0; length];
    memory.read(store, at, &mut bytes).map_err(|_| "it gives a text that is not in its memory".to_owned())?;
    Ok(bytes)
}

/// Why a module was stopped.
fn stopped(error: &Error, steps: u64) -> String {
    match error.as_trap_code() {
        Some(wasmi::TrapCode::OutOfFuel) => format!("it was not done after {steps} steps"),
        Some(code) => format!("it stopped: {code}"),
        None => error.to_string(),
    }
}

/// A scalar as it stands in memory: value, decimals, kind, little-endian.
fn bytes_of(scalar: &Scalar) -> [u8; SCALAR_BYTES] {
    let whole = u128::from(scalar.value.cast_unsigned())
        | u128::from(scalar.decimals) << 64
        | u128::from(scalar.kind) << 96;
    whole.to_le_bytes()
}

fn scalar_of(bytes: &[u8; SCALAR_BYTES]) -> Scalar {
    let word = |at: usize| {
        let bytes = bytes.get(at..at + 4).and_then(|word| word.first_chunk::<4>());
        bytes.map_or(u32::MAX, |word| u32::from_le_bytes(*word))
    };
    let value = bytes.first_chunk::<8>().map_or(0, |value| i64::from_le_bytes(*value));
    Scalar { value, decimals: word(8), kind: word(12) }
}

fn shown(path: &Path) -> String {
    path.file_stem().unwrap_or_default().to_string_lossy().into_owned()
}
