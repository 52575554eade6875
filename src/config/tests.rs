//! Tests of whole configuration files: valid ones with the values that they set, and invalid ones with their problems.

use super::*;
use crate::model::{Pattern, Rule, Severity};
use crate::rules::policy::{GroupOwner, Override};
use crate::source::SourceKind;
use crate::syslog::{Framing, Payload, Protocol, SyslogDestination, Transport};
use crate::table::{CsvDialect, Separator};
use crate::wire::{Credentials, TokenAuth};
use regex::Regex;
use secrecy::ExposeSecret;
use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::PermissionsExt;

mod certificates;
mod conflicts;
mod custom;
mod documented;
mod effective;
mod elsewhere;
mod http;
mod owners;
mod schema;
mod sources;
mod wrong_values;

const MINIMAL: &str = r#"
state_dir = "/nowhere/state"
[[source]]
name = "appliance"
kind = "rest-v3"
url = "https://bt.example.com/"
client_id = "abc"
client_secret = { file = "secret" }
"#;

/// Loads a configuration with this text from a folder that has secret files.
fn load(text: &str) -> Result<Config, ConfigError> {
    load_with(text, &[])
}

fn load_with(text: &str, environment: &[(&str, &str)]) -> Result<Config, ConfigError> {
    let folder = tempfile::tempdir().unwrap();
    write(folder.path(), "secret", "s3cret\n", 0o600);
    write(folder.path(), "open-secret", "s3cret\n", 0o644);
    write(folder.path(), "empty", "\n", 0o600);
    write(folder.path(), "not.pem", "nothing\n", 0o600);
    write(folder.path(), "config.toml", text, 0o600);
    let variables: Vec<(String, String)> = environment
        .iter()
        .map(|(name, value)| ((*name).to_owned(), value.replace("$DIR", &folder.path().display().to_string())))
        .collect();
    let read = |name: &str| variables.iter().find(|(n, _)| n == name).map(|(_, value)| value.clone());
    Config::load(&folder.path().join("config.toml"), &read)
}

pub(super) fn write(folder: &Path, name: &str, text: &str, mode: u32) {
    let path = folder.join(name);
    fs::write(&path, text).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
}

/// Reads a configuration and returns what was asked for: table, key, and what it must be. Its problems do not matter.
fn facts(text: &str) -> BTreeSet<(String, String, String)> {
    let path = Path::new("/nowhere/config.toml");
    let file = SourceFile::new(path, text);
    let table = syntax::parse(&file, text).unwrap();
    let collected = Collected::default();
    let context = ReferenceContext { environment: &|_| None, folder: PathBuf::from("/nowhere"), reads_secrets: true };
    read(&Section::root(table.get_ref(), &file, &collected), table.get_ref(), &context);
    collected.facts.into_inner()
}

/// Returns the client secret of the first source.
fn secret(config: &Config) -> &str {
    let Credentials::Oauth { client_secret, .. } = &config.sources[0].client.account else { panic!("OAuth") };
    client_secret.expose_secret()
}

/// Returns the problem of a key. What is in brackets, the names of items, is not compared. Panics where there is none.
fn problem(text: &str, key: &str) -> String {
    let error = load(text).unwrap_err();
    let without_names = |key: &str| Regex::new(r"\[[^\]]*\]").unwrap().replace_all(key, "").into_owned();
    let found = error.problems.iter().find(|p| without_names(&p.key) == without_names(key));
    found.unwrap_or_else(|| panic!("no problem at {key}: {error}")).lines().join("\n")
}

#[test]
fn minimal_configuration_has_the_documented_defaults() {
    let config = load(MINIMAL).unwrap();
    assert!(config.state_dir == Path::new("/nowhere/state"));
    assert_eq!(config.output.dir, config.state_dir.join("snapshots"));
    assert!(config.output.csv && config.output.parquet && config.output.html);
    assert_eq!((config.output.keep_days, config.output.keep_runs), (400, 10));
    assert_eq!(config.policy, Policy::default());
    assert!(config.destinations.is_empty() && config.metrics_file.is_none());
    let source = &config.sources[0];
    assert_eq!(source.identity.url, "https://bt.example.com");
    assert_eq!((source.page_size, source.client.concurrency), (100, 4));
    assert!((source.client.requests_per_second - 15.0).abs() < f64::EPSILON);
    assert_eq!(source.client.deadline.as_secs(), 3600);
    let Credentials::Oauth { token_auth, token_path, .. } = &source.client.account else { panic!("OAuth") };
    assert_eq!((*token_auth, token_path.as_str()), (TokenAuth::Auto, "/oauth2/token"));
    assert_eq!(secret(&config), "s3cret");
    assert_eq!(config.sha256.len(), 64);
}

#[test]
fn every_key_is_read() {
    let text = format!(
        r#"{MINIMAL}
token_auth = "basic"
page_size = 500
concurrency = 2
requests_per_second = 2.5
deadline_minutes = 5
[output]
dir = "/nowhere/out"
tables = ["parquet"]
csv = "excel"
reports = ["html"]
keep_days = 30
keep_runs = 3
[policy]
stale_after_days = 60
privileged_stale_after_days = 30
never_logged_in_grace_days = 7
privileged_groups = ["Administrators", "id:12", "glob:*admin*"]
break_glass = ["glob:emergency-*"]
service_accounts = ["glob:svc-*"]
max_shrink_percent = 10
[policy.rules]
"no-group" = "off"
"dangling-group" = "high"
"local-outside-sso" = "off"
[[syslog]]
url = "tls://siem.example.com"
profile = "generic-5425"
protocol = "rfc5424"
framing = "newline"
payload = "ecs"
facility = "local4"
send = "all"
remind_days = 0
[[syslog]]
url = "unix:///dev/log"
[[syslog]]
url = "udp://[::1]:1514"
"#
    );
    let config = load(&format!("metrics_file = \"/nowhere/metrics.prom\"\n{text}")).unwrap();
    assert!(config.output.dir.ends_with("out") && !config.output.csv && config.output.parquet);
    assert_eq!(config.policy.stale_after.days, 60);
    assert_eq!(config.policy.never_grace.days, 7);
    assert_eq!(config.policy.rules[&Rule::NoGroup], Override::Off);
    assert_eq!(config.policy.rules[&Rule::DanglingGroup], Override::Severity(Severity::High));
    assert_eq!(config.classes.privileged_groups[1], Pattern::Id("12".to_owned()));
    let over_syslog = over_syslog(&config);
    let [tls, unix, udp] = over_syslog.as_slice() else { panic!("three destinations") };
    assert_eq!(tls.transport, Transport::Tls("siem.example.com".to_owned(), 6514));
    assert_eq!((tls.framing, tls.facility), (Framing::Newline, 20));
    assert_eq!((unix.protocol, unix.facility), (Protocol::Rfc3164, 13));
    assert_eq!(udp.transport, Transport::Udp("::1".to_owned(), 1514));
    assert!(config.metrics_file.unwrap().ends_with("metrics.prom"));
}

/// Returns the syslog destinations of a configuration.
fn over_syslog(config: &Config) -> Vec<SyslogDestination> {
    let syslog = |destination: &Destination| match destination {
        Destination::Syslog(destination) => Some(destination.clone()),
        Destination::Http(_) => None,
    };
    config.destinations.iter().filter_map(syslog).collect()
}

#[test]
fn all_problems_are_reported_at_once_each_with_its_key_path() {
    let text = r#"
stat_dir = "/x"
[output]
keep_days = "many"
[policy]
stale_after_days = 0
frameworks = ["pci-dss-5"]
[policy.rules]
"stale-logins" = "high"
[[source]]
name = "a b"
kind = "rest-v2"
url = "http://bt.example.com"
client_id = { env = "NOT_SET" }
client_secret = "hunter2"
ca_file = "not.pem"
page_size = 100000
[syslog]
url = "http://siem"
"#;
    let error = load(text).unwrap_err();
    let keys: Vec<&str> = error.problems.iter().map(|p| p.key.as_str()).collect();
    for key in [
        "stat_dir",
        "output.keep_days",
        "policy.stale_after_days",
        "policy.frameworks",
        "policy.rules.stale-logins",
        "source[a b].name",
        "source[a b].kind",
        "source[a b].url",
        "source[a b].client_id",
        "source[a b].client_secret",
        "source[a b].ca_file",
        "source[a b].page_size",
        "syslog[http://siem].url",
    ] {
        assert!(keys.contains(&key), "{key} is missing in {keys:?}");
    }
    let shown = error.to_string();
    assert!(
        shown.contains("did you mean \"state_dir\"?") && shown.contains("did you mean \"stale-login\"?"),
        "{shown}"
    );
    assert!(!shown.contains("hunter2"), "the message contains a secret: {shown}");
    assert!(shown.contains(&format!(": {} errors\n", error.problems.len())), "{shown}");
}

#[test]
fn value_of_a_later_version_is_refused_with_a_supported_one() {
    assert!(
        problem(&MINIMAL.replace("rest-v3", "prs"), "source[appliance].kind").contains("pra, rs, password-safe, scim")
    );
    assert!(
        problem(&format!("{MINIMAL}[output]\nreports = [\"xlsx\"]"), "output.reports").contains("must be one of html")
    );
    assert!(
        problem(&format!("{MINIMAL}[policy]\nexceptions = \"e.toml\""), "policy.exceptions").contains("does not exist")
    );
    let syslog = |line: &str| format!("{MINIMAL}[syslog]\nurl = \"tls://s\"\n{line}");
    assert!(problem(&syslog("payload = \"xml\""), "syslog[tls://s].payload").contains("ecs"));
    let of_another = "payload = \"cef\"\nocsf_finding = \"detection\"";
    assert!(problem(&syslog(of_another), "syslog[tls://s].ocsf_finding").contains("ocsf"));
    let version = |lines: &str| problem(&syslog(lines), "syslog[tls://s].ocsf_version");
    assert!(version("payload = \"cef\"\nocsf_version = \"1.7.0\"").contains("payload = \"ocsf\""));
    assert!(version("payload = \"ocsf\"\nocsf_version = \"1.3.0\"").contains("1.4.0"));
    assert!(version("payload = \"ocsf\"\nocsf_version = \"1.5.0\"").contains("ocsf_finding = \"detection\""));
    let older = syslog("payload = \"ocsf\"\nocsf_version = \"1.5.0\"\nocsf_finding = \"detection\"");
    assert!(load(&older).is_ok());
}

#[test]
fn relp_has_a_default_port_and_its_tls_has_the_keys_of_tls() {
    let table = |lines: &str| format!("{MINIMAL}[syslog]\n{lines}");
    let transport = |url: &str| over_syslog(&load(&table(&format!("url = \"{url}\""))).unwrap())[0].transport.clone();
    assert_eq!(transport("relp://siem.example.com"), Transport::Relp("siem.example.com".to_owned(), 2514));
    assert_eq!(transport("relp+tls://[::1]:20514"), Transport::RelpTls("::1".to_owned(), 20_514));
    let profile = over_syslog(&load(&table("url = \"relp://s\"\nprofile = \"rsyslog-relp\"")).unwrap())[0].clone();
    let expected = (Protocol::Rfc5424, Payload::Ecs, 13);
    assert_eq!((profile.protocol, profile.payload, profile.facility), expected);
    assert_eq!(profile.max_frame_octets(), 8_000);
}

#[test]
fn keys_that_relp_does_not_have_are_refused_with_their_reason() {
    let why = |key: &str, line: &str, url: &str| {
        let text = format!("{MINIMAL}[syslog]\nurl = \"{url}\"\n{line}");
        problem(&text, &format!("syslog[{url}].{key}"))
    };
    for url in ["relp://s", "relp+tls://s"] {
        let proof = why("delivery_proof", "delivery_proof = \"sent\"", url);
        assert!(proof.contains("a RELP receiver acknowledges each event; remove it"), "{proof}");
        let framing = why("framing", "framing = \"newline\"", url);
        assert!(framing.contains("a RELP frame contains its length; remove it"), "{framing}");
    }
    assert!(why("ca_file", "ca_file = \"ca.pem\"", "relp://s").contains("write relp+tls:// in url"));
    assert!(why("ca_file", "ca_file = \"ca.pem\"", "tcp://s").contains("write tls:// in url"));
    assert!(why("url", "", "relps://s").contains("write relp+tls://"));
}

#[test]
fn secret_file_that_others_can_read_is_refused_with_the_chmod_command() {
    let why = problem(&MINIMAL.replace("\"secret\"", "\"open-secret\""), "source[appliance].client_secret");
    assert!(why.contains("can be read by others (mode 0644)") && why.contains("chmod 600"), "{why}");
}

#[test]
fn secret_in_a_folder_or_a_device_is_refused_before_its_mode_is_looked_at() {
    for (path, words) in [("/tmp", "/tmp is a folder; name a file"), ("/dev/null", "is a device; name a regular file")]
    {
        let why = problem(&MINIMAL.replace("\"secret\"", &format!("{path:?}")), "source[appliance].client_secret");
        assert!(why.contains(words) && !why.contains("chmod"), "{why}");
        let certificate = problem(&format!("{MINIMAL}ca_file = {path:?}\n"), "source[appliance].ca_file");
        assert!(certificate.contains(words), "{certificate}");
    }
    let blank = problem(&MINIMAL.replace("\"secret\"", "\"/no where/s\""), "source[appliance].client_secret");
    assert!(blank.ends_with("install -m 600 /dev/stdin '/no where/s'"), "{blank}");
}

#[test]
fn item_of_a_list_is_reported_where_it_is() {
    let error = load(&format!("{MINIMAL}[policy]\nbreak_glass = [\"a\",\n 1, \"\"]\n")).unwrap_err().to_string();
    assert!(error.contains(":11:2: [policy] break_glass: each item must be a text, not a whole number"), "{error}");
    assert!(error.contains(":11:5: [policy] break_glass: pattern is empty"), "{error}");
}

#[test]
fn port_that_does_not_exist_is_named() {
    let why = problem(&MINIMAL.replace("bt.example.com/", "bt.example.com:99999"), "source[appliance].url");
    assert!(why.starts_with("has no valid port; write a port from 1 to 65535"), "{why}");
}

#[test]
fn empty_text_of_a_required_key_is_not_to_be_removed() {
    let why = problem(&MINIMAL.replace("https://bt.example.com/", ""), "source[appliance].url");
    assert_eq!(why, "must not be empty; write for example url = \"https://bt.example.com\"");
}

#[test]
fn missing_or_empty_secret_file_is_a_problem() {
    assert!(
        problem(&MINIMAL.replace("\"secret\"", "\"nowhere\""), "source[appliance].client_secret")
            .contains("does not exist")
    );
    let empty = problem(&MINIMAL.replace("\"secret\"", "\"empty\""), "source[appliance].client_secret");
    assert!(
        empty.starts_with("the secret file /") && empty.ends_with("/empty is empty; write the value into it"),
        "{empty}"
    );
}

#[test]
fn secrets_can_be_read_from_the_environment_and_from_systemd_credentials() {
    let text = MINIMAL.replace("{ file = \"secret\" }", "{ env = \"BT_SECRET\" }");
    let config = load_with(&text, &[("BT_SECRET", "of the environment")]).unwrap();
    assert_eq!(secret(&config), "of the environment");
    let text = MINIMAL.replace("{ file = \"secret\" }", "{ credential = \"secret\" }");
    let config = load_with(&text, &[("CREDENTIALS_DIRECTORY", "$DIR")]).unwrap();
    assert_eq!(secret(&config), "s3cret");
    let outside = load(&text).unwrap_err().to_string();
    assert!(outside.ends_with("-p LoadCredential=secret:/etc/bt-rollcall/secret"), "{outside}");
    let absent =
        load_with(&text.replace("\"secret\"", "\"other_secret\""), &[("CREDENTIALS_DIRECTORY", "$DIR")]).unwrap_err();
    assert!(absent.to_string().contains("the unit has no LoadCredential=other_secret:PATH"), "{absent}");
}

#[test]
fn pasted_secret_in_a_reference_is_not_shown_anywhere() {
    for pasted in ["hunter2", "Tr0ub4dor&3", "JBSWY3DPEHPK3PXP", "a\\nb"] {
        for kind in ["env", "credential", "file"] {
            let text = MINIMAL.replace("file = \"secret\"", &format!("{kind} = \"{pasted}\""));
            for environment in [&[][..], &[("CREDENTIALS_DIRECTORY", "$DIR")]] {
                let error = load_with(&text, environment).unwrap_err();
                let shown = format!("{error} {error:?}");
                assert!(!shown.contains(&pasted[..3]), "{shown}");
            }
            let folder = tempfile::tempdir().unwrap();
            write(folder.path(), "config.toml", &text, 0o600);
            let config = Config::load_without_secrets(&folder.path().join("config.toml"), &|_| None).unwrap();
            let shown = format!("{}{}{:?}", in_words(&config), effective(&config), config.settings);
            assert!(!shown.contains(&pasted[..3]) && shown.contains("(not shown)"), "{shown}");
        }
    }
}

#[test]
fn invalid_toml_is_reported_with_its_line_number_and_without_its_text() {
    let error = load("state_dir = \"x\"\nclient_secret = \"hunter2\n").unwrap_err().to_string();
    assert!(error.contains("config.toml:2:25: invalid TOML") && !error.contains("hunter2"), "{error}");
}

#[test]
fn settings_in_force_of_a_destination_are_those_of_its_profile_and_of_the_keys_that_win() {
    for (keys, expected) in [
        (
            "url = \"tls://s\"\nprofile = \"qradar-leef\"\nfacility = \"local1\"",
            "protocol rfc3164, payload leef, facility local1, send \"transitions\", remind_days 7, framing newline, \
             delivery_proof close, at most 4,000 octets an event",
        ),
        (
            "url = \"udp://s\"\nprofile = \"ocsf-lake\"\nsend = \"all\"\nenterprise_number = 99999",
            "protocol rfc5424, payload ocsf, ocsf_finding iam-analysis, ocsf_version 1.8.0, facility audit, send \"all\", \
             events_per_second 500, enterprise_number 99999, at most 1,180 octets an event",
        ),
        (
            "url = \"udp://s\"\nprofile = \"wazuh4\"\nudp_max = 8000",
            "protocol rfc3164, payload ecs, facility audit, send \"transitions\", remind_days 7, \
             events_per_second 500, at most 8,000 octets an event",
        ),
        (
            "url = \"relp://s\"\nprofile = \"rsyslog-relp\"\npayload = \"cef\"",
            "protocol rfc5424, payload cef, facility audit, send \"transitions\", remind_days 7, \
             at most 8,000 octets an event",
        ),
    ] {
        let config = load(&format!("{MINIMAL}[[syslog]]\n{keys}\n")).unwrap();
        assert_eq!(destination_in_words(&config.destinations[0]), expected);
    }
}

#[test]
fn plain_http_is_accepted_for_loopback_addresses_only() {
    for (url, fits) in [
        ("http://127.0.0.1:8080", true),
        ("http://[::1]:8080", true),
        ("http://localhost", true),
        ("http://10.0.0.1", false),
        ("ftp://127.0.0.1", false),
        ("https://user:secret@bt.example.com", false),
        ("https://bt.example.com?x=1", false),
        ("bt.example.com", false),
    ] {
        let text = MINIMAL.replace("https://bt.example.com/", url);
        assert_eq!(load(&text).is_ok(), fits, "{url}");
    }
}

#[test]
fn relative_folders_are_refused_and_no_message_is_raw() {
    for (key, text) in [
        ("state_dir", MINIMAL.replace("/nowhere/state", "state")),
        ("state_dir", MINIMAL.replace("/nowhere/state", "~/state")),
        ("output.dir", format!("{MINIMAL}[output]\ndir = \"../out\"\n")),
        ("metrics_file", format!("metrics_file = \"m.prom\"\n{MINIMAL}")),
    ] {
        assert!(problem(&text, key).contains("write an absolute path, such as \"/"), "{text}");
    }
    assert!(
        problem(&MINIMAL.replace("https://", ""), "source.url").contains("is not an address with a scheme and a host")
    );
    let missing = Config::load(Path::new("/nowhere/config.toml"), &|_| None).unwrap_err().to_string();
    assert!(missing.contains("`bt-rollcall config init --output /nowhere/config.toml` writes one"), "{missing}");
    assert!(
        missing.contains("/nowhere/config.toml does not exist; create it") && !missing.contains("os error"),
        "{missing}"
    );
}

#[test]
fn place_of_a_problem_is_that_of_its_key_its_value_or_its_table() {
    let text = format!(
        "{MINIMAL}pagesize = 5\nconcurrency = 99\n[policy]\nbreak_glass = [\"a\", \"id:\"]\n[policy.rules]\nnope = \"low\"\n[[syslog]]\n"
    );
    let shown = load(&text).unwrap_err().to_string();
    for expected in [
        "config.toml:9:1: [[source]] \"appliance\": unknown key \"pagesize\"; did you mean \"page_size\"?",
        "config.toml:10:15: [[source]] \"appliance\" concurrency: must be from 1 to 32, not 99",
        "config.toml:12:21: [policy] break_glass: pattern is empty",
        "config.toml:14:1: [policy.rules]: unknown rule \"nope\"",
        "config.toml:15:1: [[syslog]] 1 url: is missing",
    ] {
        assert!(shown.contains(expected), "{expected}: {shown}");
    }
}

#[test]
fn two_sources_with_the_same_name_are_refused() {
    let second = &MINIMAL[MINIMAL.find("[[source]]").unwrap()..];
    assert!(problem(&format!("{MINIMAL}{second}"), "source[appliance].name").contains("two sources"));
}

#[test]
fn configuration_without_a_source_is_refused() {
    assert!(problem("state_dir = \"x\"", "source").contains("[[source]]"));
}

#[test]
fn separator_of_csv_is_a_choice_for_excel_only() {
    let dialect = |keys: &str| load(&format!("{MINIMAL}[output]\n{keys}\n")).unwrap().output.dialect;
    assert_eq!(dialect("csv = \"excel\""), CsvDialect::Excel(Separator::Comma));
    assert_eq!(dialect("csv = \"excel\"\ncsv_separator = \"semicolon\""), CsvDialect::Excel(Separator::Semicolon));
    for keys in ["csv_separator = \"comma\"", "csv = \"raw\"\ncsv_separator = \"semicolon\""] {
        let why = problem(&format!("{MINIMAL}[output]\n{keys}\n"), "output.csv_separator");
        assert!(why.contains("csv = \"excel\""), "{why}");
    }
    problem(&format!("{MINIMAL}[output]\ncsv = \"excel\"\ncsv_separator = \"tab\"\n"), "output.csv_separator");
}
