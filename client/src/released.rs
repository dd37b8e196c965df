//! What a custodian releases: the results in every form in which they may be shown, bound to the job, the plan and the version
//! of the dataset that they are of. It travels encrypted to the researcher.

use age::x25519::{Identity, Recipient};
use serde::{Deserialize, Serialize};

use crate::cli::Format;

/// Form of the document.
const VERSION: u32 = 1;

/// Released results.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ReleasedTable {
    version: u32,
    /// The job.
    pub(crate) job: String,
    /// Digest of the plan.
    pub(crate) plan: String,
    /// Digest of the manifest of the dataset's version.
    pub(crate) manifest: String,
    /// For reading.
    table: String,
    /// For programs.
    json: String,
    /// For spreadsheets.
    csv: String,
    /// What is hidden and why, for standard error.
    hidden: String,
    /// A picture, where one can be drawn.
    pub(crate) svg: Option<String>,
}

/// A job, its plan and the version of its dataset.
pub(crate) struct Binding<'a> {
    /// The job.
    pub(crate) job: &'a str,
    /// Digest of the plan.
    pub(crate) plan: &'a str,
    /// Digest of the manifest.
    pub(crate) manifest: &'a str,
}

impl ReleasedTable {
    /// The texts of results; `render` gives one for each format.
    pub(crate) fn new<E>(
        binding: &Binding<'_>,
        hidden: String,
        svg: Option<String>,
        render: impl Fn(Format) -> Result<String, E>,
    ) -> Result<Self, E> {
        Ok(Self {
            version: VERSION,
            job: binding.job.to_owned(),
            plan: binding.plan.to_owned(),
            manifest: binding.manifest.to_owned(),
            table: render(Format::Table)?,
            json: render(Format::Json)?,
            csv: render(Format::Csv)?,
            hidden,
            svg,
        })
    }

    /// The text of a format, and what belongs on standard error.
    pub(crate) fn text(&self, format: Format) -> (&str, &str) {
        match format {
            Format::Table => (&self.table, ""),
            Format::Json => (&self.json, &self.hidden),
            Format::Csv => (&self.csv, &self.hidden),
        }
    }

    /// Encrypted to a researcher.
    pub(crate) fn seal(&self, recipient: &Recipient) -> Result<Vec<u8>, String> {
        let text = serde_json::to_vec(self).map_err(|error| error.to_string())?;
        age::encrypt(recipient, &text).map_err(|error| error.to_string())
    }

    /// Opened by the researcher.
    pub(crate) fn open(bytes: &[u8], identity: &Identity) -> Result<Self, String> {
        let text = age::decrypt(identity, bytes).map_err(|error| error.to_string())?;
        let table: Self = serde_json::from_slice(&text).map_err(|error| error.to_string())?;
        if table.version != VERSION {
            return Err(format!("it has version {}, this program reads {VERSION}", table.version));
        }
        Ok(table)
    }
}
