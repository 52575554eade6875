//! Tests of values as operators write them by mistake: each problem names its cure.

use super::elsewhere::shown;
use super::*;

fn of_source(line: &str) -> String {
    shown(&format!("{MINIMAL}{line}\n"))
}

fn of_destination(lines: &str) -> String {
    shown(&format!("{MINIMAL}[[syslog]]\n{lines}\n"))
}

#[test]
fn value_of_the_wrong_type_says_how_it_is_written() {
    for (line, expected) in [
        (
            "page_size = \"100\"",
            "page_size: must be a whole number from 2 to 1000, not a text; write page_size = 100, without quotes",
        ),
        ("deadline_minutes = \"90 min\"", "write deadline_minutes = 90, without quotes and unit"),
        ("token_auth = true", "must be a text, not true or false; put it in quotes"),
        ("ca_file = [\"hunter2\"]", "must be a text, not a list; write one text without brackets"),
        (
            "[output]\ntables = \"csv\"",
            "must be a list of texts, such as [\"a\", \"b\"], not a text; put it in brackets",
        ),
        ("[output]\ntables = [\"CSV\"]", ": 1 error\n"),
    ] {
        assert!(
            of_source(line).contains(expected) && !of_source(line).contains("hunter2"),
            "{line}: {}",
            of_source(line)
        );
    }
    let flag = shown(&format!("{}resolve_directory_users = \"yes\"\n", MINIMAL.replace("rest-v3", "pra")));
    assert!(flag.contains("must be true or false, not a text; write resolve_directory_users = true"), "{flag}");
    let id = shown(&MINIMAL.replace("\"abc\"", "5"));
    assert!(id.contains("client_id: must be a text, not a whole number; put it in quotes, or write {"), "{id}");
    assert!(shown(&MINIMAL.replace("\"abc\"", "\"abc \"")).contains("begins or ends with a blank; remove it"));
}

#[test]
fn address_that_cannot_be_reached_says_why() {
    for (url, expected) in [
        ("https://2001:db8::1", "an IPv6 address must be in brackets"),
        ("https://bt.example.com:0", "write a port from 1 to 65535"),
        ("https://a..b", "a part between two dots is empty"),
        ("https://*.example.com", "the host contains '*'; write one host name"),
        ("https://bt.example.com,b.example.com", "the host contains ','"),
    ] {
        let shown = shown(&MINIMAL.replace("https://bt.example.com/", url));
        assert!(shown.contains(expected), "{url}: {shown}");
    }
    for (url, expected) in [
        ("tls://::1", "an IPv6 address must be in brackets"),
        ("tls://siem ", "the host contains a blank"),
        ("udp://siem:0", "is not a port"),
        ("ssl://siem", "ssl is not a transport; write tls://"),
        ("tls://user:hunter2@siem", "must name a host and no user, path or query"),
    ] {
        let shown = of_destination(&format!("url = {url:?}"));
        assert!(shown.contains(expected) && !shown.contains("hunter2"), "{url}: {shown}");
    }
}

#[test]
fn key_without_an_effect_on_this_transport_is_refused() {
    for (lines, expected) in [
        (
            "url = \"tcp://s\"\nca_file = \"x.pem\"",
            "ca_file: is a key of tls:// and relp+tls:// destinations; write tls:// in url, or remove it",
        ),
        ("url = \"udp://s\"\nframing = \"newline\"", "framing: is a key of tls:// and tcp:// destinations"),
        ("url = \"tls://s\"\n[[syslog]]\nurl = \"tls://s:6514\"", "two [[syslog]] tables have this url"),
    ] {
        assert!(of_destination(lines).contains(expected), "{}", of_destination(lines));
    }
}

#[test]
fn key_of_another_program_is_translated() {
    for (line, expected) in [
        (
            "verify = false",
            "unknown key \"verify\"; certificates are always verified; name that of the issuer in ca_file",
        ),
        ("password = \"hunter2\"", "unknown key \"password\"; write client_secret = { file = \"/path\" }"),
        ("timeout = 30", "deadline_minutes limits the time of a source"),
        ("[syslog]\nhost = \"s\"", "unknown key \"host\"; write url = \"tls://siem.example.com:6514\""),
        ("[[http]]\napi_key = \"hunter2\"", "unknown key \"api_key\"; write token = { file = \"/path\" }"),
        (
            "[policy]\nbreak_glass = [\"regex:^adm\"]",
            "regular expressions are not supported; write a name, id:12 or glob:",
        ),
        ("[policy]\nbreak_glass = [\" \"]", "pattern is empty"),
        ("[policy]\nframeworks = [\"pci\"]", "did you mean \"pci-dss-4.0.1\"?"),
    ] {
        assert!(
            of_source(line).contains(expected) && !of_source(line).contains("hunter2"),
            "{line}: {}",
            of_source(line)
        );
    }
}
