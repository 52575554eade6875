//! The one shape of data in the sandbox: a JSON object.

use serde_json::{Map, Value};

/// A JSON object: one user or one group, or a row of another list.
pub type Record = Map<String, Value>;
