//! The service as callers have it: over HTTP, with tokens.
#![expect(clippy::unwrap_used, reason = "a failing test may panic")]

mod access;
mod backups;
mod clinic;
mod custody;
mod document;
mod erasure;
mod jobs;
mod journey;
mod kills;
mod monitoring;
mod page;
mod people;
mod plugins;
mod provider;
mod running;
mod schemathesis;
mod tokens;
mod uploads;
