//! Tests of the whole program, as its users run it, mostly against the simulated appliance.
//!
//! All of them are in one binary, because linking takes longer than most of the tests.

#![expect(unreachable_pub, reason = "a test binary has no outside")]

mod address;
mod agreement;
mod architecture;
mod bytes;
mod chain;
mod changes;
mod churn;
mod clocks;
mod collector;
mod configuration;
mod conformance;
mod crash;
mod custom;
mod delivery;
mod dialects;
mod documents;
mod exceptions;
mod faults;
mod field;
mod finding_history;
mod fleet;
mod heartbeat;
mod hold;
mod http;
mod inventory;
mod irregular;
mod operator;
mod outward;
mod page;
mod products;
mod quiet;
mod readme;
mod receiver;
mod relp;
mod reperform;
mod rig;
mod secrets;
mod sessions;
mod spool;
mod spool_commands;
mod streams;
mod surface;
mod tokens;
mod trust;
mod truth;
mod unreadable;
