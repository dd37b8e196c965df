//! The object store: sealed chunks of datasets, results and released tables, by name. It is a folder, or a bucket of S3 or of Google's
//! cloud; what is in it is noise to whoever runs that.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use futures_util::stream::BoxStream;
use futures_util::{StreamExt as _, TryStreamExt as _};
use object_store::aws::AmazonS3Builder;
use object_store::client::ClientConfigKey;
use object_store::gcp::{GoogleCloudStorageBuilder, GoogleConfigKey};
use object_store::local::LocalFileSystem;
use object_store::path::Path as ObjectPath;
use object_store::prefix::PrefixStore;
use object_store::{Error, ObjectMeta, ObjectStore, ObjectStoreExt as _};
use tokio::runtime::Handle;

use crate::chunks::Chunks;
use crate::config::Config;
use crate::envelope::EnvelopeKey;
use crate::problem::{Problem, Result};

/// Under which all objects are.
const ALL: &str = "datasets";

/// Where objects are kept.
#[derive(Clone, Debug)]
pub struct Objects {
    store: Arc<dyn ObjectStore>,
    /// Where that is a folder of this machine.
    folder: Option<PathBuf>,
}

/// Why objects cannot be kept where they should be.
#[derive(Debug, thiserror::Error)]
pub enum ObjectsError {
    /// The store, or the variables that lead to it.
    #[error("the object store cannot be used: {0}")]
    Store(#[from] Error),
    /// The folder.
    #[error("{}: {source}", path.display())]
    Folder {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The setting.
    #[error("objects: `{address}` is no place for objects: write s3://BUCKET/PREFIX or gs://BUCKET/PREFIX")]
    Address {
        /// As it is set.
        address: String,
    },
}

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

/// The name of a job's secret parameters.
#[must_use]
pub fn parameters_name(dataset: &str, job: &str) -> String {
    format!("datasets/{dataset}/parameters/{job}")
}

impl Objects {
    /// Where a configuration says; the folder is made.
    ///
    /// # Errors
    /// See [`ObjectsError`].
    pub fn of(config: &Config) -> std::result::Result<Self, ObjectsError> {
        config.objects.as_deref().map_or_else(|| Self::local(&config.data.join("objects")), Self::cloud)
    }

    /// Of a folder, which is made.
    ///
    /// # Errors
    /// A folder that cannot be used.
    pub fn local(folder: &Path) -> std::result::Result<Self, ObjectsError> {
        std::fs::create_dir_all(folder)
            .map_err(|source| ObjectsError::Folder { path: folder.to_owned(), source })?;
        let store = LocalFileSystem::new_with_prefix(folder)?.with_automatic_cleanup(true);
        Ok(Self { store: Arc::new(store), folder: Some(folder.to_owned()) })
    }

    /// Of a bucket. Endpoint and credentials are those of the variables `AWS_…` and `GOOGLE_…`; plain HTTP only where
    /// `AWS_ALLOW_HTTP` or `GOOGLE_ALLOW_HTTP` says so.
    fn cloud(address: &str) -> std::result::Result<Self, ObjectsError> {
        let wrong = || ObjectsError::Address { address: address.to_owned() };
        let (scheme, place) = address.split_once("://").ok_or_else(wrong)?;
        let (bucket, prefix) = place.split_once('/').unwrap_or((place, ""));
        let prefix = ObjectPath::parse(prefix.trim_end_matches('/')).map_err(|_| wrong())?;
        if bucket.is_empty() {
            return Err(wrong());
        }
        // The one provider of this program; without this the HTTP client has none. It may be set already.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let store: Arc<dyn ObjectStore> = match scheme {
            "s3" => {
                let store = AmazonS3Builder::from_env().with_bucket_name(bucket).build()?;
                Arc::new(PrefixStore::new(store, prefix))
            }
            "gs" => {
                // It would speak plain HTTP with whatever an account's file names.
                let plain = GoogleConfigKey::Client(ClientConfigKey::AllowHttp);
                let allowed = std::env::var("GOOGLE_ALLOW_HTTP").unwrap_or_else(|_| "false".to_owned());
                let builder = GoogleCloudStorageBuilder::from_env().with_bucket_name(bucket);
                Arc::new(PrefixStore::new(builder.with_config(plain, allowed).build()?, prefix))
            }
            _ => return Err(wrong()),
        };
        Ok(Self { store, folder: None })
    }

    /// The folder, where it is one.
    #[must_use]
    pub fn folder(&self) -> Option<&Path> {
        self.folder.as_deref()
    }

    /// Objects for whoever reads them on a thread that may wait. Asked for where a runtime is.
    #[must_use]
    pub fn chunks(&self) -> Arc<dyn Chunks> {
        match &self.folder {
            Some(folder) => Arc::new(Folder(folder.clone())),
            None => Arc::new(Remote { objects: self.clone(), runtime: Handle::current() }),
        }
    }

    /// Puts an object, sealed, in the place of one of this name.
    ///
    /// # Errors
    /// Those of the store.
    pub async fn put(&self, key: &EnvelopeKey, name: &str, bytes: &[u8]) -> Result<()> {
        let sealed = key.seal(name, bytes).map_err(Problem::internal)?;
        Ok(self.put_sealed(name, sealed).await?)
    }

    /// Puts an object that was sealed under its name elsewhere.
    ///
    /// # Errors
    /// Those of the store.
    pub async fn put_sealed(&self, name: &str, sealed: Vec<u8>) -> std::result::Result<(), Error> {
        self.store.put(&ObjectPath::from(name), sealed.into()).await?;
        Ok(())
    }

    /// Reads an object as it was before it was sealed.
    ///
    /// # Errors
    /// Those of the store; an object that was altered.
    pub async fn get(&self, key: &EnvelopeKey, name: &str) -> Result<Vec<u8>> {
        let sealed = self.sealed(name, u64::MAX).await?;
        key.open(name, &sealed).map_err(Problem::internal)
    }

    /// Reads an object as it is stored, if it has at most so many bytes.
    ///
    /// # Errors
    /// Those of the store; one that is longer.
    pub async fn sealed(&self, name: &str, most: u64) -> std::result::Result<bytes::Bytes, Error> {
        let found = self.store.get(&ObjectPath::from(name)).await?;
        if found.meta.size > most {
            let source = format!("{name} has {} bytes where {most} are the most", found.meta.size).into();
            return Err(Error::Generic { store: "hq", source });
        }
        found.bytes().await
    }

    /// Removes an object, if there is one.
    ///
    /// # Errors
    /// Those of the store.
    pub async fn remove(&self, name: &str) -> Result<()> {
        match self.store.delete(&ObjectPath::from(name)).await {
            Ok(()) | Err(Error::NotFound { .. }) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    /// Removes everything under a name; how many objects.
    ///
    /// # Errors
    /// Those of the store.
    pub async fn remove_under(&self, name: &str) -> Result<u64> {
        let found = self.store.list(Some(&ObjectPath::from(name)));
        Ok(self.remove_these(found.map_ok(|object| object.location).boxed()).await?)
    }

    /// Removes whatever is not to be kept; how many objects.
    ///
    /// # Errors
    /// Those of the store.
    pub async fn keep(
        &self,
        is_kept: impl Fn(&str) -> bool + Send + 'static,
    ) -> std::result::Result<u64, Error> {
        let others = self.store.list(Some(&ObjectPath::from(ALL))).map_ok(|object| object.location);
        let others = others.try_filter(move |name| std::future::ready(!is_kept(name.as_ref())));
        self.remove_these(others.boxed()).await
    }

    /// Removes many at a time, as the store does that.
    async fn remove_these(
        &self,
        names: BoxStream<'static, object_store::Result<ObjectPath>>,
    ) -> std::result::Result<u64, Error> {
        let mut removed = 0;
        let mut done = self.store.delete_stream(names);
        while let Some(one) = done.next().await {
            match one {
                Ok(_) => removed += 1,
                // Removed by another meanwhile.
                Err(Error::NotFound { .. }) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(removed)
    }

    /// All objects by name.
    ///
    /// # Errors
    /// Those of the store.
    pub async fn all(&self) -> std::result::Result<BTreeMap<String, ObjectMeta>, Error> {
        let found = self.store.list(Some(&ObjectPath::from(ALL)));
        found.map_ok(|object| (object.location.to_string(), object)).try_collect().await
    }
}

/// A folder as it is.
struct Folder(PathBuf);

impl Chunks for Folder {
    fn sealed(&self, name: &str, bytes: u64) -> io::Result<Vec<u8>> {
        let path = self.0.join(name);
        let found = std::fs::metadata(&path)?.len();
        if found != bytes {
            return Err(io::Error::other(format!("{name} has {found} bytes where {bytes} were stored")));
        }
        std::fs::read(path)
    }
}

/// A store that is waited for.
struct Remote {
    objects: Objects,
    runtime: Handle,
}

impl Chunks for Remote {
    fn sealed(&self, name: &str, bytes: u64) -> io::Result<Vec<u8>> {
        let sealed = self.runtime.block_on(self.objects.sealed(name, bytes)).map_err(io::Error::other)?;
        Ok(sealed.into())
    }
}

/// Objects of a folder, for who has its path alone.
#[must_use]
pub fn of_folder(folder: &Path) -> Arc<dyn Chunks> {
    Arc::new(Folder(folder.to_owned()))
}
