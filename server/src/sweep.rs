//! What a service that was killed leaves behind, removed when it begins again: folders of workers whose jobs are not continued,
//! objects of what was refused, withdrawn or erased, and files that were being written.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use crate::app::{App, Shared, blocking, work_folder};
use crate::problem::{Problem, Result};

/// What is kept.
struct Kept {
    /// Versions of each dataset that is not erased.
    versions: BTreeMap<String, BTreeSet<String>>,
    /// Jobs that have a result.
    results: BTreeSet<String>,
    /// Jobs that a worker may begin or continue.
    waiting: BTreeSet<String>,
}

impl Kept {
    /// Whether an object stays.
    fn holds(&self, name: &str) -> bool {
        let mut words = name.split('/').skip(1);
        let (Some(dataset), Some(kind), Some(next)) = (words.next(), words.next(), words.next()) else {
            return false;
        };
        let Some(versions) = self.versions.get(dataset) else { return false };
        match kind {
            "results" | "released" => self.results.contains(next),
            "parameters" => self.waiting.contains(next),
            version => versions.contains(version),
        }
    }
}

/// Removes what is not kept; how many files, folders and objects that were.
///
/// # Errors
/// Those of the database, of the folders and of the store.
pub(crate) async fn sweep(app: &Shared) -> Result<u64> {
    let (kept, removed) = blocking(app, |app| {
        let kept = kept(app)?;
        let mut removed = 0;
        for folder in entries(&work_folder(&app.config))? {
            if !kept.waiting.contains(&name(&folder)) {
                removed += remove(&folder)?;
            }
        }
        if let Some(folder) = app.objects.folder() {
            removed += unfinished(folder)?;
        }
        Ok((kept, removed))
    })
    .await?;
    Ok(removed + app.objects.keep(move |name| kept.holds(name)).await?)
}

fn kept(app: &App) -> Result<Kept> {
    app.store.with(|tx| {
        let pairs = |sql: &str| -> Result<Vec<(String, String)>> {
            let mut statement = tx.sql.prepare(sql)?;
            let rows = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?;
            Ok(rows.collect::<std::result::Result<_, _>>()?)
        };
        let mut versions: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
        for (dataset, _) in pairs("SELECT name, '' FROM datasets WHERE erased IS NULL")? {
            versions.insert(dataset, BTreeSet::new());
        }
        let sql = "SELECT dataset, cast(version AS TEXT) FROM versions WHERE state IN ('open', 'published')";
        for (dataset, version) in pairs(sql)? {
            if let Some(versions) = versions.get_mut(&dataset) {
                versions.insert(version);
            }
        }
        let jobs = |states: &str| -> Result<BTreeSet<String>> {
            let found = pairs(&format!("SELECT id, state FROM jobs WHERE state IN ({states})"))?;
            Ok(found.into_iter().map(|(id, _)| id).collect())
        };
        Ok(Kept {
            versions,
            results: jobs("'computed', 'released', 'refused'")?,
            waiting: jobs("'queued', 'running'")?,
        })
    })
}

/// Files that were being written: names of objects have no `#`.
fn unfinished(folder: &Path) -> Result<u64> {
    let mut removed = 0;
    for path in entries(folder)? {
        removed += match (path.is_dir(), name(&path).contains('#')) {
            (true, _) => unfinished(&path)?,
            (false, true) => remove(&path)?,
            (false, false) => 0,
        };
    }
    Ok(removed)
}

fn entries(folder: &Path) -> Result<Vec<PathBuf>> {
    match fs::read_dir(folder) {
        Ok(entries) => {
            let paths = entries.map(|entry| entry.map(|entry| entry.path())).collect::<io::Result<_>>();
            paths.map_err(Problem::internal)
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
        Err(error) => Err(Problem::internal(error)),
    }
}

fn name(path: &Path) -> String {
    path.file_name().unwrap_or_default().to_string_lossy().into_owned()
}

fn remove(path: &Path) -> Result<u64> {
    let removed = if path.is_dir() { fs::remove_dir_all(path) } else { fs::remove_file(path) };
    removed.map_err(Problem::internal)?;
    Ok(1)
}
