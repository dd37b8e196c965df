//! What a custodian released before, and what therefore may not be released now: more queries on one day than the dataset
//! allows; a count that differs by few persons from one that is known.
//!
//! The history is a file beside the keys, a line for each job. It holds counts of persons: it stays with the custodian.
//! Only nested selections are compared: that A and B overlap in all but few persons by other conditions is not seen.

use std::path::{Path, PathBuf};

use hq_dsl::ReleaseRules;
use serde::{Deserialize, Serialize};

use super::selection::Selection;
use crate::configuration::append_private;
use crate::error::{ClientError, Result, damaged};
use crate::keys::read_bounded;

/// The file, in the folder of keys.
const HISTORY: &str = "history.jsonl";
/// Largest file that is read, in bytes.
const MAX_BYTES: u64 = 4 << 30;

/// A job of which results were released.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Past {
    /// The job.
    pub(crate) job: String,
    /// Who asked.
    pub(crate) subject: String,
    /// For whom it was encrypted.
    pub(crate) recipient: String,
    /// Days since 1970.
    pub(crate) day: u64,
    /// Digest of the manifest of the dataset's version.
    pub(crate) manifest: String,
    /// Digest of the plan.
    pub(crate) plan: String,
    /// What became known.
    pub(crate) selections: Vec<Selection>,
}

/// All of them.
#[derive(Debug)]
pub(crate) struct History {
    path: PathBuf,
    past: Vec<Past>,
}

impl History {
    /// Of a folder of keys.
    pub(crate) fn read(keys: &Path) -> Result<Self> {
        let path = keys.join(HISTORY);
        let bytes = if path.exists() { read_bounded(&path, MAX_BYTES)? } else { Vec::new() };
        let text = String::from_utf8(bytes).map_err(|error| damaged(&path, error.to_string()))?;
        let mut past = Vec::new();
        for (index, line) in text.lines().enumerate() {
            let reason = |error| format!("line {}: {error}. Without it, nothing is released", index + 1);
            past.push(serde_json::from_str(line).map_err(|error| damaged(&path, reason(error)))?);
        }
        Ok(Self { path, past })
    }

    /// For whom tables of somebody were encrypted the last time.
    pub(crate) fn recipient_of(&self, subject: &str) -> Option<&str> {
        self.past.iter().rev().find(|past| past.subject == subject).map(|past| past.recipient.as_str())
    }

    /// Why something may not be released, for the researcher.
    pub(crate) fn refuses(&self, new: &Past, rules: ReleaseRules) -> Option<String> {
        let earlier = || self.past.iter().filter(|past| past.job != new.job);
        let today = earlier().filter(|past| past.subject == new.subject && past.day == new.day).count();
        if let Some(most) = rules.per_day.filter(|&most| today as u64 >= most) {
            return Some(format!("{most} results a day are released to one researcher (per_day)."));
        }
        let min_cell = i128::from(rules.min_cell);
        let close = |known: &Selection| {
            new.selections.iter().any(|selection| {
                // The same conditions have the same rows, but for those with a secret parameter.
                let nested = selection.conditions.is_superset(&known.conditions)
                    || selection.conditions.is_subset(&known.conditions);
                nested && (1..min_cell).contains(&(selection.rows - known.rows).abs())
            })
        };
        let same_rows = earlier().filter(|past| past.manifest == new.manifest);
        let found = same_rows.into_iter().find(|past| past.selections.iter().any(close))?;
        Some(format!(
            "A number differs by fewer than {min_cell} persons from one that was released with job {}: together they \
             would show what small cells hide.",
            found.job
        ))
    }

    /// Remembers a job before its results leave; one that is known already is known.
    pub(crate) fn remember(&mut self, new: Past) -> Result<()> {
        if self.past.contains(&new) {
            return Ok(());
        }
        let line = serde_json::to_string(&new)
            .map_err(|error| ClientError::Format { format: "JSON", reason: error.to_string() })?;
        append_private(&self.path, &line)?;
        self.past.push(new);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failing test may panic")]

    use super::*;

    fn past(job: &str, day: u64, selections: &[(&[&str], i128)]) -> Past {
        let selection = |&(conditions, rows): &(&[&str], i128)| Selection {
            conditions: conditions.iter().map(|&text| text.to_owned()).collect(),
            rows,
        };
        Past {
            job: job.to_owned(),
            subject: "ada".to_owned(),
            recipient: "age1".to_owned(),
            day,
            manifest: "m".to_owned(),
            plan: "p".to_owned(),
            selections: selections.iter().map(selection).collect(),
        }
    }

    #[test]
    fn differences_of_few_persons_and_too_many_queries_are_refused() {
        let folder = tempfile::tempdir().unwrap();
        let rules =
            ReleaseRules { min_cell: 11, max_cells: 100, per_day: Some(2), min_cell_encrypted: false };
        let mut history = History::read(folder.path()).unwrap();
        history.remember(past("1", 5, &[(&["a"], 100), (&["b"], 40)])).unwrap();
        // The history is that of the file.
        let mut history = History::read(folder.path()).unwrap();
        assert_eq!(history.recipient_of("ada"), Some("age1"));
        let refused = |history: &History, new: &Past| history.refuses(new, rules);
        let close = refused(&history, &past("2", 5, &[(&["a", "c"], 90)])).unwrap();
        assert!(close.contains("fewer than 11") && close.contains("job 1"), "{close}");
        // One condition with two secret parameters.
        assert!(refused(&history, &past("2", 5, &[(&["a"], 95)])).unwrap().contains("fewer than 11"));
        // The same rows, rows that do not nest, and differences that are no small cell.
        for selection in
            [(&["a"][..], 100), (&["a"], 89), (&["c"], 99), (&["a", "c"], 100), (&["a", "c"], 89)]
        {
            assert_eq!(refused(&history, &past("2", 5, &[selection])), None, "{selection:?}");
        }
        // Of other rows, and of the job itself.
        let other = Past { manifest: "n".to_owned(), ..past("2", 5, &[(&["a", "c"], 90)]) };
        assert_eq!(refused(&history, &other), None);
        assert_eq!(refused(&history, &past("1", 5, &[(&["a", "c"], 90)])), None);

        history.remember(past("2", 5, &[])).unwrap();
        let third = refused(&history, &past("3", 5, &[])).unwrap();
        assert!(third.contains("per_day"), "{third}");
        assert_eq!(refused(&history, &past("3", 6, &[])), None);
        std::fs::write(folder.path().join(HISTORY), "{}\n").unwrap();
        assert!(History::read(folder.path()).is_err());
    }
}
