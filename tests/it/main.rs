//! The whole program, as its users run it, against the simulated appliance. One binary: one link.

mod churn;
mod crash;
mod delivery;
mod faults;
mod inventory;
mod outside;
mod receiver;
mod rig;
mod secrets;
mod tokens;
