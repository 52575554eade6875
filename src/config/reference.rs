//! Reads values that the configuration gives by reference: `{ env = … }`, `{ file = … }` or `{ credential = … }` (systemd).
//!
//! `account` and `certificates` use it. A secret must be a reference, so that other users may read the configuration file itself.
//! No problem text contains any part of a secret.

use super::section::Section;
use super::single_value;
use secrecy::SecretString;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use toml::Value;

const CURE: &str = "write { file = \"/path\" }, { env = \"NAME\" } or { credential = \"name\" }";

/// What references are resolved with: the environment and the folder of the configuration file.
pub struct ReferenceContext<'a> {
    /// Returns the value of an environment variable.
    pub environment: &'a dyn Fn(&str) -> Option<String>,
    /// Folder of the configuration file; relative paths are relative to it.
    pub folder: PathBuf,
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
        let folder = (self.environment)("CREDENTIALS_DIRECTORY").ok_or(
            "systemd credentials are not available: $CREDENTIALS_DIRECTORY is not set; run bt-rollcall as a systemd unit with \
             LoadCredential=",
        )?;
        Ok(Path::new(&folder).join(name))
    }

    fn variable(&self, name: &str) -> Result<String, String> {
        (self.environment)(name).ok_or_else(|| format!("the environment variable {name} is not set; set it"))
    }
}

/// A reference to a value, as written in the configuration.
enum ValueReference<'a> {
    Environment(&'a str),
    File(&'a str),
    Credential(&'a str),
}

/// Parses a reference: an inline table with exactly one of the three keys.
fn reference<'a>(section: &Section<'a>, key: &'static str, value: &'a Value) -> Option<ValueReference<'a>> {
    let entry = value.as_table().filter(|table| table.len() == 1).and_then(|table| table.iter().next());
    let read = entry.and_then(|(kind, value)| {
        let value = value.as_str()?;
        match kind.as_str() {
            "env" => Some(ValueReference::Environment(value)),
            "file" => Some(ValueReference::File(value)),
            "credential" => Some(ValueReference::Credential(value)),
            _ => None,
        }
    });
    if read.is_none() {
        let what = if value.is_str() {
            "a secret must not be written into the configuration"
        } else {
            "must have exactly one of file, env and credential, with a text"
        };
        section.problem(key, format!("{what}; {CURE}"));
    }
    read
}

/// Returns the value that a reference names. `private`: a file must not be readable by other users.
fn resolve(context: &ReferenceContext<'_>, reference: &ValueReference<'_>, private: bool) -> Result<String, String> {
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
    fs::read(path).map_err(|e| format!("cannot read {}: {e}", path.display()))
}

/// Checks that neither the group nor others have any right to a file.
fn must_be_private(path: &Path) -> Result<(), String> {
    let metadata = fs::metadata(path).map_err(|e| format!("cannot read {}: {e}", path.display()))?;
    // The lowest six bits are the rights of the group and of others.
    if metadata.mode().trailing_zeros() >= 6 {
        return Ok(());
    }
    let shown = path.display();
    Err(format!("{shown} can be read by others (mode {:04o}); run: chmod 600 {shown}", metadata.mode() & 0o7777))
}

/// Reads a required secret.
pub(super) fn secret(section: &Section<'_>, key: &'static str, context: &ReferenceContext<'_>) -> Option<SecretString> {
    let Some(value) = section.value(key) else {
        section.problem(key, format!("is missing; {CURE}"));
        return None;
    };
    let reference = reference(section, key, value)?;
    match resolve(context, &reference, true) {
        Ok(text) => Some(SecretString::from(text)),
        Err(why) => {
            section.problem(key, why);
            None
        }
    }
}

/// Reads a required value that is not secret: a literal or a reference.
pub(super) fn plain(section: &Section<'_>, key: &'static str, context: &ReferenceContext<'_>) -> Option<String> {
    match section.value(key) {
        None => {
            section.problem(key, format!("is missing; write it as a text, or {CURE}"));
            None
        }
        Some(Value::String(text)) if !text.is_empty() => Some(text.clone()),
        Some(value) => {
            let reference = reference(section, key, value)?;
            resolve(context, &reference, false).map_err(|why| section.problem(key, why)).ok()
        }
    }
}

/// Returns the path of a private file, such as a key, that is given by reference and read later.
pub(super) fn private_file(
    section: &Section<'_>,
    key: &'static str,
    context: &ReferenceContext<'_>,
) -> Option<PathBuf> {
    let value = section.value(key)?;
    let found = match reference(section, key, value)? {
        ValueReference::File(path) => Ok(context.path(path)).and_then(|path| must_be_private(&path).map(|()| path)),
        ValueReference::Credential(name) => context.credential(name),
        ValueReference::Environment(_) => Err("must be a file or a credential, not an environment variable".to_owned()),
    };
    found.map_err(|why| section.problem(key, why)).ok()
}
