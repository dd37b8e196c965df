//! From a checked query to a certified plan, and the run of a plan on a backend.
//!
//! | stage | file | from -> to |
//! |---|---|---|
//! | lower | `lower`, `sizes`, `joint` | queries -> circuit |
//! | encode, shape, place | `passes` | circuit -> placed plan |
//! | choose parameters | `planner`, `claims`, `choose`, `cost` | placed plan -> plan of one backend |
//! | certify | `noise`, `certificate` | plan -> certificate |
//! | tables | `bootstraps`, `torus` | circuit -> certified plan of bootstraps |
//! | gates | `cells`, `gates`, `gate_keys` | counts -> what they let out; a sum of one scheme -> a certified decision in another |
//! | foretell | `variance` | plan -> noise on average |
//! | run | `run`, `checkpoint`, `dataset`, `sealed` | plan x blocks -> encrypted sums |
//! | hand over | `computation`, `result_file` | queries x dataset -> the file that the custodian opens |
//! | open | `open` | opened sums -> exact aggregates |
//!
//! Beside the way of a query: what a service and its auditors share (`audit`, `signed`, `clock`), and which plugins an administrator
//! accepted (`registry`), what plugins are looked at in (`apart`, `confinement`), and their functions (`functions`).
//!
//! Deliberately absent: secret keys, plaintext tables, files other than encrypted datasets and plugins.

pub mod algebra;
pub mod apart;
pub mod audit;
pub mod bootstraps;
pub mod cells;
pub mod certificate;
pub mod chain;
pub mod checkpoint;
mod choose;
pub mod claims;
pub mod clock;
pub mod compile;
pub mod computation;
pub mod confinement;
pub mod cost;
pub mod dataset;
pub mod demand;
pub mod encoding;
pub mod explain;
pub mod forms;
pub mod functions;
pub mod gate_keys;
pub mod gates;
pub mod headed;
pub mod joint;
pub mod lower;
pub mod noise;
pub mod open;
pub mod passes;
pub mod plan_data;
pub mod planner;
pub mod registry;
pub mod result_file;
pub mod run;
pub mod sealed;
pub mod search;
pub mod signed;
pub mod sizes;
pub mod torus;
pub mod variance;
pub mod widen;
