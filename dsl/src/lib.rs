//! The hq language: from text to checked queries, and from opened numbers to results.
//!
//! | stage | file | from -> to |
//! |---|---|---|
//! | parse | `parse` (`hq.pest`), `recover` | text -> `ast` |
//! | compile | `compile`, `schema`, `evaluate` | `ast` -> [`Query`]: names, domains, stages, missing values |
//! | format | `format` | text -> the same text, laid out |
//! | insight | `insight` | a program and a place in it -> what an editor shows there |
//! | finish | `finish` | opened aggregates -> rows of the result |
//!
//! Deliberately absent: input and output (files come through [`Loader`]), ciphertexts, plans.

mod ast;
mod clear;
mod compile;
mod diagnostic;
mod difference;
mod display;
mod distribution;
mod domain;
mod evaluate;
mod example;
mod finish;
mod format;
mod function;
mod insight;
mod lexis;
mod linear_system;
mod manual;
mod number;
mod parse;
mod parse_example;
mod parse_expression;
mod prepared;
mod privacy;
mod program;
mod recover;
mod remedy;
mod render;
mod resolve;
mod rows;
mod schema;
mod source;
mod stdlib;
mod suggest;
mod typed;

pub use clear::{Binary, ClearId, ClearOp, Clears, Output, Unary};
pub use compile::{Compiled, compile, dataset, parameters};
pub use diagnostic::{Code, Diagnostic, Severity};
pub use difference::difference;
pub use distribution::Distribution;
pub use domain::Domain;
pub use example::{Example, Expectation, Mismatch};
pub use finish::{Group, Row, Value, finish};
pub use format::format;
pub use function::{ExternFunction, FunctionFault, FunctionPart, FunctionTable};
pub use insight::{Completion, CompletionKind, Hover, Insight, Stage};
pub use manual::{Block, ExampleManual, FunctionManual, Manual, manual};
pub use number::{Decimal, format_date, parse_date, with_commas};
pub use prepared::Prepared;
pub use privacy::privacy;
pub use render::render;
pub use rows::{ColumnId, RowId, RowNode, RowOp, Rows};
pub use schema::MAX_ENCRYPTED_MIN_CELL;
pub use source::{FileId, Loader, NoModules, Sources, Span};
pub use stdlib::{MODULES, stdlib};
pub use suggest::nearest;
pub use typed::{
    Aggregate, AggregateKind, Column, Dataset, Key, Query, ReleaseRules, ReportColumn, SortColumn, SortKey,
};
