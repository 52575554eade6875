//! Reads values that the configuration gives by reference: `{ env = … }`, `{ file = … }` or `{ credential = … }` (systemd).
//!
//! `account` and `certificates` use it. A secret must be a reference, so that other users may read the configuration file itself.
//! No problem text contains any part of a secret.

use super::section::{Section, SpannedValue, kind_of};
use super::similar::did_you_mean;
use super::single_value;
use crate::escape::shell_word;
use crate::file_error::unreadable;
use secrecy::SecretString;
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

    /// Returns the file of a systemd credential (systemd.exec(5), `LoadCredential=`).
    fn credential(&self, name: &str) -> Result<PathBuf, String> {
        // A name with a slash could leave the credentials folder, whose files need no check of their mode.
        if name.contains('/') {
            return Err("a credential is a name without a folder; write { file = \"/path\" } for a file".to_owned());
        }
        let folder = (self.environment)("CREDENTIALS_DIRECTORY").ok_or_else(|| {
            format!(
                "systemd credentials are not available: $CREDENTIALS_DIRECTORY is not set; start the service, or write \
                 before the command: {}",
                with_credential(name)
            )
        })?;
        let path = Path::new(&folder).join(name);
        if path.exists() {
            return Ok(path);
        }
        Err(format!(
            "the unit has no LoadCredential={name}:PATH; add it with systemctl edit and the name of the unit, such as \
             bt-rollcall.service"
        ))
    }

    fn variable(&self, name: &str) -> Result<String, String> {
        (self.environment)(name).ok_or_else(|| format!("the environment variable {name} is not set; set it"))
    }
}

/// Returns the beginning of a command that starts the program with a credential, as the service does.
pub fn with_credential(name: &str) -> String {
    let property = shell_word(&format!("LoadCredential={name}:/etc/bt-rollcall/secret")).into_owned();
    format!("sudo systemd-run --pty --quiet -p User=bt-rollcall -p {property}")
}

/// A reference to a value, as written in the configuration.
enum ValueReference<'a> {
    Environment(&'a str),
    File(&'a str),
    Credential(&'a str),
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
            format!("must have one of {}, not {kind:?}{}", kinds.join(", "), did_you_mean(kind, kinds)),
        );
        return None;
    }
    let Some(target) = target.get_ref().as_str().filter(|text| !text.is_empty()) else {
        section.problem_at(at, key, format!("{kind} must be a text that is not empty; {cure}"));
        return None;
    };
    Some(match kind {
        "env" => {
            section.resolved(key, json!({ "env": target }));
            ValueReference::Environment(target)
        }
        "credential" => {
            section.resolved(key, json!({ "credential": target }));
            ValueReference::Credential(target)
        }
        _ => {
            section.resolved(key, json!({ "file": context.path(target) }));
            ValueReference::File(target)
        }
    })
}

/// Returns the value that a reference names. `private`: a file must not be readable by other users.
fn resolve(context: &ReferenceContext<'_>, reference: &ValueReference<'_>, private: bool) -> Result<String, String> {
    if !context.reads_secrets {
        return Ok("not read".to_owned());
    }
    let file = if private { "secret file" } else { "file" };
    let (bytes, what) = match reference {
        ValueReference::Environment(name) => {
            (context.variable(name)?.into_bytes(), format!("the environment variable {name}"))
        }
        ValueReference::File(path) => {
            let path = context.path(path);
            if private {
                must_be_private(&path)?;
            }
            (read(&path)?, format!("the {file} {}", path.display()))
        }
        ValueReference::Credential(name) => {
            // systemd mounts credentials for the unit's user alone; their mode needs no check.
            let path = context.credential(name)?;
            (read(&path)?, format!("the {file} {}", path.display()))
        }
    };
    single_value::read(&bytes).map_err(|why| format!("{what} {why}"))
}

fn read(path: &Path) -> Result<Vec<u8>, String> {
    must_be_a_file(path)?;
    fs::read(path).map_err(|error| unreadable(path, &error))
}

/// Checks that a path names no folder, device or pipe. Reading a pipe would wait for ever. An absent file passes.
fn must_be_a_file(path: &Path) -> Result<(), String> {
    let shown = path.display();
    match fs::metadata(path) {
        Ok(found) if found.is_dir() => Err(format!("{shown} is a folder; name a file in it")),
        Ok(found) if !found.is_file() => Err(format!("{shown} is a device or a pipe; name a file")),
        _ => Ok(()),
    }
}

/// Checks that neither the group nor others have any right to a file.
fn must_be_private(path: &Path) -> Result<(), String> {
    must_be_a_file(path)?;
    let (shown, word) = (path.display(), shell_word(&path.to_string_lossy()).into_owned());
    let metadata = fs::metadata(path).map_err(|error| match error.kind() {
        ErrorKind::NotFound => {
            format!("the secret file {shown} does not exist; store the secret: install -m 600 /dev/stdin {word}")
        }
        _ => unreadable(path, &error),
    })?;
    // The lowest six bits are the rights of the group and of others.
    if metadata.mode().trailing_zeros() >= 6 {
        return Ok(());
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
    resolve(context, &reference, true).map(SecretString::from).map_err(|why| section.problem(key, why)).ok()
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
        section.resolved(key, json!(text));
        return Some(text.to_owned());
    }
    let reference = reference(section, key, value, &KINDS, context)?;
    resolve(context, &reference, false).map_err(|why| section.problem(key, why)).ok()
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
    let found = match reference {
        ValueReference::File(path) => Ok(context.path(path)).and_then(|path| must_be_private(&path).map(|()| path)),
        ValueReference::Credential(name) | ValueReference::Environment(name) => context.credential(name),
    };
    found.map_err(|why| section.problem(key, why)).ok()
}

/// Reads the path of a file that is read only.
pub(super) fn input_path(section: &Section<'_>, key: &'static str, context: &ReferenceContext<'_>) -> Option<PathBuf> {
    let path = context.path(section.text(key)?);
    section.resolved(key, json!(path));
    must_be_a_file(&path).map_err(|why| section.problem(key, why)).ok()?;
    Some(path)
}
