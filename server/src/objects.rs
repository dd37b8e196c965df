//! The object store: sealed chunks of datasets, results and released tables, by name.

use std::path::Path;
use std::sync::Arc;

use futures_util::TryStreamExt as _;
use object_store::local::LocalFileSystem;
use object_store::path::Path as ObjectPath;
use object_store::{ObjectStore, ObjectStoreExt as _};

use crate::envelope::EnvelopeKey;
use crate::problem::{Problem, Result};

/// Objects of a folder.
#[derive(Clone, Debug)]
pub struct Objects(Arc<dyn ObjectStore>);

/// The name of a chunk of a file.
#[must_use]
pub fn chunk_name(dataset: &str, version: u64, file: &str, number: u64) -> String {
    format!("datasets/{dataset}/{version}/{file}/{number}")
}

/// The name of a job's result.
#[must_use]
pub fn result_name(dataset: &str, job: &str) -> String {
    format!("datasets/{dataset}/results/{job}")
}

/// The name of a job's released table.
#[must_use]
pub fn release_name(dataset: &str, job: &str) -> String {
    format!("datasets/{dataset}/released/{job}")
}

impl Objects {
    /// Of a folder that exists.
    ///
    /// # Errors
    /// A folder that cannot be used.
    pub fn local(folder: &Path) -> std::result::Result<Self, object_store::Error> {
        Ok(Self(Arc::new(LocalFileSystem::new_with_prefix(folder)?)))
    }

    /// Puts an object, sealed, in the place of one of this name.
    ///
    /// # Errors
    /// Those of the store.
    pub async fn put(&self, key: &EnvelopeKey, name: &str, bytes: &[u8]) -> Result<()> {
        let sealed = key.seal(name, bytes).map_err(Problem::internal)?;
        self.put_sealed(name, sealed).await
    }

    /// Puts an object that was sealed under its name elsewhere.
    ///
    /// # Errors
    /// Those of the store.
    pub async fn put_sealed(&self, name: &str, sealed: Vec<u8>) -> Result<()> {
        self.0.put(&ObjectPath::from(name), sealed.into()).await?;
        Ok(())
    }

    /// Reads an object as it was before it was sealed.
    ///
    /// # Errors
    /// Those of the store; an object that was altered.
    pub async fn get(&self, key: &EnvelopeKey, name: &str) -> Result<Vec<u8>> {
        let sealed = self.0.get(&ObjectPath::from(name)).await?.bytes().await?;
        key.open(name, &sealed).map_err(Problem::internal)
    }

    /// Removes an object, if there is one.
    ///
    /// # Errors
    /// Those of the store.
    pub async fn remove(&self, name: &str) -> Result<()> {
        match self.0.delete(&ObjectPath::from(name)).await {
            Ok(()) | Err(object_store::Error::NotFound { .. }) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    /// Removes everything under a name.
    ///
    /// # Errors
    /// Those of the store.
    pub async fn remove_under(&self, name: &str) -> Result<u64> {
        let prefix = ObjectPath::from(name);
        let found: Vec<_> = self.0.list(Some(&prefix)).try_collect().await?;
        for object in &found {
            self.0.delete(&object.location).await?;
        }
        Ok(found.len() as u64)
    }
}
