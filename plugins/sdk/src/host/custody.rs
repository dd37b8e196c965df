//! The host's half that touches secret keys: the custodian's table as safe methods.
#![expect(unsafe_code, reason = "pointers cross the C ABI here; see the head of `host`")]

use std::path::Path;
use std::sync::Arc;

use zeroize::Zeroizing;

use super::{
    Image, LoadError, call, copy, file_stem, ill_behaved, json, load_table, load_table_at, structure, take,
    take_handle,
};
use crate::abi::{Buffer, CustodyTable, Handle, View};
use crate::backend::{BackendError, Custody, KeyPair, Measurement};
use crate::export::custody_table;
use crate::frame::KeyId;
use crate::parameters::Parameters;
use crate::plan::Plan;

/// What touches secret keys, out of a plugin. For the client alone.
#[derive(Clone, Debug)]
pub struct CustodyPlugin {
    table: CustodyTable,
    name: Arc<str>,
}

impl CustodyPlugin {
    /// Loads a plugin's custody. See the module for what to check before.
    ///
    /// # Errors
    /// See [`LoadError`].
    pub fn load(path: &Path) -> Result<Self, LoadError> {
        Ok(Self { table: load_table(path)?, name: file_stem(path).into() })
    }

    /// As [`Self::load`], of a file that was read already.
    ///
    /// # Errors
    /// See [`LoadError`].
    pub fn load_image(image: &Image) -> Result<Self, LoadError> {
        let path = image.path();
        Ok(Self { table: load_table_at(&image.place()?, path)?, name: file_stem(path).into() })
    }

    /// A backend of this very program, called as a plugin is.
    #[must_use]
    pub fn linked<B: Custody>(name: &str) -> Self {
        Self { table: custody_table::<B>(), name: name.into() }
    }

    /// As [`Custody::keygen`](crate::backend::Custody::keygen).
    ///
    /// # Errors
    /// Those of the plugin.
    pub fn keygen(&self, parameters: &Parameters, seed: Option<[u8; 32]>) -> Result<KeyPair, BackendError> {
        let parameters = json(parameters)?;
        let seed = Zeroizing::new(seed.map_or_else(Vec::new, |seed| seed.to_vec()));
        let (mut secret, mut evaluation) = (Buffer::EMPTY, Buffer::EMPTY);
        // SAFETY: the views and buffers live through the call; each buffer is given back once.
        unsafe {
            call(&self.name, self.table.free_buffer, |error| {
                let (parameters, seed) = (View::of(&parameters), View::of(&seed));
                (self.table.keygen)(parameters, seed, &raw mut secret, &raw mut evaluation, error)
            })?;
            let secret = copy(&self.name, secret, self.table.free_secret).map(Zeroizing::new);
            let evaluation = copy(&self.name, evaluation, self.table.free_buffer);
            Ok(KeyPair { secret: secret?, evaluation: evaluation? })
        }
    }

    /// As [`Custody::load`](crate::backend::Custody::load).
    ///
    /// # Errors
    /// Those of the plugin.
    pub fn load_key(&self, secret: &[u8]) -> Result<PluginKey, BackendError> {
        // SAFETY: the view and buffers live through the call, as `abi` asks.
        let handle = unsafe {
            take_handle(&self.name, self.table.free_buffer, |out, error| {
                (self.table.load)(View::of(secret), out, error)
            })
        }?;
        Ok(PluginKey { table: self.table, name: Arc::clone(&self.name), handle })
    }
}

/// A secret key inside a plugin; it wipes it when this is dropped.
#[derive(Debug)]
pub struct PluginKey {
    table: CustodyTable,
    name: Arc<str>,
    handle: Handle,
}

// SAFETY: `abi` lets a key be used from any thread.
unsafe impl Send for PluginKey {}
// SAFETY: `abi` lets a key be in any number of calls at once.
unsafe impl Sync for PluginKey {}

impl PluginKey {
    /// As [`Custody::encrypt`](crate::backend::Custody::encrypt).
    ///
    /// # Errors
    /// Those of the plugin.
    pub fn encrypt(&self, values: &[i64]) -> Result<Vec<u8>, BackendError> {
        // SAFETY: the handle is live; the view and buffers live through the call.
        unsafe {
            take(&self.name, self.table.free_buffer, |out, error| {
                (self.table.encrypt)(self.handle, View::of(values), out, error)
            })
        }
    }

    /// As [`Custody::encrypt_entries`](crate::backend::Custody::encrypt_entries).
    ///
    /// # Errors
    /// Those of the plugin.
    pub fn encrypt_entries(&self, values: &[i64]) -> Result<Vec<u8>, BackendError> {
        // SAFETY: the handle is live; the view and buffers live through the call.
        unsafe {
            take(&self.name, self.table.free_buffer, |out, error| {
                (self.table.encrypt_entries)(self.handle, View::of(values), out, error)
            })
        }
    }

    /// As [`Custody::decrypt`](crate::backend::Custody::decrypt).
    ///
    /// # Errors
    /// Those of the plugin.
    pub fn decrypt(&self, result: &[u8]) -> Result<Vec<i64>, BackendError> {
        // SAFETY: the handle is live; the view and buffers live through the call.
        let bytes = unsafe {
            take(&self.name, self.table.free_buffer, |out, error| {
                (self.table.decrypt)(self.handle, View::of(result), out, error)
            })
        }?;
        self.numbers(&bytes)
    }

    fn numbers(&self, bytes: &[u8]) -> Result<Vec<i64>, BackendError> {
        let (numbers, rest) = bytes.as_chunks::<8>();
        if !rest.is_empty() {
            return Err(ill_behaved(&self.name, "the numbers it returns are cut short"));
        }
        Ok(numbers.iter().map(|number| i64::from_le_bytes(*number)).collect())
    }

    /// As [`Custody::ternary`](crate::backend::Custody::ternary).
    ///
    /// # Errors
    /// Those of the plugin.
    pub fn ternary(&self) -> Result<Zeroizing<Vec<i8>>, BackendError> {
        let mut secret = Buffer::EMPTY;
        // SAFETY: the handle is live; the buffer lives through the call and is given back once, wiped.
        let bytes = unsafe {
            call(&self.name, self.table.free_buffer, |error| {
                (self.table.ternary)(self.handle, &raw mut secret, error)
            })?;
            copy(&self.name, secret, self.table.free_secret).map(Zeroizing::new)
        }?;
        Ok(Zeroizing::new(bytes.iter().map(|coefficient| coefficient.cast_signed()).collect()))
    }

    /// As [`Custody::bridge`](crate::backend::Custody::bridge).
    ///
    /// # Errors
    /// Those of the plugin.
    pub fn bridge(&self, other: KeyId, ternary: &[i8]) -> Result<Vec<u8>, BackendError> {
        // SAFETY: the handle is live; the views and buffers live through the call.
        unsafe {
            take(&self.name, self.table.free_buffer, |out, error| {
                (self.table.bridge)(self.handle, View::of(&other.0), View::of(ternary), out, error)
            })
        }
    }

    /// As [`Custody::open_gates`](crate::backend::Custody::open_gates).
    ///
    /// # Errors
    /// Those of the plugin.
    pub fn open_gates(&self, plan: &Plan, sums: &[u8], passed: &[u8]) -> Result<Vec<i64>, BackendError> {
        let plan = plan.to_string();
        // SAFETY: the handle is live; the views and buffers live through the call.
        let bytes = unsafe {
            take(&self.name, self.table.free_buffer, |out, error| {
                let (plan, sums) = (View::of(plan.as_bytes()), View::of(sums));
                (self.table.open_gates)(self.handle, plan, sums, View::of(passed), out, error)
            })
        }?;
        self.numbers(&bytes)
    }

    /// As [`Custody::measure`](crate::backend::Custody::measure).
    ///
    /// # Errors
    /// Those of the plugin.
    pub fn measure(
        &self,
        evaluation_key: &[u8],
        plan: &Plan,
        blocks: &[Vec<&[u8]>],
    ) -> Result<Measurement, BackendError> {
        let plan = plan.to_string();
        let inputs: Vec<Vec<View<u8>>> =
            blocks.iter().map(|block| block.iter().map(|input| View::of(input)).collect()).collect();
        let blocks: Vec<View<View<u8>>> = inputs.iter().map(|block| View::of(block)).collect();
        // SAFETY: the handle is live; the views and buffers live through the call.
        let bytes = unsafe {
            take(&self.name, self.table.free_buffer, |out, error| {
                let (key, plan) = (View::of(evaluation_key), View::of(plan.as_bytes()));
                (self.table.measure)(self.handle, key, plan, View::of(&blocks), out, error)
            })
        }?;
        structure(&self.name, &bytes)
    }
}

impl Drop for PluginKey {
    fn drop(&mut self) {
        // SAFETY: the handle came from this table and is given back once, here.
        unsafe { (self.table.free_key)(self.handle) }
    }
}
