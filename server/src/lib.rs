//! The service: it keeps encrypted datasets, computes queries on them and hands results to custodians. It holds no secret key.
//!
//! | concept | file |
//! |---|---|
//! | what can be set | `config` |
//! | who calls and what they may | `identity`, `roles` |
//! | what is kept: tables and the audit log, sealed objects | `store`, `datasets`, `jobs`, `objects`, `envelope` |
//! | what is left over | `sweep` |
//! | programs | `programs`, `diagnostics` |
//! | what a caller is told | `problem` |
//! | routes | `api`, `guard`, `server`, `dev` |
//! | whether it answers | `health` |
//! | computing | `queue`, `worker`, `chunks` |
//! | the time | `clock` |

pub mod api;
pub mod app;
pub mod chunks;
mod cli;
pub mod clock;
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
pub mod problem;
pub mod programs;
mod queue;
pub mod roles;
pub mod server;
pub mod store;
mod sweep;
pub mod worker;

pub use cli::main;
