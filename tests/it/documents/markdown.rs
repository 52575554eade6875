//! As much of Markdown as the documents use: headings, links, tables and fenced blocks.

use regex::Regex;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

pub struct Document {
    /// Path from the root of the repository.
    pub path: String,
    pub text: String,
}

/// A fenced block.
pub struct Block {
    /// `file:line` of its first line.
    pub place: String,
    /// Info string, such as `toml,error`.
    pub info: String,
    pub text: String,
}

/// A row of a table, with the headings above it.
pub struct TableRow {
    /// Nearest heading, without `#`.
    pub heading: String,
    /// First row of the table.
    pub columns: Vec<String>,
    pub cells: Vec<String>,
}

pub fn root(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

/// Returns README.md, CONTRIBUTING.md and every document below docs/, sorted by path.
pub fn documents() -> Vec<Document> {
    let mut paths = vec!["README.md".to_owned(), "CONTRIBUTING.md".to_owned()];
    let mut folders = vec!["docs".to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(root(&folder)).unwrap() {
            let entry = entry.unwrap();
            let path = format!("{folder}/{}", entry.file_name().to_str().unwrap());
            if entry.file_type().unwrap().is_dir() {
                folders.push(path);
            } else if is_markdown(&path) {
                paths.push(path);
            }
        }
    }
    paths.sort();
    paths.iter().map(|path| document(path)).collect()
}

pub fn is_markdown(path: &str) -> bool {
    Path::new(path).extension().is_some_and(|extension| extension == "md")
}

pub fn document(path: &str) -> Document {
    let text = std::fs::read_to_string(root(path)).unwrap_or_else(|error| panic!("{path}: {error}"));
    Document { path: path.to_owned(), text }
}

impl Document {
    pub fn blocks(&self) -> Vec<Block> {
        let mut blocks = Vec::new();
        let mut open: Option<(usize, Block)> = None;
        for (number, line) in (1..).zip(self.text.lines()) {
            let indent = line.len() - line.trim_start().len();
            let fence = line.trim_start().strip_prefix("```");
            open = match (open, fence) {
                (None, None) => None,
                (None, Some(info)) => {
                    let place = format!("{}:{number}", self.path);
                    Some((indent, Block { place, info: info.trim().to_owned(), text: String::new() }))
                }
                (Some((_, block)), Some(_)) => {
                    blocks.push(block);
                    None
                }
                (Some((indent, mut block)), None) => {
                    block.text.extend([line.get(indent..).unwrap_or_default(), "\n"]);
                    Some((indent, block))
                }
            };
        }
        assert!(open.is_none(), "{}: a block is not closed", self.path);
        blocks
    }

    /// Returns the lines outside of blocks.
    fn lines(&self) -> impl Iterator<Item = &str> {
        let mut inside = false;
        self.text.lines().filter(move |line| {
            let is_fence = line.trim_start().starts_with("```");
            inside ^= is_fence;
            !inside && !is_fence
        })
    }

    /// Returns the rows of all tables, without their heads.
    pub fn rows(&self) -> Vec<TableRow> {
        let mut rows = Vec::new();
        let (mut heading, mut columns) = (String::new(), Vec::new());
        for line in self.lines() {
            if line.starts_with('#') {
                line.trim_start_matches('#').trim().clone_into(&mut heading);
            }
            let Some(inner) = line.trim().strip_prefix('|').and_then(|rest| rest.strip_suffix('|')) else {
                columns.clear();
                continue;
            };
            let cells: Vec<String> = inner.split('|').map(|cell| cell.trim().to_owned()).collect();
            if columns.is_empty() {
                columns = cells;
            } else if !cells[0].starts_with("---") {
                rows.push(TableRow { heading: heading.clone(), columns: columns.clone(), cells });
            }
        }
        rows
    }

    /// Returns the rows of the tables below a heading.
    pub fn rows_below(&self, heading: &str) -> Vec<TableRow> {
        let rows: Vec<TableRow> = self.rows().into_iter().filter(|row| row.heading == heading).collect();
        assert!(!rows.is_empty(), "{}: no table below {heading:?}", self.path);
        rows
    }

    /// Returns the targets of links and images.
    pub fn links(&self) -> Vec<String> {
        let link = Regex::new(r"\]\(([^()\s]+)\)").unwrap();
        let code = Regex::new("`[^`]*`").unwrap();
        let text: Vec<&str> = self.lines().collect();
        let text = text.join("\n");
        let text = code.replace_all(&text, "x");
        link.captures_iter(&text).map(|found| found[1].to_owned()).collect()
    }

    /// Returns the anchors of the headings, as GitHub forms them.
    pub fn anchors(&self) -> BTreeSet<String> {
        let mut anchors = BTreeSet::new();
        for heading in self.lines().filter(|line| line.starts_with('#')) {
            let heading = heading.trim_start_matches('#').trim().to_lowercase();
            let kept = heading.chars().filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_'));
            let anchor: String = kept.map(|c| if c == ' ' { '-' } else { c }).collect();
            let mut unique = anchor.clone();
            for number in 1.. {
                if anchors.insert(unique.clone()) {
                    break;
                }
                unique = format!("{anchor}-{number}");
            }
        }
        anchors
    }
}

/// Returns the texts between backticks.
pub fn code(text: &str) -> Vec<&str> {
    text.split('`').skip(1).step_by(2).collect()
}
