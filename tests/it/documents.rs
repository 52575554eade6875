//! The documents and the program agree: README.md, CONTRIBUTING.md and everything below docs/.
//!
//! Every block of configuration, SQL and shell is run. The info string of a block decides how:
//!
//! - `toml`: a configuration, or a part of one; `toml,error`: fails with the lines of the `text` block after it;
//!   `toml,exceptions`: a register of exceptions. `json`: parsed; an event is compared with real ones. (`blocks`)
//! - `sh`: run in a folder with a configuration, an appliance and two snapshots; `sh,serve`: runs until the end of the
//!   document. Paths of an installation and run ids are replaced by those of the folder. (`shell`)
//! - `sh,install` (root, systemd), `sh,rust` (cargo), `sh,tls` (a server), `sql`, `conf,…`: run by `.ci/documents`.
//! - `sh,package`: run by `.ci/packages` with the packages that it builds.
//! - `text`, `rust`, `mermaid`: shown only.

mod blocks;
mod codes;
mod configuration;
mod contents;
mod elastic;
mod links;
mod markdown;
mod shell;
mod splunk;
