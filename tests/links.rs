//! The relative links of all documents lead to files and headings that exist.

use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};

#[test]
fn every_relative_link_has_a_target() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut pages = Vec::new();
    collect(root, &mut pages);
    assert!(pages.len() > 10, "only {pages:?} were found");
    let read = |page: &PathBuf| fs::read_to_string(page).expect("a text");
    let broken = pages.iter().flat_map(|page| broken(page, &read(page)));
    let broken: Vec<_> = broken.collect();
    assert!(
        broken.is_empty(),
        "links without a target:\n{}",
        broken.join("\n")
    );
}

/// Adds the Markdown files below a folder, without those of builds and of installed packages.
fn collect(folder: &Path, pages: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).expect("a folder that can be read") {
        let path = entry.expect("an entry").path();
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        if path.is_dir() {
            if !name.starts_with('.') && !["target", "node_modules"].contains(&name.as_ref()) {
                collect(&path, pages);
            }
        } else if name.ends_with(".md") {
            pages.push(path);
        }
    }
}

/// The links of a page that lead nowhere.
fn broken(page: &Path, text: &str) -> Vec<String> {
    let is_broken = |link: &String| {
        let (path, anchor) = link.split_once('#').unwrap_or((link, ""));
        let target = match path {
            "" => page.to_owned(),
            path => page.with_file_name(path),
        };
        !target.exists() || (!anchor.is_empty() && !anchors(&target).contains(&anchor.to_owned()))
    };
    let broken = links(text).into_iter().filter(is_broken);
    broken
        .map(|link| format!("{}: {link}", page.display()))
        .collect()
}

/// The targets of inline links, without URLs and the paths of items in rustdoc.
fn links(text: &str) -> Vec<String> {
    let prose = prose(text);
    let targets = prose.split("](").skip(1);
    targets
        .filter_map(|rest| rest.split_once(')'))
        .map(|(target, _)| target.to_owned())
        .filter(|target| !target.contains(':'))
        .collect()
}

/// The anchors of the headings, as GitHub makes them.
fn anchors(page: &Path) -> Vec<String> {
    let text = fs::read_to_string(page).unwrap_or_default();
    let mut seen = HashMap::<String, usize>::new();
    let text = prose(&text);
    let headings = text.lines().filter(|line| line.starts_with('#'));
    headings
        .map(|heading| {
            let anchor = anchor(heading.trim_start_matches('#').trim());
            let before = seen.entry(anchor.clone()).or_default();
            *before += 1;
            match *before {
                1 => anchor,
                count => format!("{anchor}-{}", count - 1),
            }
        })
        .collect()
}

fn anchor(heading: &str) -> String {
    let kept = heading.to_lowercase();
    let kept = kept
        .chars()
        .filter(|&c| c.is_alphanumeric() || " -_".contains(c));
    kept.map(|c| if c == ' ' { '-' } else { c }).collect()
}

/// The text without fenced blocks of code.
fn prose(text: &str) -> String {
    let mut is_code = false;
    let lines = text.lines().filter(|line| {
        let is_fence = line.trim_start().starts_with("```");
        is_code ^= is_fence;
        !is_code && !is_fence
    });
    lines.collect::<Vec<_>>().join("\n")
}

#[test]
fn a_missing_file_and_a_missing_heading_are_found() {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/settings.md");
    let found = |text: &str| !broken(&page, text).is_empty();
    assert!(found("[a](missing.md)"));
    assert!(found("see [a](../missing/)."));
    assert!(found("[a](#missing)"));
    assert!(found("[a](proxies.md#missing)"));
    assert!(!found(
        "[a](proxies.md#nginx), [b](#scope-claims), [c](#several-issuers-authissuers), [d](../src)"
    ));
    assert!(!found(
        "[a](https://a.example/missing.md), [b](crate::missing)\n```\n[c](missing.md)\n```"
    ));
}
