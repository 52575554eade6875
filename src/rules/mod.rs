//! The catalogue of rules: inventory + policy + instant -> findings and verdicts. Pure.

pub mod policy;
