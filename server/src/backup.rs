//! Copies of what the service keeps, made while it runs, and their way back. The wrapped keys of datasets go to a file of their
//! own, of which only the newest is kept: what was erased since a copy was made has no key in it, so it does not come back.
//!
//! `master.key` and `service.key` are in neither. They never change: whoever runs the service keeps them elsewhere.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use hq_engine::audit::Event;
use hq_engine::dataset::write_whole;
use hq_engine::signed::{SigningKey, from_hex, hex};
use object_store::ObjectMeta;
use rusqlite::Connection;
use serde::{Deserialize, Serialize};

use crate::config::Config;
use crate::envelope::{EnvelopeError, EnvelopeKey, key_file, master_key};
use crate::objects::{Objects, ObjectsError};
use crate::problem::Problem;
use crate::store::{Store, StoreError, Tx};
use hq_engine::clock;

/// The database, in a copy as in the folder of the service.
pub const DATABASE: &str = "hq.sqlite";
const OBJECTS: &str = "objects";
/// Bytes of a wrapped key.
const WRAPPED_BYTES: usize = 72;

/// Why nothing is copied, or brought back.
#[derive(Debug, thiserror::Error)]
pub enum BackupError {
    /// A file or a folder.
    #[error("{}: {source}", path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The database.
    #[error("the database cannot be copied: {0}")]
    Database(#[from] rusqlite::Error),
    /// The copied database.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A change of it.
    #[error("the copied database cannot be changed: {0}")]
    Change(#[from] Problem),
    /// The store of objects, or the folder of their copies.
    #[error(transparent)]
    Objects(#[from] ObjectsError),
    /// An object.
    #[error("the objects cannot be copied: {0}")]
    Copy(#[from] object_store::Error),
    /// A key.
    #[error(transparent)]
    Key(#[from] EnvelopeError),
    /// The file of keys.
    #[error("{}: {reason}", path.display())]
    Keys {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },
    /// There is something already.
    #[error("{} is there already: name a folder of data without one", path.display())]
    Exists {
        /// The database.
        path: PathBuf,
    },
    /// A key that cannot be made anew.
    #[error("{} is missing: copy it to its place first", path.display())]
    Missing {
        /// Its file.
        path: PathBuf,
    },
}

/// What lives: datasets with their wrapped keys and versions.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Living {
    datasets: BTreeMap<String, LivingDataset>,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct LivingDataset {
    /// In hexadecimal.
    wrapped_key: String,
    versions: BTreeSet<u64>,
}

fn file_error(path: &Path) -> impl FnOnce(io::Error) -> BackupError {
    let path = path.to_owned();
    move |source| BackupError::File { path, source }
}

/// Copies the database, without keys, and the objects into a folder, and the keys into a file. Objects that the folder holds
/// are not copied again, and those that are gone are removed from it. How many were copied.
///
/// # Errors
/// See [`BackupError`].
pub fn backup(config: &Config, folder: &Path, keys: &Path) -> Result<u64, BackupError> {
    fs::create_dir_all(folder).map_err(file_error(folder))?;
    let live = open(&config.data.join(DATABASE))?;
    let new = folder.join("hq.sqlite.new");
    remove(&new)?;
    live.execute("VACUUM INTO ?1", [new.to_string_lossy()])?;
    let copy = open(&new)?;
    copy.pragma_update(None, "secure_delete", true)?;
    copy.execute("UPDATE datasets SET wrapped_key = NULL", [])?;
    copy.execute_batch("VACUUM")?;
    drop(copy);
    let database = folder.join(DATABASE);
    fs::rename(&new, &database).map_err(file_error(&database))?;
    let copied = waiting(async {
        copy_objects(&Objects::of(config)?, &Objects::local(&folder.join(OBJECTS))?).await
    })?;
    // Last: what was erased meanwhile is not in it.
    let text = serde_json::to_vec_pretty(&living(&live)?).map_err(Problem::from)?;
    write_whole(keys, &text).map_err(file_error(keys))?;
    Ok(copied)
}

/// Brings a copy back into an empty folder of data, in which the two keys of the service stand already. What the file of keys
/// does not name was erased since. How many datasets and versions those are.
///
/// # Errors
/// See [`BackupError`].
pub fn restore(config: &Config, folder: &Path, keys: &Path) -> Result<usize, BackupError> {
    let (place, new) = (config.data.join(DATABASE), config.data.join("hq.sqlite.new"));
    if place.exists() {
        return Err(BackupError::Exists { path: place });
    }
    let [master, signer] = ["master.key", "service.key"].map(|name| config.data.join(name));
    if let Some(path) = [&master, &signer].into_iter().find(|path| !path.exists()) {
        return Err(BackupError::Missing { path: path.clone() });
    }
    let wrong = |reason: String| BackupError::Keys { path: keys.to_owned(), reason };
    let text = fs::read_to_string(keys).map_err(file_error(keys))?;
    let living: Living = serde_json::from_str(&text).map_err(|error| wrong(error.to_string()))?;
    let master = master_key(&master)?;
    let mut wrapped = BTreeMap::new();
    for (name, dataset) in &living.datasets {
        let bytes = from_hex::<WRAPPED_BYTES>(&dataset.wrapped_key);
        let bytes = bytes.ok_or_else(|| wrong(format!("the key of `{name}` has another length")))?;
        EnvelopeKey::unwrap(&master, name, &bytes)?;
        wrapped.insert(name.as_str(), bytes);
    }
    waiting(async {
        let (copy, objects) = (Objects::local(&folder.join(OBJECTS))?, Objects::of(config)?);
        for (name, object) in copy.all().await? {
            objects.put_sealed(&name, copy.sealed(&name, object.size).await?.into()).await?;
        }
        Ok(())
    })?;
    remove(&new)?;
    let database = folder.join(DATABASE);
    fs::copy(&database, &new).map_err(file_error(&database))?;
    let store = Store::open(&new, SigningKey::from_bytes(&key_file(&signer)?))?;
    let erased = store.with(|tx| bring_back(tx, &living, &wrapped))?;
    store.checkpoint()?;
    drop(store);
    fs::rename(&new, &place).map_err(file_error(&place))?;
    Ok(erased)
}

fn bring_back(
    tx: &Tx<'_>,
    living: &Living,
    wrapped: &BTreeMap<&str, [u8; WRAPPED_BYTES]>,
) -> crate::problem::Result<usize> {
    let names: Vec<String> = {
        let mut statement = tx.sql.prepare("SELECT name FROM datasets WHERE erased IS NULL")?;
        let names = statement.query_map([], |row| row.get(0))?;
        names.collect::<Result<_, _>>()?
    };
    let (now, mut erased) = (clock::now(), 0);
    for name in names {
        let (Some(dataset), Some(key)) = (living.datasets.get(&name), wrapped.get(name.as_str())) else {
            tx.erase_dataset(&name, &now)?;
            erased += 1;
            continue;
        };
        tx.sql.execute(
            "UPDATE datasets SET wrapped_key = ?2 WHERE name = ?1",
            rusqlite::params![name, key.as_slice()],
        )?;
        let versions: Vec<u64> = {
            let sql = "SELECT version FROM versions WHERE dataset = ?1 AND state IN ('open', 'published')";
            let mut statement = tx.sql.prepare(sql)?;
            let versions = statement.query_map([&name], |row| row.get(0))?;
            versions.collect::<Result<_, _>>()?
        };
        for version in versions.into_iter().filter(|version| !dataset.versions.contains(version)) {
            tx.withdraw_version(&name, version, &now)?;
            erased += 1;
        }
    }
    tx.audit(Event {
        action: "service.restored".to_owned(),
        outcome: "done".to_owned(),
        detail: Some(format!("{erased} datasets and versions were erased since the copy was made")),
        ..Event::default()
    })?;
    Ok(erased)
}

fn living(live: &Connection) -> Result<Living, BackupError> {
    let mut living = Living::default();
    let sql = "SELECT name, wrapped_key FROM datasets WHERE wrapped_key IS NOT NULL AND erased IS NULL";
    let mut statement = live.prepare(sql)?;
    let rows = statement.query_map([], |row| Ok((row.get::<_, String>(0)?, row.get::<_, Vec<u8>>(1)?)))?;
    for row in rows {
        let (name, key) = row?;
        let dataset = LivingDataset { wrapped_key: hex(&key), versions: BTreeSet::new() };
        living.datasets.insert(name, dataset);
    }
    let sql = "SELECT dataset, version FROM versions WHERE state IN ('open', 'published')";
    let mut statement = live.prepare(sql)?;
    let rows = statement.query_map([], |row| Ok((row.get::<_, String>(0)?, row.get::<_, u64>(1)?)))?;
    for row in rows {
        let (name, version) = row?;
        if let Some(dataset) = living.datasets.get_mut(&name) {
            dataset.versions.insert(version);
        }
    }
    Ok(living)
}

fn open(path: &Path) -> Result<Connection, BackupError> {
    // A database that is not there is none to be copied.
    fs::metadata(path).map_err(file_error(path))?;
    Ok(Connection::open(path)?)
}

fn remove(path: &Path) -> Result<(), BackupError> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(file_error(path)(error)),
        Ok(()) | Err(_) => Ok(()),
    }
}

/// On a runtime of its own: copies are made by a program that does nothing else.
fn waiting<T>(act: impl Future<Output = Result<T, BackupError>>) -> Result<T, BackupError> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.map_err(file_error(Path::new(".")))?.block_on(act)
}

/// Makes a folder hold the objects of a store; how many were copied. Objects are not changed once they are written, but for chunks
/// that are sent again. A copy has its object's time, so that no clocks are compared.
async fn copy_objects(from: &Objects, to: &Objects) -> Result<u64, BackupError> {
    let (there, copies, mut copied) = (from.all().await?, to.all().await?, 0);
    for name in copies.keys().filter(|name| !there.contains_key(*name)) {
        to.remove(name).await?;
    }
    for (name, object) in there {
        let same = |copy: &ObjectMeta| {
            (copy.size, copy.last_modified.timestamp_micros())
                == (object.size, object.last_modified.timestamp_micros())
        };
        if copies.get(&name).is_some_and(same) {
            continue;
        }
        match from.sealed(&name, object.size).await {
            Ok(sealed) => to.put_sealed(&name, sealed.into()).await?,
            // Erased meanwhile.
            Err(object_store::Error::NotFound { .. }) => continue,
            Err(error) => return Err(error.into()),
        }
        if let Some(folder) = to.folder() {
            let path = folder.join(&name);
            let file = fs::File::options().write(true).open(&path).map_err(file_error(&path))?;
            file.set_modified(object.last_modified.into()).map_err(file_error(&path))?;
        }
        copied += 1;
    }
    Ok(copied)
}
