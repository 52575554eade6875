//! Links, anchors, and the lengths of documents.

use super::markdown::{Document, document, documents, is_markdown, root};
use std::collections::BTreeSet;
use std::path::{Component, Path, PathBuf};

/// Returns the path of a link's target from the root of the repository.
fn resolve(from: &str, target: &str) -> String {
    let mut path = PathBuf::new();
    for part in Path::new(from).parent().unwrap().join(target).components() {
        match part {
            Component::ParentDir => assert!(path.pop(), "{from}: {target}"),
            part => path.push(part),
        }
    }
    path.to_str().unwrap().to_owned()
}

/// Returns the links of a document to files, each with its path from the root and its anchor.
fn relative(document: &Document) -> Vec<(String, Option<String>)> {
    let links = document.links().into_iter().filter(|link| !link.contains("://") && !link.starts_with("mailto:"));
    links
        .map(|link| match link.split_once('#') {
            Some(("", anchor)) => (document.path.clone(), Some(anchor.to_owned())),
            Some((target, anchor)) => (resolve(&document.path, target), Some(anchor.to_owned())),
            None => (resolve(&document.path, &link), None),
        })
        .collect()
}

fn all() -> Vec<Document> {
    let mut all = documents();
    all.extend(["SECURITY.md", "CHANGELOG.md"].map(document));
    all
}

#[test]
fn every_link_and_every_anchor_of_a_document_resolves() {
    let mut broken = Vec::new();
    for document in all() {
        for (target, anchor) in relative(&document) {
            let exists = root(&target).exists();
            let has_anchor = |anchor: &String| exists && self::document(&target).anchors().contains(anchor);
            if !exists || anchor.as_ref().is_some_and(|anchor| !has_anchor(anchor)) {
                broken.push(format!("{}: {target}#{}", document.path, anchor.unwrap_or_default()));
            }
        }
    }
    assert!(broken.is_empty(), "{broken:#?}");
}

#[test]
fn every_document_is_reachable_from_the_readme() {
    let mut reached = BTreeSet::from(["README.md".to_owned()]);
    let mut next = vec!["README.md".to_owned()];
    while let Some(path) = next.pop() {
        let targets = relative(&document(&path)).into_iter().map(|(target, _)| target);
        for target in targets.filter(|target| is_markdown(target) && root(target).exists()) {
            if reached.insert(target.clone()) {
                next.push(target);
            }
        }
    }
    let lost: Vec<String> = all().into_iter().map(|doc| doc.path).filter(|path| !reached.contains(path)).collect();
    assert!(lost.is_empty(), "{lost:?}");
}

#[test]
fn documents_are_short() {
    for document in documents() {
        // The samples are generated, and are looked up and not read.
        if document.path.starts_with("docs/events/") {
            continue;
        }
        let most = if document.path == "README.md" { 150 } else { 500 };
        let lines = document.text.lines().count();
        assert!(lines <= most, "{} has {lines} lines, the limit is {most}", document.path);
    }
}

#[test]
fn comments_of_the_code_cite_documents_that_exist() {
    let cited = regex::Regex::new(r"docs/([a-z/-]+\.md)(?:#([a-z0-9-]+))?").unwrap();
    for file in sources() {
        let text = std::fs::read_to_string(&file).unwrap();
        for found in cited.captures_iter(&text) {
            let path = format!("docs/{}", &found[1]);
            assert!(root(&path).exists(), "{}: {path}", file.display());
            if let Some(anchor) = found.get(2) {
                assert!(document(&path).anchors().contains(anchor.as_str()), "{}: {}", file.display(), &found[0]);
            }
        }
    }
}

/// Returns the Rust files of the program and the sandbox.
pub fn sources() -> Vec<PathBuf> {
    let mut folders = vec![root("src"), root("crates")];
    let mut files = Vec::new();
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                files.push(path);
            }
        }
    }
    files
}
