//! The service as callers have it: over HTTP, with tokens.
#![expect(clippy::unwrap_used, reason = "a failing test may panic")]

mod access;
mod backups;
mod clinic;
mod clouds;
mod custody;
mod document;
mod erasure;
mod gates;
mod jobs;
mod journey;
mod kills;
mod monitoring;
mod page;
mod parameters;
mod people;
mod plugins;
mod process;
mod provider;
mod running;
mod schemathesis;
mod tokens;
mod traces;
mod uploads;
