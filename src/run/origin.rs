//! The host, the account of this process, the person who used sudo, and the service of systemd.
//!
//! Read once at the start of a run, for the manifest and for the header of syslog messages.

use super::Origin;
use crate::account_names::user_name;
use crate::escape;
use crate::snapshot::manifest::StartedBy;
use std::fs;

impl Origin {
    /// Reads the host name and who started this process.
    pub fn of_this_process() -> Self {
        let uid = rustix::process::getuid().as_raw();
        let user = user_name(uid);
        let sudo_user = sudo_user(&user, std::env::var("SUDO_USER").ok().as_deref());
        let systemd_unit = unit_of(std::process::id()).map(|unit| unit.in_words());
        let started_by = StartedBy { user, sudo_user, systemd_unit };
        Self { host: host(), operator: started_by.in_words(), started_by }
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

/// Returns the caller of sudo(8) from `SUDO_USER`; `None` if nobody else called it.
///
/// The caller is recorded next to the account and never replaces it, because the environment could contain any name.
fn sudo_user(account: &str, sudo_user: Option<&str>) -> Option<String> {
    sudo_user.filter(|user| !user.is_empty() && *user != account).map(|user| escape::printable(user, 64))
}

/// Service of systemd.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Unit {
    /// Name of the service: `bt-rollcall.service`.
    pub(super) name: String,
    /// The manager of a user that runs it, such as `user@1000.service`; `None` for a service of the system.
    pub(super) manager: Option<String>,
}

impl Unit {
    /// Returns the text for the manifest: `bt-rollcall.service`, or `sync.service of user@1000.service`.
    fn in_words(&self) -> String {
        let of_user = self.manager.as_ref().map_or_else(String::new, |manager| format!(" of {manager}"));
        format!("{}{of_user}", self.name)
    }

    /// Returns the beginning of the command that asks the manager of the unit.
    pub(super) fn systemctl(&self) -> &'static str {
        if self.manager.is_some() { "systemctl --user" } else { "systemctl" }
    }
}

/// Returns the service that contains a process; `None` if it is in none or cannot be looked at.
pub(super) fn unit_of(pid: u32) -> Option<Unit> {
    fs::read_to_string(format!("/proc/{pid}/cgroup")).ok().and_then(|text| service(&text))
}

/// Returns the service that contains a process, from the text of `/proc/self/cgroup` (cgroups(7)).
///
/// systemd puts each service into a control group of its name. Other groups, such as the scope of a login session, name
/// no unit that somebody configured. The services of a user are below the service `user@UID.service` of the system.
fn service(cgroup: &str) -> Option<Unit> {
    let paths = cgroup.lines().filter_map(|line| {
        let (hierarchy, path) = line.split_once(':')?.1.split_once(':')?;
        // The empty name is the unified hierarchy; version 1 has one for systemd.
        matches!(hierarchy, "" | "name=systemd").then_some(path)
    });
    let mut units = paths.filter_map(|path| path.rsplit_once('/')).filter(|(_, unit)| unit.ends_with(".service"));
    units.next().map(|(above, unit)| Unit {
        name: escape::printable(unit, 128),
        manager: above
            .split('/')
            .find(|name| name.starts_with("user@") && name.ends_with(".service"))
            .map(|name| escape::printable(name, 128)),
    })
}

#[cfg(test)]
mod tests {
    use super::{StartedBy, Unit, qualified, service, sudo_user};

    #[test]
    fn the_caller_of_sudo_and_the_service_are_added_to_the_account() {
        assert_eq!(sudo_user("root", Some("alice")).as_deref(), Some("alice"));
        for nobody_else in [None, Some(""), Some("root")] {
            assert_eq!(sudo_user("root", nobody_else), None);
        }
        assert_eq!(sudo_user("root", Some("a\nb")).as_deref(), Some("a\\nb"));
        let started = |sudo_user: Option<&str>, unit: Option<&str>| StartedBy {
            user: "root".to_owned(),
            sudo_user: sudo_user.map(str::to_owned),
            systemd_unit: unit.map(str::to_owned),
        };
        assert_eq!(started(None, None).in_words(), "root");
        assert_eq!(started(Some("alice"), None).in_words(), "root (sudo: alice)");
        let both = started(Some("alice"), Some("bt-rollcall.service"));
        assert_eq!(both.in_words(), "root (sudo: alice; unit: bt-rollcall.service)");
    }

    #[test]
    fn the_service_is_the_last_control_group_and_a_login_session_is_none() {
        let unit = "bt-rollcall.service";
        for cgroup in [
            "0::/system.slice/bt-rollcall.service\n",
            "12:cpu:/\n1:name=systemd:/system.slice/bt-rollcall.service\n0::/\n",
        ] {
            let found = service(cgroup).unwrap();
            assert_eq!((found.in_words().as_str(), found.systemctl()), (unit, "systemctl"), "{cgroup}");
        }
        for cgroup in [
            "0::/\n",
            "0::/user.slice/user-1000.slice/session-3.scope\n",
            "0::/user.slice/user@1000.service/app.slice/shell.scope\n",
            "9:cpu:/system.slice/other.service\n",
            "",
        ] {
            assert_eq!(service(cgroup), None, "{cgroup}");
        }
    }

    #[test]
    fn a_service_of_a_user_names_its_manager() {
        let found = service("0::/user.slice/user-1000.slice/user@1000.service/app.slice/sync.service\n").unwrap();
        assert_eq!(found, Unit { name: "sync.service".to_owned(), manager: Some("user@1000.service".to_owned()) });
        assert_eq!(found.in_words(), "sync.service of user@1000.service");
        assert_eq!(found.systemctl(), "systemctl --user");
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
