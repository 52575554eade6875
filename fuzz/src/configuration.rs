//! Configuration and exceptions, with all their error messages.

use crate::memory_folder;
use crate::rules::as_of;
use bt_rollcall::config::{Config, effective, in_words};
use std::path::{Path, PathBuf};
use std::{fs, process};

/// A configuration with the least that is required.
pub(crate) const MINIMAL: &str = "\
[[source]]\nname = \"s\"\nkind = \"pra\"\nurl = \"https://bt.example.com\"\nclient_id = \"abc\"\n\
client_secret = { env = \"SECRET\" }\n";

/// The value of every variable of the environment.
const SECRET: &str = "canary-of-a-secret";

/// The environment: every variable is set.
pub(crate) const ENVIRONMENT: fn(&str) -> Option<String> = |_| Some(SECRET.to_owned());

/// Reads a configuration and shows it, or all its errors.
pub(crate) fn configuration(data: &[u8]) -> String {
    let text = String::from_utf8_lossy(data);
    // The folder is empty, so that files with relative names are missing.
    outcome(&text, &folder("configuration"))
}

/// Reads a file of exceptions.
pub(crate) fn exceptions(data: &[u8]) -> String {
    let folder = folder("exceptions");
    fs::write(folder.join("exceptions.toml"), data).expect("the file can be written");
    outcome(&format!("{MINIMAL}[policy]\nexceptions = \"exceptions.toml\"\n"), &folder)
}

fn outcome(text: &str, folder: &Path) -> String {
    let path = folder.join("c.toml");
    let shown = match Config::parse(&path, text, &ENVIRONMENT) {
        Ok(config) => {
            let lifetimes = config.check_exception_lifetimes(as_of()).map_err(|error| error.to_string());
            format!("{lifetimes:?} {} {}", in_words(&config), effective(&config))
        }
        Err(error) => error.to_string(),
    };
    assert!(!shown.contains(SECRET) || text.contains(SECRET), "no message contains a secret: {shown}");
    shown.replace(&folder.display().to_string(), "")
}

/// Returns an empty folder of this process and target.
pub(crate) fn folder(target: &str) -> PathBuf {
    let folder = memory_folder().join(format!("bt-rollcall-fuzz-{}-{target}", process::id()));
    fs::create_dir_all(&folder).expect("a folder can be created");
    folder
}
