//! Tests of hints about keys that are written into the wrong table or the wrong file.

use super::*;
use crate::config::custom::ParsedRules;

/// Returns all problems of a configuration.
pub(super) fn shown(text: &str) -> String {
    load(text).unwrap_err().to_string()
}

#[test]
fn key_of_another_table_names_the_table_that_it_belongs_to() {
    for (text, expected) in [
        (format!("page_size = 100\n{MINIMAL}"), ":1:1: unknown key \"page_size\"; it belongs to [[source]]"),
        (format!("{MINIMAL}stale_after_days = 9\n"), "unknown key \"stale_after_days\"; it belongs to [policy]"),
        (format!("{MINIMAL}[policy]\ndir = \"/x\"\n"), "[policy]: unknown key \"dir\"; it belongs to [output]"),
        (
            format!("{MINIMAL}[output]\nmetrics_file = \"/x\"\n"),
            "it belongs to no table: write it above the first heading",
        ),
        (format!("ca_file = \"/x\"\n{MINIMAL}"), "it belongs to [[http]] or [[source]] or [[syslog]]"),
        (
            format!("{MINIMAL}[syslog]\nurl = \"tls://s\"\nclient_secret = {{ file = \"secret\" }}\n"),
            "[[syslog]] \"tls://s\": unknown key \"client_secret\"; it belongs to [[source]]",
        ),
        (
            format!("{MINIMAL}[policy.rules]\nstale_after_days = 9\n"),
            "unknown rule \"stale_after_days\"; it belongs to [policy]",
        ),
        (format!("{MINIMAL}[policy]\nno-group = \"off\"\n"), "it is the id of a rule and belongs to [policy.rules]"),
        (
            format!("{MINIMAL}[policy]\nuntil = 2027-01-01\n"),
            "it belongs to [[exception]] of the file that policy.exceptions",
        ),
        (
            format!("pagesize = 100\n{MINIMAL}"),
            "unknown key \"pagesize\"; did you mean \"page_size\"? It belongs to [[source]]",
        ),
    ] {
        assert!(shown(&text).contains(expected), "{expected}: {}", shown(&text));
    }
}

#[test]
fn table_in_another_table_names_its_heading() {
    for (text, expected) in [
        ("[policy.source]\nname = \"x\"\n", "[policy]: unknown key \"source\"; its heading is [[source]]"),
        ("[rules]\nno-group = \"off\"\n", "unknown key \"rules\"; its heading is [policy.rules]"),
        ("[[service_owners]]\naccount = \"x\"\n", "its heading is [[policy.service_owners]]"),
        ("[output.syslog]\nurl = \"tls://s\"\n", "[output]: unknown key \"syslog\"; its heading is [[syslog]]"),
        ("[source.policy]\nx = 1\n", "unknown key \"policy\"; its heading is [policy]"),
        ("[[exception]]\nrule = \"no-mfa\"\n", "its heading is [[exception]] of the file that policy.exceptions names"),
        ("[[policy.sources]]\nname = \"x\"\n", "did you mean \"source\"? Its heading is [[source]]"),
    ] {
        assert!(
            shown(&format!("{MINIMAL}{text}")).contains(expected),
            "{expected}: {}",
            shown(&format!("{MINIMAL}{text}"))
        );
    }
}

#[test]
fn exceptions_that_are_written_into_the_configuration_name_their_file() {
    let text = format!("{MINIMAL}[[policy.exceptions]]\nrule = \"no-mfa\"\n");
    let expected = "[policy] exceptions: must be the path of a file, such as \"/etc/bt-rollcall/exceptions.toml\", not a list; \
                    write each exception into that file as [[exception]]";
    assert!(shown(&text).contains(expected), "{}", shown(&text));
}

/// Returns the problems of an exceptions file, one a line, without its folder.
fn of_exceptions(text: &str) -> String {
    let path = PathBuf::from("e.toml");
    let read = ExceptionsFile::parse(path, text, &["appliance"], &ParsedRules::default());
    read.unwrap_err().iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
}

#[test]
fn key_of_the_configuration_in_the_exceptions_file_names_both_files() {
    for (text, expected) in [
        ("[[exceptions]]\nrule = \"no-mfa\"\n", "e.toml:1:3: unknown key \"exceptions\"; did you mean \"exception\"?"),
        ("state_dir = \"/x\"\n", "it belongs to the beginning of the configuration file"),
        (
            "[[source]]\nname = \"x\"\n",
            "e.toml:1:3: unknown key \"source\"; its heading is [[source]] of the configuration file",
        ),
        (
            "[[exception]]\npage_size = 5\n",
            "e.toml:2:1: [[exception]] 1: unknown key \"page_size\"; it belongs to [[source]] of the",
        ),
    ] {
        assert!(of_exceptions(text).contains(expected), "{expected}: {}", of_exceptions(text));
    }
}

#[test]
fn day_of_an_exception_is_reported_where_it_is_written() {
    let text = "# x\n[[exception]]\nrule = \"no-mfa\"\nsubject = \"x\"\nreason = \"r\"\nowner = \"o\"\n  until = 2020-01-31\n\
                [[exception]]\nrule = \"no-mfa\"\nsubject = \"x\"\nreason = \"r\"\nowner = \"o\"\nuntil = 2040-01-31\n";
    let file = ExceptionsFile::parse("e.toml".into(), text, &[], &ParsedRules::default()).unwrap();
    let as_of = "2026-11-26T00:00:00Z".parse().unwrap();
    let expired: Vec<String> = file.expired(as_of).iter().map(ToString::to_string).collect();
    let long: Vec<String> = file.too_long(as_of).iter().map(ToString::to_string).collect();
    assert!(
        expired.len() == 1 && expired[0].starts_with("e.toml:7:11: [[exception]] 1 until: 2020-01-31 is in the past"),
        "{expired:?}"
    );
    assert!(
        long.len() == 1 && long[0].starts_with("e.toml:13:9: [[exception]] 2 until: 2040-01-31 is more than"),
        "{long:?}"
    );
}
