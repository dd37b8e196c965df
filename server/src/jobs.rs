//! Jobs in the database: queued, running, computed, then released or refused by a custodian; or failed, or cancelled.

use hq_engine::result_file::ProgramRecord;
use rusqlite::{OptionalExtension as _, Row, params};

use crate::identity::Caller;
use crate::problem::{Code, Problem, Result};
use crate::store::{Tx, found};
use hq_engine::clock;

/// All states, as the table of jobs has them.
pub const STATES: [&str; 8] =
    ["queued", "running", "computed", "released", "refused", "failed", "cancelled", "expired"];

/// A job.
#[derive(Clone, Debug)]
pub struct Job {
    /// Its id, 32 hexadecimal digits.
    pub id: String,
    /// The dataset.
    pub dataset: String,
    /// The version of the dataset.
    pub version: u64,
    /// Issuer of whoever submitted it.
    pub issuer: String,
    /// Whoever submitted it.
    pub subject: String,
    /// What it is for.
    pub purpose: String,
    /// The program, as the result will hold it.
    pub program: ProgramRecord,
    /// For whom the released table is encrypted.
    pub recipient: String,
    /// Bytes of its secret parameters, encrypted; 0 where it has none.
    pub parameters: u64,
    /// Digest of the plan.
    pub plan: String,
    /// Digest of the build of the backend that planned it; empty for jobs of before it was noted.
    pub backend: String,
    /// Numbers that are opened.
    pub numbers: u64,
    /// Where it is.
    pub state: String,
    /// Blocks done.
    pub done: u64,
    /// Blocks in all.
    pub blocks: u64,
    /// How often it was begun.
    pub attempts: u32,
    /// Stable code of a failure.
    pub code: Option<String>,
    /// One sentence about it.
    pub detail: Option<String>,
    /// Digest of what was submitted.
    pub request: String,
    /// When it was submitted.
    pub created: String,
    /// When it came to its end.
    pub ended: Option<String>,
}

const COLUMNS: &str = "id, dataset, version, issuer, subject, purpose, program, recipient, plan, numbers, state, done, \
                       blocks, attempts, code, detail, request, created, ended, backend, parameters";

fn job(row: &Row<'_>) -> rusqlite::Result<Job> {
    let program: String = row.get(6)?;
    let program = serde_json::from_str(&program).map_err(|error| {
        rusqlite::Error::FromSqlConversionFailure(6, rusqlite::types::Type::Text, Box::new(error))
    })?;
    Ok(Job {
        id: row.get(0)?,
        dataset: row.get(1)?,
        version: row.get(2)?,
        issuer: row.get(3)?,
        subject: row.get(4)?,
        purpose: row.get(5)?,
        program,
        recipient: row.get(7)?,
        plan: row.get(8)?,
        numbers: row.get(9)?,
        state: row.get(10)?,
        done: row.get(11)?,
        blocks: row.get(12)?,
        attempts: row.get(13)?,
        code: row.get(14)?,
        detail: row.get(15)?,
        request: row.get(16)?,
        created: row.get(17)?,
        ended: row.get(18)?,
        backend: row.get(19)?,
        parameters: row.get(20)?,
    })
}

impl Job {
    /// Whether nothing more will become of it.
    #[must_use]
    pub fn is_over(&self) -> bool {
        !matches!(self.state.as_str(), "queued" | "running" | "computed")
    }

    /// Whether a plugin of this digest plans, computes, or gives it functions.
    #[must_use]
    pub fn uses(&self, digest: &str) -> bool {
        self.backend == digest || self.program.functions.values().any(|used| used == digest)
    }

    /// Whether its secret parameters are not needed any more.
    #[must_use]
    pub fn is_computed(&self) -> bool {
        !matches!(self.state.as_str(), "queued" | "running")
    }

    /// Whether somebody submitted it.
    #[must_use]
    pub fn is_of(&self, caller: &Caller) -> bool {
        self.issuer == caller.issuer && self.subject == caller.subject
    }
}

impl Tx<'_> {
    /// A job by id.
    ///
    /// # Errors
    /// There is none.
    pub fn job(&self, id: &str) -> Result<Job> {
        let sql = format!("SELECT {COLUMNS} FROM jobs WHERE id = ?1");
        found(self.sql.query_row(&sql, [id], job).optional()?, &format!("job `{id}`"))
    }

    /// A job that a caller submitted under an idempotency key.
    ///
    /// # Errors
    /// Those of the database.
    pub fn job_under(&self, caller: &Caller, key: &str) -> Result<Option<Job>> {
        let sql =
            format!("SELECT {COLUMNS} FROM jobs WHERE issuer = ?1 AND subject = ?2 AND idempotency = ?3");
        Ok(self.sql.query_row(&sql, [&caller.issuer, &caller.subject, key], job).optional()?)
    }

    /// Queues a job.
    ///
    /// # Errors
    /// The researcher has too many, or had too many today.
    pub fn submit(&self, job: &Job, key: &str, most_waiting: u64, per_day: Option<u64>) -> Result<()> {
        let sql =
            "SELECT count(*) FROM jobs WHERE issuer = ?1 AND subject = ?2 AND state IN ('queued', 'running')";
        let waiting: u64 = self.sql.query_row(sql, [&job.issuer, &job.subject], |row| row.get(0))?;
        if waiting >= most_waiting {
            let detail = format!("{waiting} of your jobs wait or are computed. Wait for one, or cancel it.");
            return Err(Problem::new(Code::Quota, detail));
        }
        let sql = "SELECT count(*) FROM jobs WHERE issuer = ?1 AND subject = ?2 AND dataset = ?3 \
                   AND substr(created, 1, 10) = ?4 AND state NOT IN ('failed', 'cancelled')";
        let today = clock::day(clock::now_s());
        let today: u64 =
            self.sql.query_row(sql, [&job.issuer, &job.subject, &job.dataset, &today], |row| row.get(0))?;
        if let Some(most) = per_day.filter(|&most| today >= most) {
            let detail =
                format!("`{}` allows {most} queries per researcher and day (`per_day`).", job.dataset);
            return Err(Problem::new(Code::Quota, detail));
        }
        let sql = "INSERT INTO jobs (id, dataset, version, issuer, subject, purpose, program, recipient, plan, numbers, \
                   state, blocks, idempotency, request, created, backend, parameters) \
                   VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, 'queued', ?11, ?12, ?13, ?14, ?15, ?16)";
        let program = serde_json::to_string(&job.program)?;
        let Job { id, dataset, version, issuer, subject, purpose, recipient, plan, numbers, .. } = job;
        let Job { blocks, request, created, backend, parameters, .. } = job;
        self.sql.execute(
            sql,
            params![
                id, dataset, version, issuer, subject, purpose, program, recipient, plan, numbers, blocks,
                key, request, created, backend, parameters
            ],
        )?;
        Ok(())
    }

    /// The job that is computed next: of the researcher who has fewest running, the oldest. It is running from now on.
    ///
    /// # Errors
    /// Those of the database.
    pub fn claim(&self) -> Result<Option<Job>> {
        let sql = "SELECT id FROM jobs AS waiting WHERE state = 'queued' ORDER BY \
                   (SELECT count(*) FROM jobs AS other WHERE other.state = 'running' \
                    AND other.issuer = waiting.issuer AND other.subject = waiting.subject), created, id LIMIT 1";
        let id: Option<String> = self.sql.query_row(sql, [], |row| row.get(0)).optional()?;
        let Some(id) = id else { return Ok(None) };
        let sql = "UPDATE jobs SET state = 'running', attempts = attempts + 1 WHERE id = ?1";
        self.sql.execute(sql, [&id])?;
        self.job(&id).map(Some)
    }

    /// Jobs that were running when the service ended are queued again; how many.
    ///
    /// # Errors
    /// Those of the database.
    pub fn requeue(&self) -> Result<usize> {
        let sql = "UPDATE jobs SET state = 'queued', attempts = attempts - 1 WHERE state = 'running'";
        Ok(self.sql.execute(sql, [])?)
    }

    /// All jobs that wait or are computed.
    ///
    /// # Errors
    /// Those of the database.
    pub fn all_at_work(&self) -> Result<Vec<Job>> {
        let sql = format!("SELECT {COLUMNS} FROM jobs WHERE state IN ('queued', 'running')");
        let mut statement = self.sql.prepare_cached(&sql)?;
        let jobs = statement.query_map([], job)?;
        Ok(jobs.collect::<std::result::Result<_, _>>()?)
    }

    /// Jobs over a dataset, or a version of it, that wait or are computed.
    ///
    /// # Errors
    /// Those of the database.
    pub fn at_work(&self, dataset: &str, version: Option<u64>) -> Result<Vec<String>> {
        let sql = "SELECT id FROM jobs WHERE dataset = ?1 AND (?2 IS NULL OR version = ?2) \
                   AND state IN ('queued', 'running')";
        let mut statement = self.sql.prepare(sql)?;
        let jobs = statement.query_map(params![dataset, version], |row| row.get(0))?;
        Ok(jobs.collect::<std::result::Result<_, _>>()?)
    }

    /// Cancels those, and what was computed and not opened.
    ///
    /// # Errors
    /// Those of the database.
    pub fn cancel_jobs(&self, dataset: &str, version: Option<u64>, why: &str, when: &str) -> Result<()> {
        let sql = "UPDATE jobs SET state = 'cancelled', ended = ?4, detail = ?3 WHERE dataset = ?1 \
                   AND (?2 IS NULL OR version = ?2) AND state IN ('queued', 'running', 'computed')";
        self.sql.execute(sql, params![dataset, version, why, when])?;
        Ok(())
    }

    /// How far a job is.
    ///
    /// # Errors
    /// Those of the database.
    pub fn progress(&self, id: &str, done: u64) -> Result<()> {
        self.sql
            .execute("UPDATE jobs SET done = ?2 WHERE id = ?1 AND state = 'running'", params![id, done])?;
        Ok(())
    }

    /// Moves a job from one of some states to another; whether it was in one of them.
    ///
    /// # Errors
    /// Those of the database.
    pub fn move_job(&self, id: &str, from: &[&str], to: &str, why: Option<(&str, &str)>) -> Result<bool> {
        let now = self.job(id)?;
        if !from.contains(&now.state.as_str()) {
            return Ok(false);
        }
        let ended = (!matches!(to, "queued" | "running" | "computed")).then(clock::now);
        let (code, detail) = why.unzip();
        let sql = "UPDATE jobs SET state = ?2, ended = ?3, code = ?4, detail = ?5, \
                   done = CASE WHEN ?2 = 'computed' THEN blocks ELSE done END WHERE id = ?1";
        self.sql.execute(sql, params![id, to, ended, code, detail])?;
        Ok(true)
    }

    /// Jobs that a caller submitted, or that are of datasets whose results the caller opens; the newest first.
    ///
    /// # Errors
    /// Those of the database.
    pub fn jobs_of(
        &self,
        caller: &Caller,
        state: Option<&str>,
        before: Option<&str>,
        limit: u32,
    ) -> Result<Vec<Job>> {
        let sql = format!(
            "SELECT {COLUMNS} FROM jobs WHERE ((issuer = ?1 AND subject = ?2) OR EXISTS (SELECT 1 FROM grants WHERE \
             grants.dataset = jobs.dataset AND grants.issuer = ?1 AND grants.subject = ?2 \
             AND role IN ('owner', 'custodian'))) AND (?3 IS NULL OR state = ?3) \
             AND (?4 IS NULL OR created || id < (SELECT created || id FROM jobs WHERE id = ?4)) \
             ORDER BY created || id DESC LIMIT ?5"
        );
        let mut statement = self.sql.prepare_cached(&sql)?;
        let jobs = statement.query_map(params![caller.issuer, caller.subject, state, before, limit], job)?;
        Ok(jobs.collect::<std::result::Result<_, _>>()?)
    }
}
