//! The commands that answer a message, as a person types them: what confirms a guard, and what shows who holds a lock.
//!
//! A command is printed as the last part of a message, so that it can be copied to the end of the line. It works where
//! the job runs: as the user of the job, and with the credentials that systemd passes to the job. [`LaunchContext`]
//! reads this process; the texts are made by functions without side effects.

use super::RunError;
use super::context::Run;
use super::origin::{self, Unit};
use crate::account_names::user_name;
use crate::config::STATE_DIR;
use crate::escape::shell_word;
use crate::guard::Suspect;
use crate::model::{SourceName, instant_text};
use crate::run_manifest::Origin;
use crate::snapshot::manifest::StartedBy;
use std::ffi::OsString;
use std::fs;
use std::io::{self, IsTerminal};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// The service that is installed with the program.
const UNIT: &str = "bt-rollcall.service";

/// Services that start the jobs of others. Their units know nothing of these jobs.
const SCHEDULERS: [&str; 4] = ["cron.service", "crond.service", "cronie.service", "atd.service"];

/// Folders in which no other program makes a folder of its own. An existing one there may be that of a package.
const SYSTEM_FOLDERS: [&str; 8] = ["/boot", "/dev", "/etc", "/proc", "/root", "/run", "/sys", "/usr"];

/// How this process was started, as far as it decides how a person starts the program again.
struct LaunchContext {
    program: PathBuf,
    started_by: StartedBy,
    unit: Option<Unit>,
    /// Whether systemd passed credentials to this process (systemd.exec(5), `$CREDENTIALS_DIRECTORY`).
    has_credentials: bool,
    /// Variables of the environment that contain secrets.
    variables: Vec<String>,
    /// Whether a person reads the messages in a terminal.
    is_terminal: bool,
}

impl LaunchContext {
    fn of_this_process(origin: &Origin, variables: Vec<String>) -> Self {
        Self {
            program: std::env::current_exe().unwrap_or_else(|_| "bt-rollcall".into()),
            started_by: origin.started_by.clone(),
            unit: origin::unit_of(std::process::id()),
            has_credentials: std::env::var_os("CREDENTIALS_DIRECTORY").is_some(),
            variables,
            is_terminal: io::stderr().is_terminal(),
        }
    }

    /// Returns the command line that starts the program with these words, as the job was started.
    fn command(&self, words: &[OsString]) -> String {
        let words = std::iter::once(self.program.as_os_str()).chain(words.iter().map(OsString::as_os_str));
        let words = words.map(shell_word).collect::<Vec<_>>().join(" ");
        if self.needs_the_unit() {
            return self.with_properties(&words);
        }
        if self.has_the_same_user() {
            return words;
        }
        let user = shell_word(&self.started_by.user);
        match self.variables.join(",") {
            // The environment of cron ends with the job, and sudo(8) passes only variables that are named.
            variables if !variables.is_empty() => {
                format!("sudo --preserve-env={} -u {user} {words}", shell_word(&variables))
            }
            _ => format!("sudo -u {user} {words}"),
        }
    }

    /// Returns what a person does before the command: sets the variables that only the job has. Empty for nothing.
    fn preparation(&self) -> String {
        if self.variables.is_empty() || self.needs_the_unit() || self.has_the_same_user() {
            return String::new();
        }
        format!("set {} in this shell, and ", self.variables.join(", "))
    }

    fn has_the_same_user(&self) -> bool {
        self.is_terminal && self.started_by.sudo_user.is_none()
    }

    /// Returns whether only the unit of the job knows where the secrets are.
    fn needs_the_unit(&self) -> bool {
        let is_own = |unit: &Unit| !SCHEDULERS.contains(&unit.name.as_str());
        self.has_credentials || (!self.variables.is_empty() && self.unit.as_ref().is_some_and(is_own))
    }

    /// Only systemd can pass credentials, and only the unit knows where they are.
    ///
    /// The arguments end with zero bytes, because a line `Environment=` may contain blanks and quotes, and a path may
    /// contain a line break.
    fn with_properties(&self, words: &str) -> String {
        let (unit, systemctl) = self.unit();
        let run = if systemctl == "systemctl" {
            format!("sudo systemd-run --pipe --wait --collect -p User={}", shell_word(&self.started_by.user))
        } else {
            "systemd-run --user --pipe --wait --collect".to_owned()
        };
        format!(
            "{{ {systemctl} cat {} | sed -nE 's/^(LoadCredential|SetCredential|Environment)/-p\\n&/p' | \
             tr '\\n' '\\0'; printf '%s\\0' {words}; }} | xargs -0 {run} -p UMask=0077",
            shell_word(unit)
        )
    }

    /// Returns the unit of the job, and who manages it. A unit of `systemd-run` (`run-….service`) ends with its process.
    fn unit(&self) -> (&str, &'static str) {
        let unit = self.unit.as_ref().filter(|unit| !unit.name.starts_with("run-"));
        unit.map_or((UNIT, "systemctl"), |unit| (&unit.name, unit.systemctl()))
    }
}

impl Run<'_> {
    /// Returns what to do about sources that a guard set aside: what to check, and the command that confirms them.
    pub(super) fn answer_to_guard(&self, suspects: &[Suspect]) -> String {
        let mut names: Vec<&str> = suspects.iter().map(|suspect| suspect.source.as_str()).collect();
        names.dedup();
        let context = LaunchContext::of_this_process(&self.origin, self.request.config.secret_variables());
        format!(
            "check at the appliance whether the records were really removed, and the rights of the API account. If they \
             were removed, {}confirm it once with: {}",
            context.preparation(),
            self.confirming(&names, &context)
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
        let mut words: Vec<OsString> = vec!["run".into(), "--config".into(), path(&request.config.path).into()];
        let mut flag = |name: &str, value: OsString| words.extend([name.into(), value]);
        if !request.omitted().is_empty() {
            request.sources.iter().for_each(|source| flag("--source", source.identity.name.as_str().into()));
        }
        if let Some(as_of) = request.as_of {
            flag("--as-of", instant_text(as_of).into());
        }
        if request.has_own_output {
            flag("--output", path(&request.config.output.dir).into());
        }
        let earlier = request.allow_shrink.iter().map(SourceName::as_str);
        earlier.chain(sources.iter().copied()).for_each(|name| flag("--allow-shrink", name.into()));
        context.command(&words)
    }
}

/// Returns what to do about a lock that the process `pid` holds: how to look at it, and when it ends.
pub(super) fn answer_to_lock(pid: Option<u32>) -> String {
    let wait = "wait until that run ends; the lock is released when its process ends, even after a kill";
    match pid {
        Some(pid) => format!("{wait}. See what it does with: {}", inspecting(pid, origin::unit_of(pid).as_ref())),
        None => wait.to_owned(),
    }
}

fn inspecting(pid: u32, unit: Option<&Unit>) -> String {
    match unit {
        Some(unit) => format!("{} status {}", unit.systemctl(), shell_word(&unit.name)),
        None => format!("ps -o pid,user,lstart,args -p {pid}"),
    }
}

/// Returns what to do about a folder that the user of this process may not use.
///
/// A missing folder is created for the user. An existing one stays as it is, because it may belong to the system or to
/// another program: `state_dir = "/"` must not give the whole machine away.
pub fn answer_to_denial(folder: &Path) -> String {
    let user = Origin::of_this_process().started_by.user;
    // A hidden folder is one of the program itself, such as that of a snapshot that is being written.
    let is_hidden = |path: &Path| path.file_name().is_some_and(|name| name.as_encoded_bytes().starts_with(b"."));
    let folder = folder.ancestors().find(|path| exists(path) || !is_hidden(path)).unwrap_or(folder);
    match fs::metadata(folder) {
        Ok(found) => occupied(folder, &user, &user_name(found.uid()), exists),
        // Without the rights of its parents, nobody knows what a folder is. It is not created over another one.
        Err(_) if exists(folder) => occupied(folder, &user, "another user", exists),
        Err(_) => {
            format!("the user {user} needs the folder {} for itself. {}", folder.display(), making(folder, &user))
        }
    }
}

/// Returns whether something may be there: an error proves no absence.
fn exists(path: &Path) -> bool {
    path.try_exists().unwrap_or(true)
}

/// Returns what to do about an existing folder of `owner` that `user` may not use.
fn occupied(folder: &Path, user: &str, owner: &str, exists: impl Fn(&Path) -> bool) -> String {
    let shown = folder.display();
    if owner == user {
        let command = format!("chmod u+rwx {}", shell_word(folder));
        return format!(
            "the folder {shown} belongs to the user {user}, but its mode keeps that user out. Allow it with: {command}"
        );
    }
    let is_of_system = folder.parent().is_none() || SYSTEM_FOLDERS.iter().any(|system| folder.starts_with(system));
    let own = [folder.join("bt-rollcall"), PathBuf::from(STATE_DIR)].into_iter().skip(usize::from(is_of_system));
    let own = own.into_iter().find(|own| !exists(own));
    let of_owner = if is_of_system {
        String::new()
    } else {
        format!("If an earlier run as {owner} created it, start the program as {owner}. Otherwise ")
    };
    let name = if is_of_system { "Name" } else { "name" };
    let end = own.map_or_else(|| "create it for that user".to_owned(), |own| making(&own, user));
    format!(
        "the user {user} needs the folder for itself, and {shown} belongs to {owner}. {of_owner}{name} another folder in \
         the configuration. {end}"
    )
}

fn making(folder: &Path, user: &str) -> String {
    format!("Create it with: sudo install -d -o {} -m 700 {}", shell_word(user), shell_word(folder))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_folder_is_created_for_the_user() {
        let folder = tempfile::tempdir().unwrap();
        let missing = folder.path().join("a b");
        let answer = answer_to_denial(&missing.join(".staging-1"));
        assert!(answer.ends_with(&format!(" -m 700 '{}'", missing.display())), "{answer}");
        assert!(answer.contains("needs the folder") && answer.contains("sudo install -d -o "), "{answer}");
    }

    #[test]
    fn an_existing_folder_is_never_given_to_the_user() {
        let of = |path: &str, owner| occupied(Path::new(path), "nobody", owner, |path| path.ends_with("srv/x"));
        for system in ["/", "/etc", "/usr/share"] {
            let answer = of(system, "root");
            assert!(answer.ends_with("sudo install -d -o nobody -m 700 /var/lib/bt-rollcall"), "{answer}");
            assert!(!answer.contains("chown") && !answer.contains("start the program as root"), "{answer}");
        }
        let own = of("/srv/x", "root");
        assert!(own.ends_with("sudo install -d -o nobody -m 700 /srv/x/bt-rollcall"), "{own}");
        assert!(own.contains("If an earlier run as root created it, start the program as root."), "{own}");
        assert!(of("/srv/x", "nobody").ends_with("chmod u+rwx /srv/x"));
        let taken = occupied(Path::new("/etc"), "nobody", "root", |_| true);
        assert!(!taken.contains("install"), "no folder of somebody else is taken: {taken}");
    }

    fn context(has_credentials: bool, is_terminal: bool, sudo_user: Option<&str>) -> LaunchContext {
        let user = "bt-rollcall".to_owned();
        let started_by = StartedBy { user, sudo_user: sudo_user.map(str::to_owned), systemd_unit: None };
        let program = "/opt/a b/bt-rollcall".into();
        LaunchContext { program, started_by, unit: None, has_credentials, variables: Vec::new(), is_terminal }
    }

    fn unit(name: &str, manager: Option<&str>) -> Unit {
        Unit { name: name.to_owned(), manager: manager.map(str::to_owned) }
    }

    #[test]
    fn the_program_is_started_as_the_user_of_the_job_unless_that_user_reads_the_message() {
        let words = [OsString::from("run")];
        let program = "'/opt/a b/bt-rollcall' run";
        assert_eq!(context(false, true, None).command(&words), program);
        for context in [context(false, true, Some("alice")), context(false, false, None)] {
            assert_eq!(context.command(&words), format!("sudo -u bt-rollcall {program}"));
        }
    }

    #[test]
    fn variables_with_secrets_are_set_by_the_person_and_passed_to_the_user_of_the_job() {
        let of = |is_terminal| {
            let variables = vec!["A".to_owned(), "B".to_owned()];
            let context = LaunchContext { variables, ..context(false, is_terminal, None) };
            (context.preparation(), context.command(&[]))
        };
        let program = "'/opt/a b/bt-rollcall'";
        let by_cron = format!("sudo --preserve-env=A,B -u bt-rollcall {program}");
        assert_eq!(of(false), ("set A, B in this shell, and ".to_owned(), by_cron));
        assert_eq!(of(true), (String::new(), program.to_owned()));
        let by_unit = |name| {
            let (variables, unit) = (vec!["A".to_owned()], Some(unit(name, None)));
            let context = LaunchContext { unit, variables, ..context(false, false, None) };
            (context.preparation(), context.command(&[]))
        };
        let (preparation, command) = by_unit("bt-rollcall.service");
        assert!(preparation.is_empty() && command.contains("systemctl cat bt-rollcall.service"), "{command}");
        assert!(by_unit("cron.service").1.starts_with("sudo --preserve-env=A "));
    }

    #[test]
    fn credentials_are_taken_from_the_unit_of_the_job() {
        let of = |unit| LaunchContext { unit, ..context(true, false, None) }.command(&[]);
        let system = of(Some(unit("bt-rollcall@eu.service", None)));
        assert!(system.starts_with("{ systemctl cat bt-rollcall@eu.service | sed "), "{system}");
        assert!(system.contains(" sudo systemd-run --pipe --wait --collect -p User=bt-rollcall "), "{system}");
        for transient_or_none in [Some(unit("run-u12.service", None)), None] {
            assert!(of(transient_or_none).starts_with("{ systemctl cat bt-rollcall.service | sed "));
        }
        let of_user = of(Some(unit("sync.service", Some("user@1000.service"))));
        assert!(of_user.starts_with("{ systemctl --user cat sync.service | sed "), "{of_user}");
        assert!(of_user.contains(" systemd-run --user ") && !of_user.contains("sudo"), "{of_user}");
    }

    #[test]
    fn the_holder_of_a_lock_is_shown_by_its_unit_or_else_by_its_process() {
        let status = |manager| inspecting(7, Some(&unit("sync.service", manager)));
        assert_eq!(status(None), "systemctl status sync.service");
        assert_eq!(status(Some("user@1000.service")), "systemctl --user status sync.service");
        assert_eq!(inspecting(7, None), "ps -o pid,user,lstart,args -p 7");
    }
}
