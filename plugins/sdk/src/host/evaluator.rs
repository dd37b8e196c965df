//! The host's half that computes: the evaluator's table as safe methods.
#![expect(unsafe_code, reason = "pointers cross the C ABI here; see the head of `host`")]

use std::path::Path;
use std::sync::Arc;
use std::{mem, ptr};

use super::{
    Image, LoadError, call, copy, file_stem, json, load_table, load_table_at, structure, take, take_handle,
};
use crate::abi::{Buffer, EvaluatorTable, Handle, View};
use crate::backend::{BackendError, Evaluator, Fault, GateKeys, Gated, Session};
use crate::capabilities::Capabilities;
use crate::export::evaluator_table;
use crate::parameters::{RnsParameters, RnsRequest};
use crate::plan::Plan;

/// What computes on data it cannot read, out of a plugin.
#[derive(Clone, Debug)]
pub struct EvaluatorPlugin {
    table: EvaluatorTable,
    capabilities: Arc<Capabilities>,
    digest: Arc<str>,
    gates: Option<Arc<EvaluatorPlugin>>,
}

impl EvaluatorPlugin {
    /// Loads a plugin, and of it nothing that touches a secret key. See the module for what to check before.
    ///
    /// # Errors
    /// See [`LoadError`].
    pub fn load(path: &Path) -> Result<Self, LoadError> {
        let digest = Image::read(path)?.digest().to_owned();
        Self::describe(load_table(path)?, &file_stem(path), &digest)
            .map_err(|source| LoadError::Capabilities { path: path.to_owned(), source })
    }

    /// As [`Self::load`], of a file that was read already.
    ///
    /// # Errors
    /// See [`LoadError`].
    pub fn load_image(image: &Image) -> Result<Self, LoadError> {
        let path = image.path();
        Self::describe(load_table_at(&image.place()?, path)?, &file_stem(path), image.digest())
            .map_err(|source| LoadError::Capabilities { path: path.to_owned(), source })
    }

    /// A backend of this very program, called as a plugin is.
    ///
    /// # Errors
    /// `Fault::Internal` where it does not describe itself.
    pub fn linked<B: Evaluator>() -> Result<Self, BackendError> {
        Self::describe(evaluator_table::<B>(), "linked", "linked")
    }

    fn describe(table: EvaluatorTable, name: &str, digest: &str) -> Result<Self, BackendError> {
        // SAFETY: the table's own functions on buffers of this frame, as `abi` asks.
        let bytes = unsafe { take(name, table.free_buffer, |out, error| (table.capabilities)(out, error)) }?;
        let capabilities = Arc::new(structure(name, &bytes)?);
        Ok(Self { table, capabilities, digest: digest.into(), gates: None })
    }

    /// The same with a backend that decides on its counts.
    #[must_use]
    pub fn with_gates(&self, gates: Self) -> Self {
        let bootstrapped = gates.capabilities.bootstrapped.clone();
        let capabilities = Capabilities { gates: bootstrapped, ..(*self.capabilities).clone() };
        Self { capabilities: Arc::new(capabilities), gates: Some(Arc::new(gates)), ..self.clone() }
    }

    /// BLAKE3 digest of the plugin's file, in hexadecimal.
    #[must_use]
    pub fn digest(&self) -> &str {
        &self.digest
    }

    /// The backend that decides on its counts.
    #[must_use]
    pub fn gates(&self) -> Option<&Self> {
        self.gates.as_deref()
    }

    /// The backend as data.
    #[must_use]
    pub fn capabilities(&self) -> &Capabilities {
        &self.capabilities
    }

    /// As [`Evaluator::resolve`](crate::backend::Evaluator::resolve).
    ///
    /// # Errors
    /// Those of the plugin.
    pub fn resolve(&self, request: &RnsRequest) -> Result<RnsParameters, BackendError> {
        let name = &self.capabilities.name;
        let request = json(request)?;
        // SAFETY: the views and buffers live through the call, as `abi` asks.
        let bytes = unsafe {
            take(name, self.table.free_buffer, |out, error| {
                (self.table.resolve)(View::of(&request), out, error)
            })
        }?;
        structure(name, &bytes)
    }

    /// As [`Evaluator::open`](crate::backend::Evaluator::open).
    ///
    /// # Errors
    /// Those of the plugin.
    pub fn open(&self, plan: &Plan, evaluation_key: &[u8]) -> Result<PluginSession, BackendError> {
        let (name, plan) = (&self.capabilities.name, plan.to_string());
        // SAFETY: the views and buffers live through the call, as `abi` asks.
        let handle = unsafe {
            take_handle(name, self.table.free_buffer, |out, error| {
                (self.table.open)(View::of(plan.as_bytes()), View::of(evaluation_key), out, error)
            })
        }?;
        let (capabilities, lineage) = (Arc::clone(&self.capabilities), Arc::default());
        Ok(PluginSession { table: self.table, capabilities, handle, lineage })
    }

    /// As [`Evaluator::encrypt_parameter`](crate::backend::Evaluator::encrypt_parameter).
    ///
    /// # Errors
    /// Those of the plugin.
    pub fn encrypt_parameter(&self, evaluation_key: &[u8], value: i64) -> Result<Vec<u8>, BackendError> {
        // SAFETY: the view and buffers live through the call, as `abi` asks.
        unsafe {
            take(&self.capabilities.name, self.table.free_buffer, |out, error| {
                (self.table.encrypt_parameter)(View::of(evaluation_key), value, out, error)
            })
        }
    }
}

impl EvaluatorPlugin {
    /// As [`Evaluator::pass`](crate::backend::Evaluator::pass).
    ///
    /// # Errors
    /// Those of the plugin.
    pub fn pass(
        &self,
        plan: &Plan,
        keys: GateKeys<'_>,
        gated: &Gated,
        pads: &[u64],
    ) -> Result<Vec<u8>, BackendError> {
        let plan = plan.to_string();
        // SAFETY: the views and buffers live through the call, as `abi` asks.
        unsafe {
            take(&self.capabilities.name, self.table.free_buffer, |out, error| {
                let (evaluation, bridge) = (View::of(keys.evaluation), View::of(keys.bridge));
                let (samples, sums) = (View::of(&gated.samples), View::of(&gated.sums));
                let plan = View::of(plan.as_bytes());
                (self.table.pass)(plan, evaluation, bridge, samples, sums, View::of(pads), out, error)
            })
        }
    }
}

/// A plan at work in a plugin.
#[derive(Debug)]
pub struct PluginSession {
    table: EvaluatorTable,
    capabilities: Arc<Capabilities>,
    handle: Handle,
    /// One for all forks of one `open`: they alone may absorb each other.
    lineage: Arc<()>,
}

// SAFETY: `abi` lets a session be called from any thread, one call at a time; `&mut` sees to the latter.
unsafe impl Send for PluginSession {}

impl Session for PluginSession {
    fn block(&mut self, inputs: &[&[u8]]) -> Result<(), BackendError> {
        let views: Vec<View<u8>> = inputs.iter().map(|input| View::of(input)).collect();
        // SAFETY: the handle is live and in no other call; views and buffers live through this one.
        unsafe {
            call(&self.capabilities.name, self.table.free_buffer, |error| {
                (self.table.block)(self.handle, View::of(&views), error)
            })
        }
    }

    fn finish(&mut self) -> Result<Vec<u8>, BackendError> {
        // SAFETY: the handle is live and in no other call; the buffers live through this one.
        unsafe {
            take(&self.capabilities.name, self.table.free_buffer, |out, error| {
                (self.table.finish)(self.handle, out, error)
            })
        }
    }

    fn gated(&mut self, pads: &[u64]) -> Result<Gated, BackendError> {
        let (name, free) = (&self.capabilities.name, self.table.free_buffer);
        let (mut samples, mut sums) = (Buffer::EMPTY, Buffer::EMPTY);
        // SAFETY: the handle is live and in no other call; views and buffers live through it, each buffer is given back once.
        unsafe {
            call(name, free, |error| {
                (self.table.gated)(self.handle, View::of(pads), &raw mut samples, &raw mut sums, error)
            })?;
            let (samples, sums) = (copy(name, samples, free), copy(name, sums, free));
            Ok(Gated { samples: samples?, sums: sums? })
        }
    }

    fn fork(&self) -> Result<Self, BackendError> {
        // SAFETY: the handle is live and in no other call, as this type is not `Sync`; the buffers live
        // through this one.
        let handle = unsafe {
            take_handle(&self.capabilities.name, self.table.free_buffer, |out, error| {
                (self.table.fork)(self.handle, out, error)
            })
        }?;
        let (capabilities, lineage) = (Arc::clone(&self.capabilities), Arc::clone(&self.lineage));
        Ok(Self { table: self.table, capabilities, handle, lineage })
    }

    fn absorb(&mut self, mut other: Self) -> Result<(), BackendError> {
        if !Arc::ptr_eq(&self.lineage, &other.lineage) {
            return Err(BackendError::new(Fault::Plan, "the two sessions were not opened as one"));
        }
        // The call gives the other handle back, whatever comes of it; freeing null does nothing.
        let handle = mem::replace(&mut other.handle, ptr::null_mut());
        // SAFETY: two live handles of one table, in no other call; the buffer lives through this one.
        unsafe {
            call(&self.capabilities.name, self.table.free_buffer, |error| {
                (self.table.absorb)(self.handle, handle, error)
            })
        }
    }

    fn save(&self) -> Result<Vec<u8>, BackendError> {
        // SAFETY: the handle is live and in no other call, as this type is not `Sync`; the buffers live
        // through this one.
        unsafe {
            take(&self.capabilities.name, self.table.free_buffer, |out, error| {
                (self.table.save)(self.handle, out, error)
            })
        }
    }

    fn restore(&mut self, state: &[u8]) -> Result<(), BackendError> {
        // SAFETY: the handle is live and in no other call; view and buffer live through this one.
        unsafe {
            call(&self.capabilities.name, self.table.free_buffer, |error| {
                (self.table.restore)(self.handle, View::of(state), error)
            })
        }
    }
}

impl Drop for PluginSession {
    fn drop(&mut self) {
        // SAFETY: the handle came from this table and is given back once, here.
        unsafe { (self.table.free_session)(self.handle) }
    }
}
