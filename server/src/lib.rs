//! The service: it keeps encrypted datasets, computes queries on them and hands results to custodians. It holds no secret key.
//!
//! | concept | file |
//! |---|---|
//! | what can be set | `config` |
//! | who calls and what they may | `identity`, `roles` |
//! | what is kept: tables and the audit log, sealed objects | `store`, `datasets`, `jobs`, `objects`, `envelope` |
//! | what is left over, or too old | `sweep`, `retention` |
//! | copies of all of it | `backup` |
//! | programs | `programs`, `diagnostics` |
//! | what a caller is told | `problem` |
//! | routes | `api`, `guard`, `server`, `tls`, `dev` |
//! | whether it answers, and what it tells of itself | `health`, `telemetry` |
//! | computing | `queue`, `worker`, `chunks`, `supply` |
//! | plugins, their functions, and what becomes of jobs when one is revoked | `plugins` |

pub mod api;
pub mod app;
pub mod backup;
pub mod chunks;
mod cli;
pub mod config;
pub mod datasets;
pub mod dev;
pub mod diagnostics;
pub mod envelope;
pub mod guard;
pub mod health;
pub mod identity;
pub mod jobs;
pub mod objects;
mod plugins;
pub mod problem;
pub mod programs;
mod queue;
mod retention;
pub mod roles;
pub mod server;
pub mod store;
mod supply;
mod sweep;
mod telemetry;
mod tls;
pub mod worker;

pub use cli::main;
