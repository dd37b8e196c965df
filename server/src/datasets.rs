//! Datasets in the database: who may do what with them, their versions, and which chunks of an upload are there.

use hq_engine::dataset::Manifest;
use rusqlite::{OptionalExtension as _, Row, params};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::envelope::EnvelopeKey;
use crate::identity::Caller;
use crate::problem::{Code, Problem, Result};
use crate::roles::Role;
use crate::store::{Tx, found};
use hq_engine::clock;

/// The name under which evaluation keys are uploaded, beside the files of the manifest.
pub const KEYS: &str = "evaluation.keys";

/// A dataset.
#[derive(Clone, Debug)]
pub struct Dataset {
    /// Its name.
    pub name: String,
    /// Public key that signs its manifests.
    pub publisher: String,
    wrapped_key: Option<Vec<u8>>,
    /// When it was created.
    pub created: String,
    /// When it was erased.
    pub erased: Option<String>,
}

impl Dataset {
    /// The key that its objects are sealed with.
    ///
    /// # Errors
    /// An erased dataset has none.
    pub fn key(&self, master: &EnvelopeKey) -> Result<EnvelopeKey> {
        let wrapped = self.wrapped_key.as_ref().ok_or_else(|| {
            Problem::new(Code::Erased, format!("`{}` was erased: its key is gone.", self.name))
        })?;
        EnvelopeKey::unwrap(master, &self.name, wrapped).map_err(Problem::internal)
    }
}

/// A version of a dataset.
#[derive(Clone, Debug)]
pub struct Version {
    /// Its number, from 1.
    pub number: u64,
    /// `open` while it is uploaded, `published`, or `refused`.
    pub state: String,
    /// Text of the manifest.
    pub manifest: String,
    /// Digest of that text.
    pub digest: String,
    /// The owner's signature under the digest.
    pub signature: String,
    /// Text of the schema.
    pub schema: String,
    /// Length of the evaluation keys.
    pub key_bytes: u64,
    /// Digest of the evaluation keys.
    pub key_digest: String,
}

impl Version {
    /// The manifest, which was checked when the version was begun.
    ///
    /// # Errors
    /// A manifest of an older format.
    pub fn manifest(&self) -> Result<Manifest> {
        Ok(Manifest::parse(std::path::Path::new("manifest"), &self.manifest)?)
    }

    /// Names and lengths of all files.
    ///
    /// # Errors
    /// As above.
    pub fn files(&self) -> Result<Vec<(String, u64)>> {
        let manifest = self.manifest()?;
        let parts = manifest.parts.values().map(|part| (part.file.clone(), part.bytes));
        Ok(parts.chain([(KEYS.to_owned(), self.key_bytes)]).collect())
    }
}

/// Who is what for a dataset.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Grant {
    /// The name at the issuer.
    pub subject: String,
    /// The role.
    pub role: Role,
}

fn dataset(row: &Row<'_>) -> rusqlite::Result<Dataset> {
    Ok(Dataset {
        name: row.get(0)?,
        publisher: row.get(1)?,
        wrapped_key: row.get(2)?,
        created: row.get(3)?,
        erased: row.get(4)?,
    })
}

fn version(row: &Row<'_>) -> rusqlite::Result<Version> {
    Ok(Version {
        number: row.get(0)?,
        state: row.get(1)?,
        manifest: row.get(2)?,
        digest: row.get(3)?,
        signature: row.get(4)?,
        schema: row.get(5)?,
        key_bytes: row.get(6)?,
        key_digest: row.get(7)?,
    })
}

const VERSION: &str =
    "SELECT version, state, manifest, digest, signature, schema, key_bytes, key_digest FROM versions";

impl Tx<'_> {
    /// A dataset by name.
    ///
    /// # Errors
    /// There is none.
    pub fn dataset(&self, name: &str) -> Result<Dataset> {
        let sql = "SELECT name, publisher, wrapped_key, created, erased FROM datasets WHERE name = ?1";
        found(self.sql.query_row(sql, [name], dataset).optional()?, &format!("dataset `{name}`"))
    }

    /// A dataset that is not erased.
    ///
    /// # Errors
    /// There is none, or none any more.
    pub fn living(&self, name: &str) -> Result<Dataset> {
        let dataset = self.dataset(name)?;
        match &dataset.erased {
            None => Ok(dataset),
            Some(when) => Err(Problem::new(Code::Erased, format!("`{name}` was erased at {when}."))),
        }
    }

    /// Makes a dataset, of which the caller is the owner.
    ///
    /// # Errors
    /// The name is taken, also by an erased dataset.
    pub fn create_dataset(
        &self,
        name: &str,
        publisher: &str,
        wrapped_key: &[u8],
        owner: &Caller,
    ) -> Result<()> {
        let sql = "INSERT INTO datasets (name, publisher, wrapped_key, created) VALUES (?1, ?2, ?3, ?4) \
                   ON CONFLICT DO NOTHING";
        if self.sql.execute(sql, params![name, publisher, wrapped_key, clock::now()])? == 0 {
            return Err(Problem::new(Code::Conflict, format!("The name `{name}` is taken.")));
        }
        self.grant(name, &owner.issuer, &Grant { subject: owner.subject.clone(), role: Role::Owner })
    }

    /// Takes a dataset's key away, and with it everything that was sealed; jobs that are not done are cancelled.
    ///
    /// # Errors
    /// Those of the database.
    pub fn erase_dataset(&self, name: &str, when: &str) -> Result<()> {
        self.sql
            .execute("UPDATE datasets SET wrapped_key = NULL, erased = ?2 WHERE name = ?1", [name, when])?;
        self.sql.execute("DELETE FROM chunks WHERE dataset = ?1", [name])?;
        self.sql.execute("UPDATE versions SET state = 'erased' WHERE dataset = ?1", [name])?;
        self.cancel_jobs(name, None, "The dataset was erased.", when)
    }

    /// Takes a version back: no query reads it any more, jobs that are not done are cancelled.
    ///
    /// # Errors
    /// It was taken back before, or refused.
    pub fn withdraw_version(&self, dataset: &str, number: u64, when: &str) -> Result<()> {
        let sql = "UPDATE versions SET state = 'withdrawn' WHERE dataset = ?1 AND version = ?2 \
                   AND state IN ('open', 'published')";
        if self.sql.execute(sql, params![dataset, number])? == 0 {
            let detail = format!("Version {number} of `{dataset}` holds nothing any more.");
            return Err(Problem::new(Code::Conflict, detail));
        }
        self.sql
            .execute("DELETE FROM chunks WHERE dataset = ?1 AND version = ?2", params![dataset, number])?;
        self.cancel_jobs(dataset, Some(number), "The version was withdrawn.", when)
    }

    /// What a caller is for a dataset.
    ///
    /// # Errors
    /// Those of the database.
    pub fn roles(&self, dataset: &str, caller: &Caller) -> Result<Vec<Role>> {
        let sql = "SELECT role FROM grants WHERE dataset = ?1 AND issuer = ?2 AND subject = ?3";
        let mut statement = self.sql.prepare_cached(sql)?;
        let roles =
            statement.query_map([dataset, &caller.issuer, &caller.subject], |row| row.get::<_, String>(0))?;
        let roles: Vec<String> = roles.collect::<std::result::Result<_, _>>()?;
        Ok(roles.iter().filter_map(|role| role.parse().ok()).collect())
    }

    /// The datasets for which a caller is something, with what.
    ///
    /// # Errors
    /// Those of the database.
    pub fn datasets_of(&self, caller: &Caller) -> Result<Vec<(Dataset, Vec<Role>)>> {
        let sql = "SELECT DISTINCT name, publisher, wrapped_key, created, erased FROM datasets \
                   JOIN grants ON dataset = name WHERE issuer = ?1 AND subject = ?2 ORDER BY name";
        let mut statement = self.sql.prepare_cached(sql)?;
        let found = statement.query_map([&caller.issuer, &caller.subject], dataset)?;
        let datasets: Vec<Dataset> = found.collect::<std::result::Result<_, _>>()?;
        let with_roles = |dataset: Dataset| {
            let roles = self.roles(&dataset.name, caller)?;
            Ok((dataset, roles))
        };
        datasets.into_iter().map(with_roles).collect()
    }

    /// All grants of a dataset.
    ///
    /// # Errors
    /// Those of the database.
    pub fn grants(&self, dataset: &str) -> Result<Vec<Grant>> {
        let sql = "SELECT subject, role FROM grants WHERE dataset = ?1 ORDER BY role, subject";
        let mut statement = self.sql.prepare_cached(sql)?;
        let grants = statement.query_map([dataset], |row| Ok((row.get(0)?, row.get::<_, String>(1)?)))?;
        let grants: Vec<(String, String)> = grants.collect::<std::result::Result<_, _>>()?;
        let known = |(subject, role): (String, String)| Some(Grant { subject, role: role.parse().ok()? });
        Ok(grants.into_iter().filter_map(known).collect())
    }

    /// Gives a role.
    ///
    /// # Errors
    /// Those of the database.
    pub fn grant(&self, dataset: &str, issuer: &str, grant: &Grant) -> Result<()> {
        let sql = "INSERT INTO grants (dataset, issuer, subject, role, granted) VALUES (?1, ?2, ?3, ?4, ?5) \
                   ON CONFLICT DO NOTHING";
        let role = grant.role.to_string();
        self.sql.execute(sql, params![dataset, issuer, grant.subject, role, clock::now()])?;
        Ok(())
    }

    /// Takes a role. The last owner keeps it.
    ///
    /// # Errors
    /// There is no such grant, or no other owner.
    pub fn revoke(&self, dataset: &str, issuer: &str, grant: &Grant) -> Result<()> {
        let sql = "DELETE FROM grants WHERE dataset = ?1 AND issuer = ?2 AND subject = ?3 AND role = ?4";
        let role = grant.role.to_string();
        if self.sql.execute(sql, params![dataset, issuer, grant.subject, role])? == 0 {
            return Err(Problem::not_found(format!("{role} `{}` of `{dataset}`", grant.subject)));
        }
        if !self.grants(dataset)?.iter().any(|grant| grant.role == Role::Owner) {
            let detail = "A dataset has at least one owner. Make another one first.";
            return Err(Problem::new(Code::Conflict, detail));
        }
        Ok(())
    }

    /// A version by number.
    ///
    /// # Errors
    /// There is none.
    pub fn version(&self, dataset: &str, number: u64) -> Result<Version> {
        let sql = format!("{VERSION} WHERE dataset = ?1 AND version = ?2");
        let found_version = self.sql.query_row(&sql, params![dataset, number], version).optional()?;
        found(found_version, &format!("version {number} of `{dataset}`"))
    }

    /// The version that queries read: the last one published.
    ///
    /// # Errors
    /// There is none.
    pub fn published(&self, dataset: &str) -> Result<Version> {
        let sql =
            format!("{VERSION} WHERE dataset = ?1 AND state = 'published' ORDER BY version DESC LIMIT 1");
        let found_version = self.sql.query_row(&sql, [dataset], version).optional()?;
        found(found_version, &format!("published version of `{dataset}`"))
    }

    /// Begins a version; the same manifest again is the version that was begun with it.
    ///
    /// # Errors
    /// Those of the database.
    pub fn begin_version(&self, dataset: &str, new: &Version) -> Result<u64> {
        let sql = "SELECT version FROM versions WHERE dataset = ?1 AND digest = ?2 AND state IN ('open', 'published')";
        if let Some(number) = self.sql.query_row(sql, [dataset, &new.digest], |row| row.get(0)).optional()? {
            return Ok(number);
        }
        let sql = "SELECT coalesce(max(version), 0) + 1 FROM versions WHERE dataset = ?1";
        let number: u64 = self.sql.query_row(sql, [dataset], |row| row.get(0))?;
        let sql = "INSERT INTO versions (dataset, version, state, manifest, digest, signature, schema, key_bytes, \
                   key_digest, created) VALUES (?1, ?2, 'open', ?3, ?4, ?5, ?6, ?7, ?8, ?9)";
        let Version { manifest, digest, signature, schema, key_bytes, key_digest, .. } = new;
        let now = clock::now();
        self.sql.execute(
            sql,
            params![dataset, number, manifest, digest, signature, schema, key_bytes, key_digest, now],
        )?;
        Ok(number)
    }

    /// Moves a version on.
    ///
    /// # Errors
    /// It is not open any more.
    pub fn close_version(&self, dataset: &str, number: u64, state: &str) -> Result<()> {
        let sql = "UPDATE versions SET state = ?3 WHERE dataset = ?1 AND version = ?2 AND state = 'open'";
        match self.sql.execute(sql, params![dataset, number, state])? {
            0 => Err(Problem::new(Code::Conflict, format!("Version {number} of `{dataset}` is not open."))),
            _ => Ok(()),
        }
    }

    /// Notes that a chunk is stored.
    ///
    /// # Errors
    /// Those of the database.
    pub fn put_chunk(
        &self,
        dataset: &str,
        version: u64,
        file: &str,
        number: u64,
        digest: &str,
    ) -> Result<()> {
        let sql = "INSERT OR REPLACE INTO chunks (dataset, version, file, number, digest) VALUES (?1, ?2, ?3, ?4, ?5)";
        self.sql.execute(sql, params![dataset, version, file, number, digest])?;
        Ok(())
    }

    /// The chunks of a file that are stored, in order.
    ///
    /// # Errors
    /// Those of the database.
    pub fn chunks(&self, dataset: &str, version: u64, file: &str) -> Result<Vec<u64>> {
        let sql =
            "SELECT number FROM chunks WHERE dataset = ?1 AND version = ?2 AND file = ?3 ORDER BY number";
        let mut statement = self.sql.prepare_cached(sql)?;
        let numbers = statement.query_map(params![dataset, version, file], |row| row.get(0))?;
        Ok(numbers.collect::<std::result::Result<_, _>>()?)
    }
}
