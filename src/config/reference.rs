//! Values by reference: from the environment, a file or a systemd credential. A secret is never a literal, and never
//! appears in a problem.

use super::section::Section;
use super::single_value;
use secrecy::SecretString;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use toml::Value;

const CURE: &str = "write { file = \"/path\" }, { env = \"NAME\" } or { credential = \"name\" }";

/// Where the configuration stands: what references are resolved against.
pub struct ReferenceContext<'a> {
    /// Reads an environment variable.
    pub environment: &'a dyn Fn(&str) -> Option<String>,
    /// Folder of the configuration file: relative paths start there.
    pub folder: PathBuf,
}

impl ReferenceContext<'_> {
    /// A path of the configuration as an absolute or plain path.
    pub(super) fn path(&self, text: &str) -> PathBuf {
        self.folder.join(text)
    }

    fn credential(&self, name: &str) -> Result<PathBuf, String> {
        if name.contains('/') {
            return Err("a credential is a plain name, without a folder".to_owned());
        }
        let folder = (self.environment)("CREDENTIALS_DIRECTORY")
            .ok_or("there are no credentials: $CREDENTIALS_DIRECTORY is not set; run it as a systemd unit with LoadCredential=")?;
        Ok(Path::new(&folder).join(name))
    }

    fn variable(&self, name: &str) -> Result<String, String> {
        (self.environment)(name).ok_or_else(|| format!("the environment variable {name} is not set"))
    }
}

/// Where a value comes from.
enum ValueReference<'a> {
    Environment(&'a str),
    File(&'a str),
    Credential(&'a str),
}

fn reference<'a>(section: &Section<'a>, key: &'static str, value: &'a Value) -> Option<ValueReference<'a>> {
    let entry = value.as_table().filter(|table| table.len() == 1).and_then(|table| table.iter().next());
    let read = entry.and_then(|(way, value)| {
        let value = value.as_str()?;
        match way.as_str() {
            "env" => Some(ValueReference::Environment(value)),
            "file" => Some(ValueReference::File(value)),
            "credential" => Some(ValueReference::Credential(value)),
            _ => None,
        }
    });
    if read.is_none() {
        let literal = if value.is_str() { "a secret must not stand in the configuration itself; " } else { "" };
        section.problem(key, format!("{literal}{CURE}"));
    }
    read
}

fn resolve(around: &ReferenceContext<'_>, reference: &ValueReference<'_>, private: bool) -> Result<String, String> {
    let file = if private { "secret file" } else { "file" };
    let (bytes, what) = match reference {
        ValueReference::Environment(name) => {
            (around.variable(name)?.into_bytes(), format!("the environment variable {name}"))
        }
        ValueReference::File(path) => {
            let path = around.path(path);
            if private {
                must_be_private(&path)?;
            }
            (read(&path)?, format!("the {file} {}", path.display()))
        }
        ValueReference::Credential(name) => {
            let path = around.credential(name)?;
            (read(&path)?, format!("the {file} {}", path.display()))
        }
    };
    single_value::read(&bytes).map_err(|why| format!("{what} {why}"))
}

fn read(path: &Path) -> Result<Vec<u8>, String> {
    fs::read(path).map_err(|e| format!("cannot read {}: {e}", path.display()))
}

/// Nobody but the owner may read it.
fn must_be_private(path: &Path) -> Result<(), String> {
    let there = fs::metadata(path).map_err(|e| format!("cannot read {}: {e}", path.display()))?;
    // The lowest six bits are those of the group and of others.
    if there.mode().trailing_zeros() >= 6 {
        return Ok(());
    }
    let shown = path.display();
    Err(format!("{shown} can be read by others (mode {:04o}); run: chmod 600 {shown}", there.mode() & 0o7777))
}

/// A required secret.
pub(super) fn secret(section: &Section<'_>, key: &'static str, around: &ReferenceContext<'_>) -> Option<SecretString> {
    let Some(value) = section.value(key) else {
        section.problem(key, format!("is missing; {CURE}"));
        return None;
    };
    let reference = reference(section, key, value)?;
    match resolve(around, &reference, true) {
        Ok(text) => Some(SecretString::from(text)),
        Err(why) => {
            section.problem(key, why);
            None
        }
    }
}

/// A required value that is no secret: a literal or a reference.
pub(super) fn plain(section: &Section<'_>, key: &'static str, around: &ReferenceContext<'_>) -> Option<String> {
    match section.value(key) {
        None => {
            section.problem(key, format!("is missing; write it as a text, or {CURE}"));
            None
        }
        Some(Value::String(text)) if !text.is_empty() => Some(text.clone()),
        Some(value) => {
            let reference = reference(section, key, value)?;
            resolve(around, &reference, false).map_err(|why| section.problem(key, why)).ok()
        }
    }
}

/// A private file that is named by reference and read later, such as a key.
pub(super) fn private_file(section: &Section<'_>, key: &'static str, around: &ReferenceContext<'_>) -> Option<PathBuf> {
    let value = section.value(key)?;
    let found = match reference(section, key, value)? {
        ValueReference::File(path) => Ok(around.path(path)).and_then(|path| must_be_private(&path).map(|()| path)),
        ValueReference::Credential(name) => around.credential(name),
        ValueReference::Environment(_) => Err("must be a file or a credential, not an environment variable".to_owned()),
    };
    found.map_err(|why| section.problem(key, why)).ok()
}
