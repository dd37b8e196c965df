//! The database: one connection, one writer at a time. A change of state and its entry in the audit log are one transaction.

use std::path::Path;
use std::sync::{Mutex, PoisonError};

use hq_engine::audit::{Entry, Event, Head, NOTHING_BEFORE};
use hq_engine::signed::SigningKey;
use rusqlite::{Connection, OptionalExtension as _, Transaction, TransactionBehavior, params};
use rusqlite_migration::{M, Migrations};

use crate::problem::{Problem, Result};
use hq_engine::clock;

const STEPS: &[M<'_>] = &[
    M::up(include_str!("schema.sql")),
    // Digest of the build of the backend that planned a job.
    M::up("ALTER TABLE jobs ADD COLUMN backend TEXT NOT NULL DEFAULT ''"),
    // Bytes of a job's secret parameters, encrypted.
    M::up("ALTER TABLE jobs ADD COLUMN parameters INTEGER NOT NULL DEFAULT 0"),
];
const MIGRATIONS: Migrations<'_> = Migrations::from_slice(STEPS);

/// Entries after which a head is signed without being asked for.
const HEAD_EVERY: u64 = 64;

/// Why there is no database.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// It cannot be opened.
    #[error("the database cannot be opened: {0}")]
    Open(#[from] rusqlite::Error),
    /// Its tables cannot be brought to this version.
    #[error("the database cannot be migrated: {0}. An older hq-server cannot read what a newer one wrote")]
    Migrate(#[from] rusqlite_migration::Error),
}

/// The database.
#[derive(Debug)]
pub struct Store {
    connection: Mutex<Connection>,
    signer: SigningKey,
}

/// Which entries of the log; what is not named is not asked for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Entries {
    /// About a dataset.
    pub dataset: Option<String>,
    /// Of somebody.
    pub subject: Option<String>,
    /// Of identities of an issuer.
    pub issuer: Option<String>,
    /// From a time on, such as `2026-11-28`.
    pub from: Option<String>,
    /// Before a time.
    pub until: Option<String>,
}

/// A transaction.
pub struct Tx<'a> {
    /// The database's own.
    pub sql: Transaction<'a>,
    signer: &'a SigningKey,
}

impl Store {
    /// Opens the database of a file, or makes it.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub fn open(path: &Path, signer: SigningKey) -> std::result::Result<Self, StoreError> {
        let mut connection = Connection::open(path)?;
        connection.pragma_update(None, "journal_mode", "WAL")?;
        connection.pragma_update(None, "synchronous", "FULL")?;
        connection.pragma_update(None, "foreign_keys", true)?;
        // The wrapped key of an erased dataset must not stay in a free page.
        connection.pragma_update(None, "secure_delete", true)?;
        MIGRATIONS.to_latest(&mut connection)?;
        Ok(Self { connection: Mutex::new(connection), signer })
    }

    /// Does something in one transaction; on an error nothing of it is there.
    ///
    /// # Errors
    /// Those of `act`, and of the database.
    pub fn with<T>(&self, act: impl FnOnce(&Tx<'_>) -> Result<T>) -> Result<T> {
        let mut connection = self.connection.lock().unwrap_or_else(PoisonError::into_inner);
        let sql = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let tx = Tx { sql, signer: &self.signer };
        let value = act(&tx)?;
        tx.sql.commit()?;
        Ok(value)
    }

    /// Writes an entry by itself, as for what was refused.
    ///
    /// # Errors
    /// Those of the database.
    pub fn audit(&self, event: Event) -> Result<()> {
        self.with(|tx| tx.audit(event))
    }

    /// Moves what was written into the database's file, so that nothing stays in the log beside it.
    ///
    /// # Errors
    /// Those of the database.
    pub fn checkpoint(&self) -> Result<()> {
        let connection = self.connection.lock().unwrap_or_else(PoisonError::into_inner);
        connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()))?;
        Ok(())
    }
}

impl Tx<'_> {
    /// Appends to the audit log.
    ///
    /// # Errors
    /// Those of the database.
    pub fn audit(&self, event: Event) -> Result<()> {
        let (last, previous) = self.last_entry()?;
        let (dataset, subject) = (event.dataset.clone(), event.subject.clone());
        let entry = Entry { number: last + 1, time: clock::now(), event, previous };
        let (line, digest) = entry.line()?;
        let sql = "INSERT INTO audit (number, dataset, subject, line) VALUES (?1, ?2, ?3, ?4)";
        self.sql.execute(sql, params![entry.number, dataset, subject, line])?;
        if entry.number.is_multiple_of(HEAD_EVERY) {
            self.sign_head(entry.number, &digest)?;
        }
        Ok(())
    }

    /// Number and digest of the last entry.
    fn last_entry(&self) -> Result<(u64, String)> {
        let sql = "SELECT number, substr(line, 1, 64) FROM audit ORDER BY number DESC LIMIT 1";
        let last = self.sql.query_row(sql, [], |row| Ok((row.get(0)?, row.get(1)?))).optional()?;
        Ok(last.unwrap_or_else(|| (0, NOTHING_BEFORE.to_owned())))
    }

    fn sign_head(&self, entries: u64, digest: &str) -> Result<Head> {
        let head = Head::sign(self.signer, entries, digest, &clock::now());
        let sql = "INSERT OR REPLACE INTO heads (entries, head) VALUES (?1, ?2)";
        self.sql.execute(sql, params![entries, serde_json::to_string(&head)?])?;
        Ok(head)
    }

    /// A signed head of the log as it is now.
    ///
    /// # Errors
    /// Those of the database.
    pub fn head(&self) -> Result<Head> {
        let (entries, digest) = self.last_entry()?;
        self.sign_head(entries, &digest)
    }

    /// All heads that were signed.
    ///
    /// # Errors
    /// Those of the database.
    pub fn heads(&self) -> Result<Vec<Head>> {
        let mut statement = self.sql.prepare("SELECT head FROM heads ORDER BY entries")?;
        let texts = statement.query_map([], |row| row.get::<_, String>(0))?;
        texts.map(|text| Ok(serde_json::from_str(&text?)?)).collect()
    }

    /// Lines of the log after an entry, at most so many.
    ///
    /// # Errors
    /// Those of the database.
    pub fn audit_lines(&self, after: u64, limit: u32, which: &Entries) -> Result<Vec<String>> {
        // Behind digest and space.
        let field = |name: &str| format!("json_extract(substr(line, 66), '$.{name}')");
        let (issuer, time) = (field("event.issuer"), field("time"));
        let sql = format!(
            "SELECT line FROM audit WHERE number > ?1 AND (?3 IS NULL OR dataset = ?3) AND (?4 IS NULL OR subject = ?4) \
             AND (?5 IS NULL OR {issuer} = ?5) AND (?6 IS NULL OR {time} >= ?6) AND (?7 IS NULL OR {time} < ?7) \
             ORDER BY number LIMIT ?2"
        );
        let mut statement = self.sql.prepare_cached(&sql)?;
        let Entries { dataset, subject, issuer, from, until } = which;
        let values = params![after, limit, dataset, subject, issuer, from, until];
        let lines = statement.query_map(values, |row| row.get(0))?;
        Ok(lines.collect::<std::result::Result<_, _>>()?)
    }

    /// Signs something of another kind with the service's key.
    #[must_use]
    pub fn sign(&self, context: &str, message: &str) -> (String, String) {
        let key = hq_engine::signed::public_key(self.signer);
        (key, hq_engine::signed::sign(self.signer, context, message.as_bytes()))
    }
}

/// What is not there is a problem of the caller.
///
/// # Errors
/// Not found.
pub fn found<T>(value: Option<T>, what: &str) -> Result<T> {
    value.ok_or_else(|| Problem::not_found(what))
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failing test may panic")]

    use super::*;
    use hq_engine::audit::verify;

    #[test]
    fn the_log_is_chained_signed_and_only_grows() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("hq.sqlite");
        let store = Store::open(&path, SigningKey::from_bytes(&[5; 32])).unwrap();
        for number in 0..70 {
            store.audit(Event { action: format!("a{number}"), ..Event::default() }).unwrap();
        }
        // What fails leaves no entry behind.
        let failed: Result<()> = store.with(|tx| {
            tx.audit(Event::default())?;
            Err(Problem::invalid("no"))
        });
        assert!(failed.is_err());
        drop(store);
        let store = Store::open(&path, SigningKey::from_bytes(&[5; 32])).unwrap();
        let (lines, heads) =
            store.with(|tx| Ok((tx.audit_lines(0, 1000, &Entries::default())?, tx.heads()?))).unwrap();
        assert_eq!((lines.len(), heads.len()), (70, 1));
        assert_eq!(verify(lines.iter().map(String::as_str), &heads, None).unwrap().0, 70);
        for sql in ["UPDATE audit SET line = ''", "DELETE FROM audit WHERE number = 70"] {
            let refused = store.with(|tx| Ok(tx.sql.execute(sql, [])?));
            assert!(refused.is_err());
        }
    }
}
