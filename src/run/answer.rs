//! The commands that answer a message, as a person types them: what confirms a guard, and what shows who holds a lock.
//!
//! A command is printed as the last part of a message, so that it can be copied to the end of the line. It works where
//! the job runs: as the user of the job, and with the credentials that systemd passes to the job. [`LaunchContext`]
//! reads this process; the texts are made by functions without side effects.

use super::context::Run;
use super::{RunError, origin};
use crate::escape::shell_word;
use crate::guard::Suspect;
use crate::model::{SourceName, instant_text};
use crate::run_manifest::Origin;
use crate::snapshot::manifest::StartedBy;
use std::io::{self, IsTerminal};
use std::path::{Path, PathBuf};

/// The service that is installed with the program.
const UNIT: &str = "bt-rollcall.service";

/// How this process was started, as far as it decides how a person starts the program again.
struct LaunchContext {
    program: PathBuf,
    started_by: StartedBy,
    /// Whether systemd passed credentials to this process (systemd.exec(5), `$CREDENTIALS_DIRECTORY`).
    has_credentials: bool,
    /// Whether a person reads the messages in a terminal.
    is_terminal: bool,
}

impl LaunchContext {
    fn of_this_process(origin: &Origin) -> Self {
        Self {
            program: std::env::current_exe().unwrap_or_else(|_| "bt-rollcall".into()),
            started_by: origin.started_by.clone(),
            has_credentials: std::env::var_os("CREDENTIALS_DIRECTORY").is_some(),
            is_terminal: io::stderr().is_terminal(),
        }
    }

    /// Returns the beginning of a command line: the program, started as the job was started.
    fn program(&self) -> String {
        let program = shell_word(&self.program.to_string_lossy()).into_owned();
        let user = shell_word(&self.started_by.user);
        if self.has_credentials {
            // Only systemd can pass credentials, and only the unit knows where they are.
            let unit = shell_word(self.unit());
            format!(
                "sudo systemd-run --pipe --wait --collect -p User={user} -p UMask=0077 $(systemctl cat {unit} | grep -oE \
                 '^(LoadCredential|Environment)[^ ]+$' | sed 's/^/-p /') {program}"
            )
        } else if self.is_terminal && self.started_by.sudo_user.is_none() {
            program
        } else {
            format!("sudo -u {user} {program}")
        }
    }

    /// Returns the unit of the job. A unit of `systemd-run` (`run-….service`) ends with its process.
    fn unit(&self) -> &str {
        let unit = self.started_by.systemd_unit.as_deref().filter(|unit| !unit.starts_with("run-"));
        unit.unwrap_or(UNIT)
    }
}

impl Run<'_> {
    /// Returns what to do about sources that a guard set aside: what to check, and the command that confirms them.
    pub(super) fn answer_to_guard(&self, suspects: &[Suspect]) -> String {
        let mut names: Vec<&str> = suspects.iter().map(|suspect| suspect.source.as_str()).collect();
        names.dedup();
        let command = self.confirming(&names, &LaunchContext::of_this_process(&self.origin));
        format!(
            "check at the appliance whether the records were really removed, and the rights of the API account. If they \
             were removed, confirm it once with: {command}"
        )
    }

    /// Returns what an operator can do about an error; `None` if the message contains it.
    pub(super) fn hint(&self, error: &RunError) -> Option<String> {
        match error {
            RunError::Suspect(suspects) => Some(self.answer_to_guard(suspects)),
            _ => error.hint(),
        }
    }

    fn confirming(&self, sources: &[&str], context: &LaunchContext) -> String {
        let request = self.request;
        let path = |path: &Path| std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
        let mut words = vec!["run".to_owned(), "--config".to_owned(), text(&path(&request.config.path))];
        let mut flag = |name: &str, value: String| words.extend([name.to_owned(), value]);
        if !request.omitted().is_empty() {
            request.sources.iter().for_each(|source| flag("--source", source.identity.name.to_string()));
        }
        if let Some(as_of) = request.as_of {
            flag("--as-of", instant_text(as_of));
        }
        if request.has_own_output {
            flag("--output", text(&path(&request.config.output.dir)));
        }
        let earlier = request.allow_shrink.iter().map(SourceName::as_str);
        earlier.chain(sources.iter().copied()).for_each(|name| flag("--allow-shrink", name.to_owned()));
        let words: Vec<_> = words.iter().map(|word| shell_word(word)).collect();
        format!("{} {}", context.program(), words.join(" "))
    }
}

fn text(path: &Path) -> String {
    path.to_string_lossy().into_owned()
}

/// Returns what to do about a lock that the process `pid` holds: how to look at it, and when it ends.
pub(super) fn answer_to_lock(pid: Option<u32>) -> String {
    let wait = "wait until that run ends; the lock is released when its process ends, even after a kill";
    match pid {
        Some(pid) => format!("{wait}. See what it does with: {}", inspecting(pid, origin::unit_of(pid).as_deref())),
        None => wait.to_owned(),
    }
}

fn inspecting(pid: u32, unit: Option<&str>) -> String {
    match unit {
        Some(unit) => format!("systemctl status {}", shell_word(unit)),
        None => format!("ps -o pid,user,lstart,args -p {pid}"),
    }
}

/// Returns what to do about a file or folder that the user of this process may not use.
///
/// A missing folder is created; an existing one is given to the user with everything in it, because a run of another
/// user may have left files there.
pub fn answer_to_denial(path: &Path) -> String {
    let user = Origin::of_this_process().started_by.user;
    denial(path, &user, path.is_dir(), path.exists())
}

fn denial(path: &Path, user: &str, is_folder: bool, exists: bool) -> String {
    let folder = if exists && !is_folder { path.parent().unwrap_or(path) } else { path };
    let (shown, word, owner) = (folder.display(), shell_word(&folder.to_string_lossy()).into_owned(), shell_word(user));
    let command = if exists {
        format!("sudo chown -R {owner}: {word}")
    } else {
        format!("sudo install -d -o {owner} -m 700 {word}")
    };
    format!("the user {user} needs the folder {shown} for itself. Give it with: {command}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_that_the_user_may_not_use_is_created_or_given_to_the_user() {
        let of = |path: &str, is_folder, exists| denial(Path::new(path), "bt-rollcall", is_folder, exists);
        let missing = of("/var/lib/bt rollcall", false, false);
        assert!(missing.ends_with("Give it with: sudo install -d -o bt-rollcall -m 700 '/var/lib/bt rollcall'"));
        assert!(of("/srv/x", true, true).ends_with("sudo chown -R bt-rollcall: /srv/x"));
        assert!(of("/srv/x/lock", false, true).ends_with("sudo chown -R bt-rollcall: /srv/x"));
    }

    fn context(has_credentials: bool, is_terminal: bool, sudo_user: Option<&str>, unit: Option<&str>) -> LaunchContext {
        let started_by = StartedBy {
            user: "bt-rollcall".to_owned(),
            sudo_user: sudo_user.map(str::to_owned),
            systemd_unit: unit.map(str::to_owned),
        };
        LaunchContext { program: "/opt/a b/bt-rollcall".into(), started_by, has_credentials, is_terminal }
    }

    #[test]
    fn the_program_is_started_as_the_user_of_the_job_unless_that_user_reads_the_message() {
        let program = "'/opt/a b/bt-rollcall'";
        assert_eq!(context(false, true, None, None).program(), program);
        assert_eq!(context(false, true, Some("alice"), None).program(), format!("sudo -u bt-rollcall {program}"));
        assert_eq!(
            context(false, false, None, Some("cron.service")).program(),
            format!("sudo -u bt-rollcall {program}")
        );
    }

    #[test]
    fn credentials_are_taken_from_the_unit_of_the_job() {
        let of = |unit| context(true, false, None, unit).program();
        assert!(of(Some("bt-rollcall@eu.service")).contains("$(systemctl cat bt-rollcall@eu.service | grep "));
        for transient_or_none in [Some("run-u12.service"), None] {
            assert!(of(transient_or_none).contains("$(systemctl cat bt-rollcall.service | grep "));
        }
        assert!(of(None).starts_with("sudo systemd-run --pipe --wait --collect -p User=bt-rollcall "));
    }

    #[test]
    fn the_holder_of_a_lock_is_shown_by_its_unit_or_else_by_its_process() {
        assert_eq!(inspecting(7, Some("bt-rollcall.service")), "systemctl status bt-rollcall.service");
        assert_eq!(inspecting(7, None), "ps -o pid,user,lstart,args -p 7");
    }
}
