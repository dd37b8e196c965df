//! The service: it keeps encrypted datasets, computes queries on them and hands results to custodians. It holds no secret key.
//!
//! | concept | file |
//! |---|---|
//! | what can be set | `config` |
//! | who calls and what they may | `identity`, `roles` |
//! | what is kept: tables and the audit log, sealed objects | `store`, `datasets`, `jobs`, `objects`, `envelope` |
//! | programs | `programs`, `diagnostics` |
//! | what a caller is told | `problem` |
//! | the time | `clock` |

pub mod clock;
pub mod config;
pub mod datasets;
pub mod diagnostics;
pub mod envelope;
pub mod identity;
pub mod jobs;
pub mod objects;
pub mod problem;
pub mod programs;
pub mod roles;
pub mod store;
