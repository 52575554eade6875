//! The guard against formulas in CSV cells. Pure.
//!
//! OWASP, "CSV Injection": spreadsheets run cells that begin with `=`, `+`, `-`, `@`, tab or carriage return. A leading
//! apostrophe makes them text. Spreadsheets also skip white space and invisible characters, and East Asian versions
//! accept full-width forms.

/// Returns whether a spreadsheet runs the cell.
fn runs_as_formula(text: &str) -> bool {
    match text.as_bytes().first() {
        None => false,
        Some(b'=' | b'+' | b'-' | b'@' | b'\t' | b'\r') => true,
        // Fast path for most cells: no character needs to be decoded.
        Some(first) if first.is_ascii_graphic() => false,
        Some(_) => text.trim_start_matches(is_skipped).starts_with(['=', '+', '-', '@', '＝', '＋', '－', '＠']),
    }
}

/// Returns whether the cell gets a leading `'`.
///
/// That is the case if it runs, or if it looks like a guarded cell. [`unguarded`] then returns exactly the written
/// text.
#[inline]
pub(super) fn is_guarded(text: &str) -> bool {
    // Fast path for most cells.
    if text.as_bytes().first().is_none_or(u8::is_ascii_alphanumeric) {
        return false;
    }
    runs_as_formula(text) || (text.starts_with('\'') && runs_as_formula(text.trim_start_matches('\'')))
}

/// Returns the text of a cell of a guarded file.
pub fn unguarded(cell: &str) -> &str {
    cell.strip_prefix('\'').filter(|text| is_guarded(text)).unwrap_or(cell)
}

/// Returns whether spreadsheets skip the character: white space, control characters, and characters without width (soft
/// hyphen, zero-width spaces, directional marks, byte order mark).
fn is_skipped(c: char) -> bool {
    c.is_whitespace()
        || c.is_control()
        || matches!(c, '\u{ad}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_cells_that_a_spreadsheet_runs_are_guarded() {
        let runs = [
            "=1+1",
            "=cmd|' /C calc'!A0",
            "+49 30 1234",
            "-2",
            "@SUM(A1)",
            "\ttext",
            "\rtext",
            "＝1",
            "＋1",
            "－1",
            "＠x",
            " =1",
            "\n=1",
            "\0=1",
            "\u{a0}\u{3000}=1",
            "\u{202e}=1",
            "\u{feff}\u{200b}@x",
            "\u{7f}-1",
            "\u{1b}＝1",
            "=",
        ];
        let harmless = [
            "", "alice", "a=1", "'=1", "\"=1", "1-1", "[\"=1\"]", "{}", " alice", "\nalice", "\0", "Zoë", "ＡＢ",
            "名前", "(=1)",
        ];
        for text in runs {
            assert!(runs_as_formula(text), "{text:?} runs");
        }
        for text in harmless {
            assert!(!runs_as_formula(text), "{text:?} does not run");
        }
        for text in runs.into_iter().chain(harmless).flat_map(|text| ["", "'", "''"].map(|own| format!("{own}{text}")))
        {
            let cell = if is_guarded(&text) { format!("'{text}") } else { text.clone() };
            assert_eq!(unguarded(&cell), text, "{cell:?}");
            assert!(!runs_as_formula(&cell), "{cell:?}");
        }
    }
}
