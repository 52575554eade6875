//! Tests of a run against what does not hold: servers and receivers that never finish, lists without end, small memory.

mod hostile;
mod never_ends;
mod server;
mod too_much;
