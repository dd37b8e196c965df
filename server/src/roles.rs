//! What one may be for a dataset, and what a route asks for.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// A role for one dataset.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// Publishes, grants, erases.
    Owner,
    /// Checks and submits queries, reads what was released to them.
    Researcher,
    /// Opens results.
    Custodian,
    /// Reads the dataset's entries of the audit log.
    Auditor,
}

impl Role {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Owner, Self::Researcher, Self::Custodian, Self::Auditor];
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Owner => "owner",
            Self::Researcher => "researcher",
            Self::Custodian => "custodian",
            Self::Auditor => "auditor",
        })
    }
}

impl FromStr for Role {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        Self::ALL.into_iter().find(|role| role.to_string() == text).ok_or(())
    }
}

/// Who may call a route.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// Anyone, without a token.
    Public,
    /// Anyone with a token; the handler shows what is the caller's.
    SignedIn,
    /// Whose token says so.
    Claim(Claim),
    /// Whoever has one of these roles for the dataset of the path.
    Dataset(&'static [Role]),
    /// Whoever has one of these roles for the dataset of the job of the path.
    Job(&'static [Role]),
    /// As above, or who submitted the job and is still a researcher of the dataset.
    JobOrOwn(&'static [Role]),
}

/// What a token may say of its subject for the whole service.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Claim {
    /// May create datasets.
    Owner,
    /// Sees metrics.
    Operator,
    /// Reads the whole audit log.
    Auditor,
    /// Registers and revokes plugins.
    Administrator,
}
