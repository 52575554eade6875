//! The simulated appliance.

mod oracle;
mod population;
mod world;

pub use oracle::{Expect, Expected, ExpectedFinding, Row};
pub use world::{CANARY, Record, World};
