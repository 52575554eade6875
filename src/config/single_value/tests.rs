//! Tests of secrets as people save them.

use super::*;

fn refused(text: &str) -> String {
    read(text.as_bytes()).unwrap_err()
}

#[test]
fn byte_order_mark_and_blanks_around_a_value_are_removed() {
    for text in
        ["s3cret", "s3cret\n", "\u{feff}s3cret\r\n", "  s3cret \t\r\n\r\n", "\n\ns3cret", "\u{feff} s3cret\u{a0}"]
    {
        assert_eq!(read(text.as_bytes()).as_deref(), Ok("s3cret"), "{text:?}");
    }
}

#[test]
fn secret_with_any_characters_is_unchanged() {
    for secret in [
        "s3+c/r=et",
        "q83vEjRWeJCrze8SNFZ4kA==",
        "ABCDEFGH=",
        "ABCDEFGHIJKLMNOP====",
        "JBSWY3DPEHPK3PXP======",
        "abc=def",
        "Ab9=x",
        "x_y-z.1=2=3",
        "a b c",
        "\"half",
        "it's",
        "pa:ss",
        "{brace",
        "eyJhbGciOiJIUzI1NiJ9.e30.abc",
        "monkey business",
        "$ecret",
        "secret",
        "token",
        "password==",
        "#hash=1",
        "\u{e4}\u{1f511}",
    ] {
        assert_eq!(read(secret.as_bytes()).as_deref(), Ok(secret));
    }
}

#[test]
fn name_before_the_value_is_refused() {
    for text in [
        "client_secret=abc",
        "client_secret = abc",
        "CLIENT_SECRET=abc",
        "clientSecret=abc",
        "BT_PRA_CLIENT_SECRET=s3+c/r=et",
        "pra.client-secret=abc",
        "password: abc",
        "api_key=abc",
        "apikey=abc",
        "key=abc",
        "token = abc",
        "bearer=abc",
        "client_id=abc",
        "export X=abc",
        "export x=",
        "set SECRET=abc",
        "$env:SECRET = 'abc'",
        "MY_VALUE=abc",
        "MYVALUE=abc",
    ] {
        let why = refused(text);
        assert!(why.contains("write only the value") && !why.contains("abc"), "{text}: {why}");
    }
}

#[test]
fn quotes_headers_and_json_around_the_value_are_refused() {
    for text in ["\"abc\"", "'abc'\r\n", "\u{feff}\"abc\"", "`abc`", "\u{201c}abc\u{201d}"] {
        assert!(refused(text).contains("quotes"), "{text}");
    }
    assert!(refused("Bearer abc").contains("header"));
    assert!(refused("{\"client_secret\":\"abc\"}").contains("JSON"));
}

#[test]
fn other_encodings_several_lines_and_empty_files_are_refused() {
    let utf16: Vec<u8> = "s3cret".encode_utf16().flat_map(u16::to_le_bytes).collect();
    for bytes in [[b"\xff\xfe".as_slice(), &utf16].concat(), [b"\xfe\xff".as_slice(), &utf16].concat(), utf16] {
        assert!(read(&bytes).unwrap_err().contains("save it as UTF-8"));
    }
    assert!(read(b"s3cr\xe9t").unwrap_err().contains("not UTF-8"));
    for text in ["a\nb", "a\r\nb\r\n", "a\rb", "# comment\nabc"] {
        assert!(refused(text).contains("has 2 lines"), "{text:?}");
    }
    for text in ["", "\n", " \r\n\t", "\u{feff}", "\u{feff}\r\n"] {
        assert!(refused(text).starts_with("is empty; write"), "{text:?}");
    }
}
