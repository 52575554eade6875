//! bt-rollcall: the audit and access-review batch exporter for BeyondTrust.
//!
//! The way of the data, and the reading order:
//!
//! ```text
//! main ── cli ── commands ── config
//!                   │
//!                   └── run ─┬─ source ── wire    pages -> Harvest (users, groups, Coverage)
//!                            │    one connector a product: rest_v3, sra (PRA and RS), password_safe, scim; all of them read records
//!                            │    by `source::decode` (lenient with values) and lists below listed objects by `source::per_group`
//!                            ├─ model             Harvest -> Inventory (the join)
//!                            ├─ state             the known state + this Inventory -> the next state, Changes; `model::evidence` judges absence
//!                            ├─ guard             lists that look too small to be true -> their sources are set aside
//!                            ├─ rules             Inventory + Changes + Policy + instant -> Findings, Verdicts; `custom`: rules of the configuration
//!                            ├─ lifecycle         findings + those of the snapshot before -> new, open, reopened, resolved
//!                            ├─ exceptions        findings that somebody answers for until a day -> excepted
//!                            ├─ table, snapshot   rows -> CSV and Parquet -> one published folder, linked to its base
//!                            ├─ describe, page    policy, verdicts and lists -> the manifest's words, and back
//!                            ├─ report            manifest + state + findings + changes -> report.html
//!                            └─ syslog            changes, findings -> spool -> SIEM
//! ```
//!
//! `wire` and `syslog` connect by `tls`, which decides on trust and puts failed handshakes into words.
//!
//! `run` is a line of values, each made once and passed on: collected, advanced, evaluated, accepted, published. A snapshot is the known
//! state after its run, and the only memory: the next run reads the newest one and nothing else.
//!
//! A page has two ways to it, and `page` is both: of a run that is about to be published, and of a published snapshot, whose
//! files (`snapshot::load`) give what the run knew.
//!
//! Who may import whom: `model` imports nothing of the crate; `event` only `model`; `tls` imports nothing of the crate; `wire` never imports
//! `source` and takes of `model` only names; `source/*` imports `wire`, `model`, `event`, never another connector;
//! `rules` takes what happened before from `state`, which knows no rule; `report` takes of `rules` only what is data;
//! `state`, `guard`, `rules`, `lifecycle`, `exceptions`, `table`, `report`, `snapshot::{line, retention, chain}` and `syslog::format` are pure (no clock, disk, network or randomness);
//! `cli` takes of `run` only the exit codes, for its help; only `snapshot` renames; only `run` knows the order of things; `sandbox` never imports `source` or `wire`:
//! it must not agree with the client by sharing its structs.

pub mod cli;
pub mod commands;
pub mod config;
pub mod describe;
pub mod event;
pub mod exceptions;
pub mod guard;
pub mod lifecycle;
pub mod model;
pub mod page;
pub mod report;
pub mod rules;
pub mod run;
pub mod snapshot;
pub mod source;
pub mod state;
pub mod syslog;
pub mod table;
pub mod tls;
pub mod wire;
