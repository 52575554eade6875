//! Page walks that prove themselves.
