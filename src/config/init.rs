//! Writes the text of a first configuration, for `config init`. Pure.
//!
//! [`problem`] reads the text with the same parser as a run, so that no answer is accepted that `check` would refuse.

use super::effective::toml_value;
use super::{Config, address};
use serde_json::json;
use std::path::{Path, PathBuf};

/// What a first configuration needs to know.
#[derive(Clone, Debug)]
pub struct Answers {
    /// Product and interface.
    pub kind: String,
    /// Address of the appliance.
    pub url: String,
    /// Id of the API account.
    pub client_id: String,
    /// Where the secret of the API account is.
    pub secret: Secret,
    /// Receiver of events; `None`: no events.
    pub syslog: Option<String>,
    /// Folder of state and snapshots.
    pub state_dir: PathBuf,
}

/// Where a secret is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Secret {
    /// In a file with mode 0600.
    File(PathBuf),
    /// In a credential of systemd with this name.
    Credential(String),
}

impl Default for Answers {
    /// Returns answers that are valid. The first three must be replaced.
    fn default() -> Self {
        Self {
            kind: "rest-v3".to_owned(),
            url: "https://bt.example.com".to_owned(),
            client_id: "abc".to_owned(),
            secret: Secret::File(PathBuf::from("/etc/bt-rollcall/secret")),
            syslog: None,
            state_dir: PathBuf::from(super::paths::STATE_DIR),
        }
    }
}

/// One of the [`Answers`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer {
    /// Product and interface.
    Kind,
    /// Address of the appliance.
    Url,
    /// Id of the API account.
    ClientId,
    /// Where the secret of the API account is.
    Secret,
    /// Receiver of events.
    Syslog,
    /// Folder of state and snapshots.
    StateDir,
}

/// A problem of one answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AnswerProblem {
    /// The answer.
    pub answer: Answer,
    /// What is wrong with it, with the cure. Does not repeat what the answer is about.
    pub text: String,
}

/// Returns what is wrong with the answers, with the cure. The secret need not exist yet.
pub fn problem(answers: &Answers) -> Option<AnswerProblem> {
    let read = Config::parse_with(Path::new("/bt-rollcall.toml"), &text(answers), &|_| None, false);
    let found = read.err().and_then(|error| error.problems.into_iter().next())?;
    Some(AnswerProblem { answer: answer_of(&found.key), text: found.text })
}

/// Returns the answer that is written to a key of the configuration.
fn answer_of(key: &str) -> Answer {
    if key.starts_with("syslog") {
        return Answer::Syslog;
    }
    match key.rsplit('.').next().unwrap_or_default() {
        "kind" => Answer::Kind,
        "client_id" => Answer::ClientId,
        "client_secret" => Answer::Secret,
        "state_dir" | "dir" => Answer::StateDir,
        // The name of the source comes from the address, too.
        _ => Answer::Url,
    }
}

/// Returns the text of the configuration.
pub fn text(answers: &Answers) -> String {
    let Answers { kind, url, client_id, secret, syslog, state_dir } = answers;
    let url = address::alone(url, kind).unwrap_or_else(|| url.trim().to_owned());
    let secret = match secret {
        Secret::File(path) => json!({ "file": path }),
        Secret::Credential(name) => json!({ "credential": name }),
    };
    let quoted = |text: &str| toml_value(&json!(text));
    let syslog = match syslog {
        Some(receiver) => format!("[[syslog]]\nurl = {}\n", quoted(receiver)),
        None => "# [[syslog]]\n# url = \"tls://siem.example.com:6514\"\n".to_owned(),
    };
    [
        HEAD,
        &format!("state_dir = {}\n", toml_value(&json!(state_dir))),
        POLICY,
        &format!(
            "[[source]]\nname = {}\nkind = {}\nurl = {}\nclient_id = {}\n{SECRET}client_secret = {}\n{SOURCE}",
            quoted(&name(&url)),
            quoted(kind),
            quoted(&url),
            quoted(client_id),
            toml_value(&secret),
        ),
        SYSLOG,
        &syslog,
    ]
    .concat()
}

/// Returns a name for the source: the first label of its host.
fn name(url: &str) -> String {
    let host = url.split("://").nth(1).unwrap_or_default();
    let is_address = host.starts_with('[') || host.starts_with(|c: char| c.is_ascii_digit());
    let label: String = host.chars().take_while(|c| c.is_ascii_alphanumeric() || *c == '-').take(64).collect();
    if is_address || label.is_empty() { "appliance".to_owned() } else { label }
}

const HEAD: &str = "\
# Configuration of bt-rollcall, written by `bt-rollcall config init`.
# `bt-rollcall check --online` tests it. `bt-rollcall config show` prints every setting in force, defaults included.

# Folder of the lock and the spool. The snapshots are in its folder snapshots. An absolute path.
";
const POLICY: &str = r#"
[output]
# Retention keeps a snapshot that is younger than keep_days, and always the newest keep_runs.
keep_days = 400
keep_runs = 10

[policy]
# Presets of thresholds and controls: "pci-dss-4.0.1", "cis-8.1" and others. The strictest threshold wins.
frameworks = []
# An account without a login for so many days is stale.
stale_after_days = 90
privileged_stale_after_days = 45
# Members of these groups are privileged: names, "id:12", or globs. Nobody is, as long as the list is empty.
# privileged_groups = ["Administrators", "glob:*admin*"]
# Accounts for emergencies, and accounts that programs use.
# break_glass = ["glob:emergency-*"]
# service_accounts = ["glob:svc-*"]
# Accepted findings, each with an owner and a last day.
# exceptions = "/etc/bt-rollcall/exceptions.toml"

# One [[source]] table for each appliance and interface.
"#;
const SECRET: &str = "# Where the secret is: a file with mode 0600 of the user of the job, or a credential of systemd (LoadCredential=).\n";
const SOURCE: &str = "\
# Certificates that are trusted in addition to those of the system.
# ca_file = \"/etc/bt-rollcall/appliance-ca.pem\"

";
const SYSLOG: &str = "# Receivers of events, such as a SIEM. Without one, no event is sent.\n";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_makes_a_valid_configuration() {
        for kind in ["rest-v3", "pra", "rs", "password-safe", "scim"] {
            let folder = tempfile::tempdir().unwrap();
            let secret_file = folder.path().join("secret");
            super::super::tests::write(folder.path(), "secret", "s3cret", 0o600);
            for syslog in [None, Some("tls://siem.example.com".to_owned())] {
                let answers = Answers {
                    kind: kind.to_owned(),
                    secret: Secret::File(secret_file.clone()),
                    syslog,
                    ..Answers::default()
                };
                let config = Config::parse(Path::new("/c.toml"), &text(&answers), &|_| None).unwrap();
                assert_eq!(
                    (config.sources[0].kind.as_str(), config.destinations.len()),
                    (kind, usize::from(answers.syslog.is_some()))
                );
                assert!(config.notes.is_empty() && problem(&answers).is_none());
            }
        }
    }

    #[test]
    fn answers_are_quoted_and_a_pasted_path_is_removed() {
        let answers = Answers {
            url: "https://pra-eu.example.com/login".to_owned(),
            client_id: "a\"b".to_owned(),
            kind: "pra".to_owned(),
            ..Answers::default()
        };
        let text = text(&answers);
        assert!(
            text.contains("url = \"https://pra-eu.example.com\"\n") && text.contains("name = \"pra-eu\"\n"),
            "{text}"
        );
        assert!(problem(&answers).is_none(), "{:?}", problem(&answers));
        assert_eq!((name("https://10.0.0.1").as_str(), name("https://[::1]").as_str()), ("appliance", "appliance"));
    }

    #[test]
    fn wrong_answer_is_refused_with_the_words_of_check() {
        let answers = || Answers::default();
        let credential = Secret::Credential("a/b".to_owned());
        for (answers, answer, expected) in [
            (Answers { url: "bt.example.com".to_owned(), ..answers() }, Answer::Url, "is not an address"),
            (Answers { url: "http://bt.example.com".to_owned(), ..answers() }, Answer::Url, "must begin with https://"),
            (Answers { kind: "PRA".to_owned(), ..answers() }, Answer::Kind, "did you mean \"pra\"?"),
            (Answers { client_id: String::new(), ..answers() }, Answer::ClientId, "must not be empty"),
            (Answers { syslog: Some("siem".to_owned()), ..answers() }, Answer::Syslog, "must begin with tls://"),
            (Answers { state_dir: PathBuf::from("state"), ..answers() }, Answer::StateDir, "the path is relative"),
            (Answers { secret: credential, ..answers() }, Answer::Secret, "a credential is a name without a folder"),
            (Answers { secret: Secret::File("~/secret".into()), ..answers() }, Answer::Secret, "are not expanded"),
        ] {
            let problem = problem(&answers).unwrap();
            assert!(problem.answer == answer && problem.text.contains(expected), "{problem:?}");
        }
    }
}
