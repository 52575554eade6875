//! Reads values that the configuration gives by reference: `{ env = … }`, `{ file = … }` or `{ credential = … }` (systemd).
//!
//! `account` and `certificates` use it. A secret must be a reference, so that other users may read the configuration file itself.
//! No problem text contains any part of a secret.

use super::displayable::{self, HIDDEN};
use super::section::{Section, SpannedValue, kind_of};
use super::similar::did_you_mean;
use super::{paths, single_value, trust};
use crate::escape::shell_word;
use crate::file_error::unreadable;
use crate::regular_file::{self, MAX_SECRET, NotRegular};
use secrecy::zeroize::Zeroizing;
use secrecy::{ExposeSecret, SecretString};
use serde_json::json;
use std::fs;
use std::io::ErrorKind;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// Kinds of reference to a secret, and how each is written.
const KINDS: [&str; 3] = ["file", "env", "credential"];
const CURE: &str = "write { file = \"/path\" }, { env = \"NAME\" } or { credential = \"name\" }";
/// The same for a file that is read later.
const FILE_KINDS: [&str; 2] = ["file", "credential"];
const FILE_CURE: &str = "write { file = \"/path\" } or { credential = \"name\" }";

/// What references are resolved with: the environment and the folder of the configuration file.
pub struct ReferenceContext<'a> {
    /// Returns the value of an environment variable.
    pub environment: &'a dyn Fn(&str) -> Option<String>,
    /// Folder of the configuration file; relative paths are relative to it.
    pub folder: PathBuf,
    /// Whether references are followed. If not, no secret is read, and a text without meaning stands for each.
    pub reads_secrets: bool,
}

impl ReferenceContext<'_> {
    /// Returns a path of the configuration, relative to the folder of its file unless it is absolute.
    pub(super) fn path(&self, text: &str) -> PathBuf {
        self.folder.join(text)
    }

    /// Returns the file of a systemd credential (systemd.exec(5), `LoadCredential=`). `shown` is its name in messages.
    fn credential(&self, name: &str, shown: &str) -> Result<PathBuf, String> {
        let folder = (self.environment)("CREDENTIALS_DIRECTORY").ok_or_else(|| {
            format!(
                "systemd credentials are not available: $CREDENTIALS_DIRECTORY is not set; start the service, or write \
                 before the command: {}",
                with_credential(if shown == HIDDEN { "NAME" } else { shown })
            )
        })?;
        let path = Path::new(&folder).join(name);
        if path.exists() {
            return Ok(path);
        }
        let cure = "add it with systemctl edit and the name of the unit, such as bt-rollcall.service";
        Err(if shown == HIDDEN {
            format!(
                "the unit has no such credential {PASTED}; write the NAME of a line LoadCredential=NAME:PATH, or {cure}"
            )
        } else {
            format!("the unit has no LoadCredential={shown}:PATH; {cure}")
        })
    }

    fn variable(&self, name: &str, shown: &str) -> Result<String, String> {
        (self.environment)(name).ok_or_else(|| {
            if shown == HIDDEN {
                return format!(
                    "no such environment variable is set {PASTED}; write env = \"NAME\", and set NAME to the value"
                );
            }
            format!("the environment variable {shown} is not set; set it")
        })
    }

    /// Returns whether the folder of the credentials has one of this name.
    fn has_credential(&self, name: &str) -> bool {
        let folder = (self.environment)("CREDENTIALS_DIRECTORY");
        folder.is_some_and(|folder| !name.contains('/') && Path::new(&folder).join(name).exists())
    }
}

/// Says why a text is missing in a message.
const PASTED: &str = "(its name is not shown, because it may be the secret itself)";

/// Returns the beginning of a command that starts the program with a credential, as the service does.
pub fn with_credential(name: &str) -> String {
    let property = shell_word(&format!("LoadCredential={name}:/etc/bt-rollcall/secret"));
    format!("sudo systemd-run --pty --quiet -p User=bt-rollcall -p {property}")
}

/// A reference to a value, as written in the configuration.
struct ValueReference<'a> {
    kind: ReferenceKind,
    /// Name or path, which may be a secret that somebody pasted.
    target: &'a str,
    /// The same, or [`HIDDEN`].
    shown: &'a str,
}

#[derive(Clone, Copy)]
enum ReferenceKind {
    Environment,
    File,
    Credential,
}

impl<'a> ValueReference<'a> {
    fn new(kind: ReferenceKind, target: &'a str, context: &ReferenceContext<'_>) -> Self {
        let is_displayable = match kind {
            ReferenceKind::Environment => displayable::is_variable(target) || (context.environment)(target).is_some(),
            ReferenceKind::Credential => displayable::is_credential(target) || context.has_credential(target),
            ReferenceKind::File => displayable::is_path(target) || context.path(target).symlink_metadata().is_ok(),
        };
        Self { kind, target, shown: if is_displayable { target } else { HIDDEN } }
    }

    /// Returns the reference for `config show` and the manifest.
    fn setting(&self, context: &ReferenceContext<'_>) -> serde_json::Value {
        match self.kind {
            ReferenceKind::Environment => json!({ "env": self.shown }),
            ReferenceKind::Credential => json!({ "credential": self.shown }),
            ReferenceKind::File if self.shown == HIDDEN => json!({ "file": HIDDEN }),
            ReferenceKind::File => json!({ "file": context.path(self.target) }),
        }
    }

    /// Returns the path of a file that only its owner can read.
    fn private_path(&self, context: &ReferenceContext<'_>) -> Result<PathBuf, String> {
        if self.shown == HIDDEN {
            return Err(format!("the file does not exist {PASTED}; write file = \"/path\""));
        }
        let path = context.path(self.target);
        must_be_private(&path)?;
        Ok(path)
    }
}

/// Parses a reference: an inline table with exactly one of the keys of `kinds`.
fn reference<'a>(
    section: &Section<'a>,
    key: &'static str,
    value: &'a SpannedValue<'a>,
    kinds: &[&str],
    context: &ReferenceContext<'_>,
) -> Option<ValueReference<'a>> {
    let cure = if kinds.contains(&"env") { CURE } else { FILE_CURE };
    let Some(table) = value.get_ref().as_table() else {
        let what = match value.get_ref().as_str() {
            Some(_) => "a secret must not be written into the configuration".to_owned(),
            None => format!("must be a reference, not {}", kind_of(value.get_ref())),
        };
        section.problem(key, format!("{what}; {cure}"));
        return None;
    };
    let mut entries = table.iter();
    let (Some((kind, target)), None) = (entries.next(), entries.next()) else {
        section.problem(key, format!("must have exactly one of {}; {cure}", kinds.join(", ")));
        return None;
    };
    let (kind, at) = (kind.get_ref().as_ref(), kind.span().start);
    if !kinds.contains(&kind) {
        section.problem_at(
            at,
            key,
            format!(
                "must have one of {}, not {}{}; {cure}",
                kinds.join(", "),
                if displayable::is_key(kind) { format!("{kind:?}") } else { "another key".to_owned() },
                did_you_mean(kind, kinds)
            ),
        );
        return None;
    }
    let Some(target) = target.get_ref().as_str().filter(|text| !text.is_empty()) else {
        section.problem_at(at, key, format!("{kind} must be a text that is not empty; {cure}"));
        return None;
    };
    if let Some(why) = why_not_a_target(kind, target) {
        section.problem_at(at, key, why);
        return None;
    }
    let kind = match kind {
        "env" => ReferenceKind::Environment,
        "credential" => ReferenceKind::Credential,
        _ => ReferenceKind::File,
    };
    let reference = ValueReference::new(kind, target, context);
    section.resolved(key, reference.setting(context));
    Some(reference)
}

/// Returns why a text cannot be the target of a reference.
fn why_not_a_target(kind: &str, target: &str) -> Option<String> {
    match kind {
        // A name with a slash could leave the credentials folder, whose files need no check of their mode.
        "credential" if target.contains('/') => {
            Some("a credential is a name without a folder; write { file = \"/path\" } for a file".to_owned())
        }
        "env" if target.starts_with('$') || target.contains(['=', ' ', '{']) => {
            let name = target.trim_matches(['$', '{', '}']);
            // Anything else may be a secret that somebody pasted.
            let example = if displayable::is_variable(name) { name } else { "NAME" };
            Some(format!("env must be the name of an environment variable only, such as {{ env = {example:?} }}"))
        }
        "file" if displayable::is_path(target) => paths::not_expanded(target),
        _ => None,
    }
}

/// Returns the value that a reference names. `private`: a file must not be readable by other users.
fn resolve(
    context: &ReferenceContext<'_>,
    reference: &ValueReference<'_>,
    private: bool,
) -> Result<SecretString, String> {
    if !context.reads_secrets {
        return Ok("not read".into());
    }
    let ValueReference { kind, target, shown } = *reference;
    let file = if private { "secret file" } else { "file" };
    let (bytes, what) = match kind {
        ReferenceKind::Environment => {
            (context.variable(target, shown)?.into_bytes(), format!("the environment variable {shown}"))
        }
        ReferenceKind::File => {
            let path = if private { reference.private_path(context)? } else { trusted(context.path(target))? };
            (read(&path)?, format!("the {file} {}", path.display()))
        }
        ReferenceKind::Credential => {
            // systemd mounts credentials for the unit's user alone; their mode and owner need no check.
            let path = context.credential(target, shown)?;
            (read(&path)?, format!("the {file} {}", path.display()))
        }
    };
    // What was read is overwritten as soon as the value is copied from it.
    let bytes = Zeroizing::new(bytes);
    single_value::read(&bytes).map(SecretString::from).map_err(|why| format!("{what} {why}"))
}

/// Returns a path that only root and this user can change.
fn trusted(path: PathBuf) -> Result<PathBuf, String> {
    must_be_a_file(&path)?;
    trust::check(&path).map(|()| path)
}

fn read(path: &Path) -> Result<Vec<u8>, String> {
    regular_file::read(path, MAX_SECRET).map_err(|error| unreadable(path, &error))
}

/// Checks that a path names a regular file, which is read later. An absent file passes.
fn must_be_a_file(path: &Path) -> Result<(), String> {
    let other = fs::metadata(path).ok().and_then(|found| NotRegular::of(found.file_type()));
    other.map_or(Ok(()), |other| Err(unreadable(path, &other.into())))
}

/// Checks that neither the group nor others have any right to a file, and that nobody else can replace it.
fn must_be_private(path: &Path) -> Result<(), String> {
    must_be_a_file(path)?;
    let (shown, word) = (path.display(), shell_word(path));
    let metadata = fs::metadata(path).map_err(|error| match error.kind() {
        ErrorKind::NotFound => {
            format!("the secret file {shown} does not exist; store the secret: install -m 600 /dev/stdin {word}")
        }
        _ => unreadable(path, &error),
    })?;
    // The lowest six bits are the rights of the group and of others.
    if metadata.mode().trailing_zeros() >= 6 {
        return trust::check(path);
    }
    Err(format!("{shown} can be read by others (mode {:04o}); run: chmod 600 {word}", metadata.mode() & 0o7777))
}

/// Reads a required secret.
pub(super) fn secret(section: &Section<'_>, key: &'static str, context: &ReferenceContext<'_>) -> Option<SecretString> {
    #[cfg(test)]
    section.fact(key, "required secret");
    let Some(value) = section.value(key) else {
        section.problem(key, format!("is missing; {CURE}"));
        return None;
    };
    let reference = reference(section, key, value, &KINDS, context)?;
    resolve(context, &reference, true).map_err(|why| section.problem(key, why)).ok()
}

/// Reads a required value that is not secret: a literal or a reference.
pub(super) fn plain(section: &Section<'_>, key: &'static str, context: &ReferenceContext<'_>) -> Option<String> {
    #[cfg(test)]
    section.fact(key, "required text or secret");
    let Some(value) = section.value(key) else {
        section.problem(key, format!("is missing; write it as a text, or {CURE}"));
        return None;
    };
    if let Some(text) = value.get_ref().as_str() {
        if text.trim().is_empty() {
            section.problem(key, format!("must not be empty; write it as a text, or {CURE}"));
            return None;
        }
        if text.trim() != text {
            section.problem(key, "begins or ends with a blank; remove it");
            return None;
        }
        section.resolved(key, json!(text));
        return Some(text.to_owned());
    }
    if !value.get_ref().is_table() {
        section.problem(key, format!("must be a text, not {}; put it in quotes, or {CURE}", kind_of(value.get_ref())));
        return None;
    }
    let reference = reference(section, key, value, &KINDS, context)?;
    let value = resolve(context, &reference, false).map_err(|why| section.problem(key, why)).ok()?;
    Some(value.expose_secret().to_owned())
}

/// Returns the path of a private file, such as a key, that is given by reference and read later.
pub(super) fn private_file(
    section: &Section<'_>,
    key: &'static str,
    context: &ReferenceContext<'_>,
) -> Option<PathBuf> {
    #[cfg(test)]
    section.fact(key, "file reference");
    let value = section.value(key)?;
    let reference = reference(section, key, value, &FILE_KINDS, context)?;
    if !context.reads_secrets {
        return None;
    }
    let found = match reference.kind {
        ReferenceKind::File => reference.private_path(context),
        ReferenceKind::Credential | ReferenceKind::Environment => context.credential(reference.target, reference.shown),
    };
    found.map_err(|why| section.problem(key, why)).ok()
}

/// Reads the path of a file that is read only, and that nobody else can change.
pub(super) fn input_path(section: &Section<'_>, key: &'static str, context: &ReferenceContext<'_>) -> Option<PathBuf> {
    let text = section.text(key)?;
    if let Some(why) = paths::not_expanded(text) {
        section.problem(key, why);
        return None;
    }
    let path = context.path(text);
    section.resolved(key, json!(path));
    trusted(path).map_err(|why| section.problem(key, why)).ok()
}
