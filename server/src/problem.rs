//! What a caller is told when something is not done: problem+json (RFC 9457) with a stable code. What the log reads is
//! another text.

use actix_web::body::BoxBody;
use actix_web::error::BlockingError;
use actix_web::http::StatusCode;
use actix_web::{HttpResponse, ResponseError};
use hq_engine::run::SourceError;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::diagnostics::DiagnosticBody;

macro_rules! codes {
    ($($(#[$doc:meta])* $name:ident = $code:literal $status:ident $title:literal,)*) => {
        /// Stable codes.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum Code { $($(#[$doc])* $name,)* }

        impl Code {
            /// All of them.
            pub const ALL: &'static [Self] = &[$(Self::$name),*];

            /// As it is written.
            #[must_use]
            pub fn text(self) -> &'static str {
                match self { $(Self::$name => $code,)* }
            }

            /// The status that goes with it.
            #[must_use]
            pub fn status(self) -> StatusCode {
                match self { $(Self::$name => StatusCode::$status,)* }
            }

            /// What it is about.
            #[must_use]
            pub fn title(self) -> &'static str {
                match self { $(Self::$name => $title,)* }
            }
        }
    };
}
codes! {
    /// No token, or one that is not taken.
    Unauthenticated = "unauthenticated" UNAUTHORIZED "Log in",
    /// Not this role.
    Forbidden = "forbidden" FORBIDDEN "Not allowed",
    /// Nothing there.
    NotFound = "not-found" NOT_FOUND "Nothing there",
    /// A body that is not as the document says.
    Invalid = "invalid" BAD_REQUEST "The request is not as it should be",
    /// Too many bytes.
    TooLarge = "too-large" PAYLOAD_TOO_LARGE "Too large",
    /// The program is not sound.
    Program = "program" UNPROCESSABLE_ENTITY "The program has errors",
    /// It is in another state.
    Conflict = "conflict" CONFLICT "Not in this state",
    /// An idempotency key that stood for another request.
    IdempotencyReused = "idempotency-reused" UNPROCESSABLE_ENTITY "The idempotency key is taken",
    /// Bytes are not those of their digest.
    Digest = "digest" UNPROCESSABLE_ENTITY "The digest does not match",
    /// A signature is not that of the owner.
    Signature = "signature" UNPROCESSABLE_ENTITY "The signature does not match",
    /// A secret key was sent.
    KeyMark = "secret-key" UNPROCESSABLE_ENTITY "A secret key was sent",
    /// An upload is not a dataset.
    Dataset = "dataset" UNPROCESSABLE_ENTITY "The dataset is not sound",
    /// A plugin that cannot be used.
    Plugin = "plugin" UNPROCESSABLE_ENTITY "The plugin is not accepted",
    /// Too much at once, or on one day.
    Quota = "quota" TOO_MANY_REQUESTS "Too much at once",
    /// Secret parameters that are missing, or not those of the program and the dataset.
    Parameters = "parameters" UNPROCESSABLE_ENTITY "The secret parameters are not sound",
    /// Something that is not done here.
    Unsupported = "unsupported" UNPROCESSABLE_ENTITY "Not supported",
    /// The dataset is erased.
    Erased = "erased" GONE "The dataset is erased",
    /// Our fault.
    Internal = "internal" INTERNAL_SERVER_ERROR "The service failed",
    /// Not now.
    Unavailable = "unavailable" SERVICE_UNAVAILABLE "Not available now",
}

/// Something that is not done.
#[derive(Debug, thiserror::Error)]
#[error("{}: {detail}", code.text())]
pub struct Problem {
    /// Its code.
    pub code: Code,
    /// One sentence for the caller.
    pub detail: String,
    /// What is wrong with the program.
    pub diagnostics: Vec<DiagnosticBody>,
}

/// Result of a handler.
pub type Result<T> = std::result::Result<T, Problem>;

/// A problem as it is sent.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct ProblemBody {
    /// `urn:hq:problem:` and the code.
    pub r#type: String,
    /// What it is about.
    pub title: String,
    /// The HTTP status.
    pub status: u16,
    /// The stable code.
    pub code: String,
    /// One sentence about this case.
    pub detail: String,
    /// What is wrong with the program, where that is the matter.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub diagnostics: Vec<DiagnosticBody>,
}

impl Problem {
    /// A problem with a code.
    #[must_use]
    pub fn new(code: Code, detail: impl Into<String>) -> Self {
        Self { code, detail: detail.into(), diagnostics: Vec::new() }
    }

    /// The caller sent something that cannot be.
    #[must_use]
    pub fn invalid(detail: impl Into<String>) -> Self {
        Self::new(Code::Invalid, detail)
    }

    /// There is nothing.
    #[must_use]
    pub fn not_found(what: impl Into<String>) -> Self {
        Self::new(Code::NotFound, format!("There is no {}.", what.into()))
    }

    /// A failure of the service: the cause goes to the log alone.
    #[must_use]
    pub fn internal(cause: impl std::fmt::Display) -> Self {
        tracing::error!(cause = %cause, "a request failed");
        Self::new(Code::Internal, "The cause is in the service's log. Try again, or tell the operator.")
    }

    /// As it is sent.
    #[must_use]
    pub fn body(&self) -> ProblemBody {
        ProblemBody {
            r#type: format!("urn:hq:problem:{}", self.code.text()),
            title: self.code.title().to_owned(),
            status: self.code.status().as_u16(),
            code: self.code.text().to_owned(),
            detail: self.detail.clone(),
            diagnostics: self.diagnostics.clone(),
        }
    }
}

impl ResponseError for Problem {
    fn status_code(&self) -> StatusCode {
        self.code.status()
    }

    fn error_response(&self) -> HttpResponse<BoxBody> {
        let mut response = HttpResponse::build(self.code.status());
        response.content_type("application/problem+json");
        if self.code == Code::Unauthenticated {
            response.insert_header(("WWW-Authenticate", "Bearer"));
        }
        if self.code == Code::Quota {
            response.insert_header(("Retry-After", "5"));
        }
        // A structure of strings always has a text.
        response.body(serde_json::to_vec(&self.body()).unwrap_or_default())
    }
}

impl From<rusqlite::Error> for Problem {
    fn from(error: rusqlite::Error) -> Self {
        Self::internal(error)
    }
}

impl From<object_store::Error> for Problem {
    fn from(error: object_store::Error) -> Self {
        Self::internal(error)
    }
}

impl From<serde_json::Error> for Problem {
    fn from(error: serde_json::Error) -> Self {
        Self::internal(error)
    }
}

impl From<BlockingError> for Problem {
    fn from(error: BlockingError) -> Self {
        Self::internal(error)
    }
}

impl From<SourceError> for Problem {
    fn from(error: SourceError) -> Self {
        Self::new(
            Code::Dataset,
            format!("{error}. Nothing of it was kept; encrypt the table again and send it anew."),
        )
    }
}
