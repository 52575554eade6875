//! Measures the JSON of a response before any value of it is built: rows, depth, longest value, and memory.
//!
//! `response` calls it for every body that is decoded. A server may answer a request for 100 rows with millions of
//! them, and one allocation that fails ends the whole process. Nothing here knows the fields of any response.
//!
//! The scan trusts nothing but the syntax of JSON. On a broken body it may count too much; the decoder refuses that body anyway.

/// Maximum number of lists and objects around a value.
const MAX_DEPTH: usize = 100;
/// Maximum length of one text or key, in bytes as it is written.
pub(super) const MAX_TEXT: usize = 1 << 20;
/// Maximum length of a number, in characters.
const MAX_NUMBER: usize = 4096;
/// Maximum number of keys of one object. Records of products have some hundred; every key is looked at again for each field that is read.
const MAX_KEYS: u32 = 10_000;
/// Memory of one object inside a row, in bytes: a node of the map with its keys.
const OBJECT: u64 = 600;
/// Memory of any other value, in bytes: the value and an allocation. A row itself takes no more: its fields count.
const VALUE: u64 = 64;

/// What a body may contain.
#[derive(Clone, Copy, Debug)]
pub(super) struct BodyLimits {
    /// Rows of one list: items of the outermost array, or of an array directly in the outermost object.
    pub(super) rows: u64,
    /// Estimated memory in bytes.
    pub(super) memory: u64,
}

/// Why a body is not decoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Excess {
    /// A list has more rows than allowed.
    Rows,
    /// The values would take more memory than allowed.
    Memory,
    /// Values are nested too deeply.
    Depth,
    /// One text, key or number is too long.
    Value,
    /// One object has too many keys.
    Keys,
}

/// Size of a body.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct BodySize {
    /// Rows of the longest list.
    pub(super) rows: u64,
    /// Estimated memory of the decoded values, in bytes.
    pub(super) memory: u64,
}

/// Measures a body. Errors: a limit is exceeded; the rest of the body was not looked at.
pub(super) fn measure(text: &str, limits: BodyLimits) -> Result<BodySize, Excess> {
    let mut scan = Scan {
        limits,
        size: BodySize { rows: 0, memory: text.len() as u64 },
        open: Vec::new(),
        keys: Vec::new(),
        items: 0,
        expects_key: false,
    };
    let bytes = text.as_bytes();
    let mut at = 0;
    while let Some(byte) = bytes.get(at) {
        at = match byte {
            b'[' | b'{' => scan.enter(*byte).map(|()| at + 1)?,
            b']' | b'}' => {
                scan.open.pop();
                scan.keys.pop();
                at + 1
            }
            b',' => {
                scan.expects_key = scan.open.last() == Some(&b'{');
                at + 1
            }
            b':' | b' ' | b'\t' | b'\r' | b'\n' => at + 1,
            b'"' => scan.value(at, end_of_text(bytes, at + 1), MAX_TEXT)?,
            _ => scan.value(at, end_of_literal(bytes, at + 1), MAX_NUMBER)?,
        };
    }
    Ok(scan.size)
}

struct Scan {
    limits: BodyLimits,
    size: BodySize,
    /// First characters of the lists and objects around the current position.
    open: Vec<u8>,
    /// Numbers of keys of the same lists and objects; 0 for lists.
    keys: Vec<u32>,
    /// Items of the current list of rows.
    items: u64,
    /// Whether the next text is a key.
    expects_key: bool,
}

impl Scan {
    fn enter(&mut self, bracket: u8) -> Result<(), Excess> {
        self.item(if bracket == b'{' && !self.is_in_rows() { OBJECT } else { VALUE })?;
        if self.open.len() >= MAX_DEPTH {
            return Err(Excess::Depth);
        }
        self.open.push(bracket);
        self.keys.push(0);
        self.expects_key = bracket == b'{';
        if self.is_in_rows() {
            self.items = 0;
        }
        Ok(())
    }

    /// Counts a value from `start` to `end`, and returns `end`.
    fn value(&mut self, start: usize, end: usize, longest: usize) -> Result<usize, Excess> {
        // The object of a key has counted its memory already.
        if std::mem::take(&mut self.expects_key) {
            self.key()?;
        } else {
            self.item(VALUE)?;
        }
        if end - start > longest { Err(Excess::Value) } else { Ok(end) }
    }

    fn key(&mut self) -> Result<(), Excess> {
        let Some(keys) = self.keys.last_mut() else { return Ok(()) };
        *keys += 1;
        if *keys > MAX_KEYS { Err(Excess::Keys) } else { Ok(()) }
    }

    fn item(&mut self, memory: u64) -> Result<(), Excess> {
        self.size.memory += memory;
        if self.size.memory > self.limits.memory {
            return Err(Excess::Memory);
        }
        if self.is_in_rows() {
            self.items += 1;
            self.size.rows = self.size.rows.max(self.items);
        }
        if self.size.rows > self.limits.rows { Err(Excess::Rows) } else { Ok(()) }
    }

    fn is_in_rows(&self) -> bool {
        matches!(self.open.as_slice(), [b'['] | [b'{', b'['])
    }
}

/// Returns the position after the quote that ends a text. `at` is the position after its first quote.
fn end_of_text(bytes: &[u8], mut at: usize) -> usize {
    while let Some(byte) = bytes.get(at) {
        match byte {
            b'"' => return at + 1,
            b'\\' => at += 2,
            _ => at += 1,
        }
    }
    bytes.len()
}

/// Returns the position after a number or a word.
fn end_of_literal(bytes: &[u8], at: usize) -> usize {
    let rest = bytes.get(at..).unwrap_or_default();
    let length = rest.iter().position(|byte| b",:[]{}\" \t\r\n".contains(byte));
    at + length.unwrap_or(rest.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    const PLENTY: BodyLimits = BodyLimits { rows: 1000, memory: 1 << 30 };

    fn rows(text: &str) -> Result<u64, Excess> {
        measure(text, PLENTY).map(|size| size.rows)
    }

    #[test]
    fn rows_are_the_items_of_the_outermost_list_or_of_one_in_the_outermost_object() {
        for (text, expected) in [
            ("[]", 0),
            ("[1,[2,3],{\"x\":[4,5,6]}]", 3),
            (r#"{"users":[{"id":1},{"id":2,"groups":[1,2,3,4]}],"total":2}"#, 2),
            (r#"{"a":[1],"b":["x,y","[\"]"],"c":[]}"#, 2),
            (r#"{"one":{"deep":[1,2,3]}}"#, 0),
            ("null", 0),
            ("", 0),
        ] {
            assert_eq!(rows(text), Ok(expected), "{text}");
        }
    }

    #[test]
    fn a_list_with_more_rows_than_allowed_is_refused_at_its_first_row_too_many() {
        let limits = BodyLimits { rows: 3, ..PLENTY };
        assert!(measure(r#"{"users":[{"id":1},{"id":2},{"id":3}]}"#, limits).is_ok());
        assert_eq!(measure(r#"{"users":[{"id":1},{"id":2},{"id":3},{"id":4}"#, limits), Err(Excess::Rows));
        assert_eq!(measure("[1,2,3,4", limits), Err(Excess::Rows));
    }

    #[test]
    fn small_values_that_take_much_memory_are_refused() {
        let limits = BodyLimits { rows: 1000, memory: 1 << 20 };
        let nested = format!("[{{\"x\":[{}]}}]", vec!["{}"; 3000].join(","));
        assert!(nested.len() < 10_000);
        assert_eq!(measure(&nested, limits), Err(Excess::Memory));
        assert_eq!(measure(&format!("{{\"x\":{{\"y\":[{}]}}}}", "1,".repeat(30_000)), limits), Err(Excess::Memory));
    }

    #[test]
    fn deep_nesting_and_long_single_values_are_refused() {
        assert_eq!(rows(&"[".repeat(101)), Err(Excess::Depth));
        assert!(rows(&"[".repeat(100)).is_ok());
        assert_eq!(rows(&format!("[\"{}\"]", "x".repeat(MAX_TEXT))), Err(Excess::Value));
        assert_eq!(rows(&format!("[{}]", "1".repeat(MAX_NUMBER + 1))), Err(Excess::Value));
        assert!(rows(&format!("[{}]", "1".repeat(MAX_NUMBER))).is_ok());
    }

    #[test]
    fn an_object_with_too_many_keys_is_refused_wherever_it_is() {
        let object =
            |keys: u32| format!("{{{}}}", (0..keys).map(|key| format!("\"{key}\":1")).collect::<Vec<_>>().join(","));
        for around in [("", ""), ("[", "]"), (r#"{"users":[{"x":[{"y":"#, "}]}]}")] {
            let text = |keys| format!("{}{}{}", around.0, object(keys), around.1);
            assert!(measure(&text(MAX_KEYS), PLENTY).is_ok(), "{around:?}");
            assert_eq!(measure(&text(MAX_KEYS + 1), PLENTY), Err(Excess::Keys), "{around:?}");
        }
        // The limit is that of one object.
        let two = format!("[{},{}]", object(MAX_KEYS - 1), object(MAX_KEYS - 1));
        assert!(measure(&two, PLENTY).is_ok());
    }

    #[test]
    fn quotes_and_escapes_do_not_hide_rows() {
        assert_eq!(rows(r#"["\\","\"]","\\\"",4]"#), Ok(4));
        assert_eq!(rows("[\"never ends"), Ok(1));
    }
}
