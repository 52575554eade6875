//! Holds the import rules of `src/lib.rs` against the sources. Nothing here runs the program.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

/// Modules whose results depend on their arguments alone.
const PURE: [&str; 8] = ["model", "state", "guard", "rules", "lifecycle", "exceptions", "table", "report"];

/// What a pure module must not name: clock, disk, network and randomness.
const IMPURE: [&str; 10] = [
    "std::fs",
    "std::net",
    "std::env",
    "std::process",
    "tokio::",
    "reqwest::",
    "fastrand::",
    "SystemTime",
    "Utc::now",
    "Instant::now",
];

/// One source file without its comments, texts and test module.
struct SourceFile {
    path: PathBuf,
    code: String,
    /// Its module path below the crate: `["report", "text"]`.
    module: Vec<String>,
}

impl SourceFile {
    fn top_module(&self) -> &str {
        &self.module[0]
    }

    /// Paths that this file imports from the crate, without `crate::`: `model::Inventory`.
    fn imports(&self) -> Vec<String> {
        let mut found = Vec::new();
        for (at, _) in self.code.match_indices("crate::") {
            found.extend(paths(&self.code[at + "crate::".len()..]));
        }
        // As many `super` as the module is deep lead to the root of the crate.
        let root = "super::".repeat(self.module.len());
        for (at, _) in self.code.match_indices(&root) {
            let is_start = !self.code[..at].ends_with("super::");
            if is_start {
                found.extend(paths(&self.code[at + root.len()..]));
            }
        }
        found
    }
}

/// Returns the paths at the start of `code`: one, or each of a group in braces.
fn paths(code: &str) -> Vec<String> {
    let Some(group) = code.strip_prefix('{') else { return vec![path(code)] };
    let mut depth = 1;
    let end = group.find(|c| {
        depth += i32::from(c == '{') - i32::from(c == '}');
        depth == 0
    });
    let group = &group[..end.expect("braces are balanced")];
    let mut parts = vec![String::new()];
    let mut depth = 0;
    for c in group.chars() {
        depth += i32::from(c == '{') - i32::from(c == '}');
        if c == ',' && depth == 0 { parts.push(String::new()) } else { parts.last_mut().unwrap().push(c) }
    }
    parts.iter().map(|part| path(part.trim())).filter(|path| !path.is_empty()).collect()
}

fn path(code: &str) -> String {
    let end = code.find(|c: char| !(c.is_alphanumeric() || c == '_' || c == ':')).unwrap_or(code.len());
    code[..end].trim_end_matches("::").to_owned()
}

/// Removes comments, the contents of texts, and what follows `#[cfg(test)] mod`.
fn code_of(text: &str) -> String {
    let mut code = String::new();
    for line in text.lines() {
        if line.trim_start().starts_with("//") {
            continue;
        }
        let mut inside = false;
        let mut previous = ' ';
        for c in line.chars() {
            match c {
                '"' if previous != '\\' && previous != '\'' => inside = !inside,
                '/' if !inside && previous == '/' => break,
                _ if !inside => code.push(c),
                _ => {}
            }
            previous = c;
        }
        code.push('\n');
    }
    match code.find("#[cfg(test)]\nmod tests {") {
        Some(tests) => code[..tests].to_owned(),
        None => code,
    }
}

/// Returns every file under `folder` that is not only for tests.
fn sources(folder: &str) -> Vec<SourceFile> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join(folder);
    let mut found = Vec::new();
    let mut folders = vec![root.clone()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            let relative = path.strip_prefix(&root).unwrap().with_extension("");
            let module: Vec<String> = relative.iter().map(|part| part.to_str().unwrap().to_owned()).collect();
            if module.iter().any(|part| part == "tests") {
                continue;
            }
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let code = code_of(&fs::read_to_string(&path).unwrap());
                found.push(SourceFile { path: relative, code, module });
            }
        }
    }
    assert!(found.len() > 20, "{folder} was read");
    found
}

/// Returns the line of each module in the list of `src/lib.rs`; 0 is the highest.
fn levels() -> BTreeMap<String, usize> {
    let lib = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("src/lib.rs")).unwrap();
    let list =
        lib.split("# Import rules").nth(1).and_then(|rest| rest.split("```").nth(1)).expect("lib.rs has the list");
    let lines =
        list.lines().skip(1).filter_map(|line| line.strip_prefix("//! ").filter(|line| !line.trim().is_empty()));
    lines
        .enumerate()
        .flat_map(|(level, line)| line.split(", ").map(move |module| (module.trim().to_owned(), level)))
        .collect()
}

#[test]
fn every_module_is_in_the_list_of_import_rules_and_imports_only_lines_below_its_own() {
    let levels = levels();
    let mut wrong = Vec::new();
    let mut seen = BTreeSet::new();
    for file in sources("src").iter().filter(|file| file.top_module() != "lib") {
        let Some(own) = levels.get(file.top_module()) else {
            wrong.push(format!("{}: `{}` is not in the list", file.path.display(), file.top_module()));
            continue;
        };
        seen.insert(file.top_module().to_owned());
        for import in file.imports() {
            let top_module = import.split("::").next().unwrap();
            match levels.get(top_module) {
                Some(level) if level > own || top_module == file.top_module() => {}
                Some(_) => wrong.push(format!("{} imports {import}, which is not below it", file.path.display())),
                None => wrong.push(format!("{} imports {import}, which is not in the list", file.path.display())),
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert_eq!(seen, levels.into_keys().collect(), "the list of lib.rs names the modules that exist");
}

#[test]
fn connectors_do_not_import_each_other() {
    let products = ["rest_v3", "sra", "password_safe", "scim"];
    let connectors: Vec<SourceFile> =
        sources("src/source").into_iter().filter(|file| products.contains(&file.top_module())).collect();
    assert!(connectors.len() >= products.len());
    for file in connectors {
        for other in products.iter().filter(|other| **other != file.top_module()) {
            let is_named =
                file.code.contains(&format!("super::{other}::")) || file.code.contains(&format!("source::{other}::"));
            assert!(!is_named, "source/{} imports {other}", file.path.display());
        }
    }
}

#[test]
fn the_client_takes_names_and_list_kinds_from_the_model_and_the_command_line_takes_exit_codes_from_run() {
    let allowed =
        [("wire", "model", ["model::SourceName", "model::ListKind"].as_slice()), ("cli", "run", &["run::Exit"])];
    for file in sources("src") {
        for (importer, imported, names) in allowed {
            if file.top_module() == importer {
                for import in file.imports().iter().filter(|import| import.split("::").next() == Some(imported)) {
                    assert!(names.contains(&import.as_str()), "{} imports {import}", file.path.display());
                }
            }
        }
    }
}

/// Returns the names in `code` that a pure module must not use, also those in a group such as `use std::{fs, io}`.
fn impure_names(code: &str) -> Vec<&'static str> {
    let grouped: Vec<String> = code
        .match_indices("std::{")
        .flat_map(|(at, _)| paths(&code[at + "std::".len()..]))
        .map(|path| format!("std::{path}"))
        .collect();
    let is_named = |name: &&str| code.contains(*name) || grouped.iter().any(|path| path.starts_with(*name));
    IMPURE.into_iter().filter(is_named).collect()
}

#[test]
fn impure_names_are_found_alone_and_in_groups() {
    assert_eq!(impure_names("use std::{fmt, fs, io};\nlet now = Utc::now();"), ["std::fs", "Utc::now"]);
    assert_eq!(impure_names("use std::{fmt::Write, collections::BTreeMap};"), [""; 0]);
}

#[test]
fn pure_modules_name_no_clock_disk_network_or_randomness() {
    for file in sources("src").iter().filter(|file| PURE.contains(&file.top_module())) {
        let found = impure_names(&file.code);
        assert!(found.is_empty(), "{} names {found:?}", file.path.display());
    }
}

#[test]
fn only_snapshot_and_spool_rename_files() {
    let renaming: BTreeSet<String> = sources("src")
        .iter()
        .filter(|file| file.code.contains("fs::rename") || file.code.contains("renameat"))
        .map(|file| file.module[..file.module.len().min(2)].join("::"))
        .collect();
    assert!(!renaming.is_empty());
    for module in renaming {
        assert!(module.starts_with("snapshot") || module == "syslog::spool", "{module} renames files");
    }
}

#[test]
fn the_sandbox_imports_nothing_of_the_program() {
    let manifest = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("crates/sandbox/Cargo.toml")).unwrap();
    let manifest: toml::Table = manifest.parse().unwrap();
    for table in ["dependencies", "dev-dependencies", "build-dependencies"] {
        let names = manifest.get(table).and_then(toml::Value::as_table);
        assert!(names.is_none_or(|names| !names.contains_key("bt-rollcall")), "{table}");
    }
    for file in sources("crates/sandbox/src") {
        assert!(!file.code.contains("bt_rollcall::"), "{}", file.path.display());
        assert!(!file.code.contains("#[path"), "{}", file.path.display());
    }
}

#[test]
fn imports_are_found_in_braces_through_super_and_in_expressions_and_not_in_comments_texts_or_tests() {
    let text = "use crate::{model::{User, Group}, wire::Client};\n// crate::cli\nlet x = \"crate::page\";\n\
                let y = super::super::rules::evaluate(); super::sibling();\nfn f(c: char) -> bool { c == '\"' && crate::table::g() }\n\
                #[cfg(test)]\nmod tests {\n use crate::run;\n}\n";
    let module = vec!["report".to_owned(), "text".to_owned()];
    let file = SourceFile { path: PathBuf::new(), code: code_of(text), module };
    assert_eq!(file.imports(), ["model", "wire::Client", "table::g", "rules::evaluate"]);
}

/// Who writes to people does it in a place that makes every character visible.
#[test]
fn only_a_few_files_write_to_stdout_and_stderr() {
    let writers = [
        ("stdout().lock()", ["commands/stdout"].as_slice()),
        ("stderr().write", &["run/observers"]),
        // Questions, which pass `visible`, and the help and the errors of clap.
        ("&mut io::stderr()", &["commands/config_command"]),
        (".print()", &["commands"]),
        ("println!", &[]),
        ("print!(", &[]),
        ("dbg!", &[]),
        ("io::stdout", &["commands/stdout", "commands/report", "run/observers"]),
    ];
    for file in sources("src") {
        let path = file.path.to_str().unwrap();
        for (call, allowed) in writers {
            assert!(!file.code.contains(call) || allowed.contains(&path), "{path} calls {call}");
        }
    }
}
