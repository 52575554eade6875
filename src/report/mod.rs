//! View and HTML.
