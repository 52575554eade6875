//! Store, staging, publication, verification. The only module that renames.

pub mod manifest;
