//! bt-rollcall: the audit and access-review batch exporter for BeyondTrust.
//!
//! Start here. `docs/architecture.md` walks through the same map with examples.
//!
//! ```text
//! main ── cli ── commands ── config
//!                   │
//!                   ├── reperform             snapshot -> the same stages again -> differences
//!                   └── run ─┬─ source ── wire    pages -> SourceReading (users, groups, coverage)
//!                            ├─ model             SourceReading -> Inventory (accounts joined with groups)
//!                            ├─ state             known state + Inventory -> next state and changes
//!                            ├─ guard             lists that shrank too much -> their sources are set aside
//!                            ├─ rules             Inventory + changes + policy -> findings and evaluations
//!                            ├─ lifecycle         findings + those of the baseline -> new, open, reopened, resolved
//!                            ├─ exceptions        accepted risks -> findings marked as excepted
//!                            ├─ table, snapshot   rows -> CSV and Parquet -> one published folder
//!                            ├─ run_manifest, report_page   facts of a run -> manifest and report input, and back
//!                            ├─ report            report input -> report.html
//!                            └─ syslog            changes and findings -> spool -> SIEM
//! ```
//!
//! A run is a sequence of values. Each is made once and passed on: collected, advanced, evaluated, described, published.
//! The newest snapshot is the only memory between runs: it holds the known state after its run.
//!
//! # Import rules
//!
//! A module imports only modules of the lines below its own; modules of one line do not import each other.
//! `tests/it/architecture.rs` reads this list and every `use` line.
//!
//! ```text
//! main
//! commands
//! cli
//! run, reperform
//! report_page, evaluation
//! run_manifest
//! config
//! report, syslog
//! source, lifecycle, exceptions, guard
//! wire, rules, snapshot
//! state, table
//! event
//! tls, model
//! internal_error
//! account_names, build_info, core_dump, digest, escape, file_error, regular_file
//! ```
//!
//! The same test holds these rules:
//!
//! - Connectors (`source/*`) do not import each other. `wire` takes names and list kinds from `model`, and no records.
//! - `cli` takes the exit codes from `run`, for its help, and nothing else.
//! - `model`, `state`, `guard`, `rules`, `lifecycle`, `exceptions`, `table` and `report` are pure: no clock, disk, network or
//!   randomness.
//! - Only `snapshot` and the spool rename files.
//! - The package `bt-rollcall-sandbox` imports nothing of this one: client and simulated appliance share no types, so a
//!   misreading of the documentation cannot hide in both.

pub mod account_names;
pub mod build_info;
pub mod cli;
pub mod commands;
pub mod config;
pub mod core_dump;
pub mod digest;
pub mod escape;
pub mod evaluation;
pub mod event;
pub mod exceptions;
pub mod file_error;
pub mod guard;
pub mod internal_error;
pub mod lifecycle;
pub mod model;
pub mod regular_file;
pub mod reperform;
pub mod report;
pub mod report_page;
pub mod rules;
pub mod run;
pub mod run_manifest;
pub mod snapshot;
pub mod source;
pub mod state;
pub mod syslog;
pub mod table;
pub mod tls;
pub mod wire;
