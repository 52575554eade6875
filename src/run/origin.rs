//! The host, the account of this process, and the person who used sudo.
//!
//! Read once at the start of a run, for the manifest and for the header of syslog messages.

use super::Origin;
use crate::escape;
use std::fs;

impl Origin {
    /// Reads the host name, the account of this process and the caller of sudo.
    pub fn of_this_process() -> Self {
        let uid = rustix::process::getuid().as_raw();
        let operator = account(uid).unwrap_or_else(|| format!("uid {uid}"));
        let person = person(&operator, std::env::var("SUDO_USER").ok().as_deref());
        Self { host: host(), operator, person }
    }
}

fn host() -> String {
    let name = hostname::get().ok().and_then(|name| name.into_string().ok());
    let name = name.filter(|name| !name.is_empty()).unwrap_or_else(|| "localhost".to_owned());
    let hosts = fs::read_to_string("/etc/hosts").unwrap_or_default();
    qualified(&name, &hosts).unwrap_or(name)
}

/// Returns the fully qualified name that hosts(5) gives to a short host name.
///
/// RFC 5424 §6.2.4 asks for the qualified name, and the kernel often has only the first label.
fn qualified(name: &str, hosts: &str) -> Option<String> {
    if name.contains('.') {
        return None;
    }
    let lines = hosts.lines().map(|line| line.split('#').next().unwrap_or_default());
    let names = lines.flat_map(|line| line.split_whitespace().skip(1));
    let mut full = names.filter(|full| full.split_once('.').is_some_and(|(first, _)| first.eq_ignore_ascii_case(name)));
    // `localhost.localdomain` and the like are placeholders of distributions: they identify no machine.
    full.find(|full| !full.to_ascii_lowercase().ends_with(".localdomain")).map(str::to_owned)
}

/// Returns the account name of a user id by passwd(5). The environment is not used: its user could set any name.
fn account(uid: u32) -> Option<String> {
    let passwd = fs::read_to_string("/etc/passwd").ok()?;
    passwd.lines().find_map(|line| {
        let mut fields = line.split(':');
        let (name, id) = (fields.next()?, fields.nth(1)?);
        (id.parse() == Ok(uid)).then(|| name.to_owned())
    })
}

/// Returns the account, followed by the caller of sudo(8) from `SUDO_USER`.
///
/// The caller is added to the account and never replaces it, because the environment could contain any name.
fn person(operator: &str, sudo_user: Option<&str>) -> String {
    match sudo_user.filter(|user| !user.is_empty() && *user != operator) {
        Some(user) => format!("{operator} (sudo: {})", escape::printable(user, 64)),
        None => operator.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::{person, qualified};

    #[test]
    fn the_caller_of_sudo_is_added_to_the_account() {
        assert_eq!(person("root", Some("alice")), "root (sudo: alice)");
        for nobody_else in [None, Some(""), Some("root")] {
            assert_eq!(person("root", nobody_else), "root");
        }
        assert_eq!(person("root", Some("a\nb")), "root (sudo: a\\nb)");
    }

    #[test]
    fn a_short_host_name_gets_the_domain_that_the_hosts_file_gives_it() {
        let hosts =
            "127.0.0.1 localhost\n# 10.0.0.1 old.example.org old\n127.0.1.1\tVault01.example.com vault01 # ours\n";
        assert_eq!(qualified("vault01", hosts).as_deref(), Some("Vault01.example.com"));
        assert_eq!(qualified("vault01.example.net", hosts), None, "it is qualified already");
        assert_eq!(qualified("old", hosts), None, "a comment is not read");
        assert_eq!(qualified("localhost", "127.0.0.1 localhost.localdomain localhost"), None);
    }
}
