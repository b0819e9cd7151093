//! The Markdown files: their links, their anchors, the paths that they name, and the options in
//! their commands.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use crate::common::program::{program, stdout};

/// The text of each Markdown file, by its path relative to the root of the repository.
type Pages = BTreeMap<String, String>;

/// The folders whose paths a page may name in backticks or in a command.
const TOPS: [&str; 9] =
    ["src/", "shaders/", "tests/", "examples/", "benches/", "docs/", "python/", ".ci/", ".github/"];

#[test]
fn every_link_leads_to_a_file_and_a_heading() {
    let pages = pages();
    let anchors: BTreeMap<&String, BTreeSet<String>> =
        pages.iter().map(|(page, text)| (page, anchors(text))).collect();
    let (mut complaints, mut links) = (Vec::new(), 0);
    for (page, text) in &pages {
        for link in links_of(text) {
            if link.contains("://") {
                continue;
            }
            links += 1;
            let (path, anchor) = link.split_once('#').unwrap_or((&link, ""));
            let target = if path.is_empty() { page.clone() } else { beside(page, path) };
            let exists = Path::new(env!("CARGO_MANIFEST_DIR")).join(&target).exists();
            let is_known = anchors.get(&target).is_some_and(|known| known.contains(anchor));
            if !exists || !anchor.is_empty() && !is_known {
                complaints.push(format!("{page}: {link} leads nowhere"));
            }
        }
    }
    assert!(complaints.is_empty(), "\n{}", complaints.join("\n"));
    assert!(links > 50, "only {links} links found");
}

#[test]
fn every_path_exists() {
    let (mut complaints, mut paths) = (Vec::new(), 0);
    for (page, text) in pages() {
        let (prose, code) = split(&text);
        let quoted = prose.split('`').skip(1).step_by(2).filter_map(|code| code.split(' ').next());
        for word in quoted.chain(code.split_whitespace()) {
            if TOPS.iter().any(|top| word.starts_with(top)) {
                paths += 1;
                if !Path::new(env!("CARGO_MANIFEST_DIR")).join(word).exists() {
                    complaints.push(format!("{page} names {word}, which does not exist"));
                }
            }
        }
    }
    assert!(complaints.is_empty(), "\n{}", complaints.join("\n"));
    assert!(paths > 100, "only {paths} paths found");
}

/// Commands of the program have only options that the program knows.
#[test]
fn every_option_in_a_command_exists() {
    let mut help: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    let (mut complaints, mut options) = (Vec::new(), 0);
    for (page, text) in pages() {
        let (prose, code) = split(&text);
        let code = code.replace("\\\n", " ");
        let quoted = prose.split('`').skip(1).step_by(2);
        let commands = code.lines().chain(quoted).filter_map(|line| {
            let starts = ["flashschnet ", "cargo run --release -- "];
            starts.iter().find_map(|start| line.trim_start().strip_prefix(start))
        });
        for command in commands {
            let command = command.split(['#', ';']).next().unwrap_or_default();
            let mut words = command.split_whitespace();
            let name = words.next().unwrap_or_default().to_owned();
            // COMMAND stands for any command.
            if !name.chars().all(|c| c.is_ascii_lowercase()) {
                continue;
            }
            let known = help.entry(name.clone()).or_insert_with(|| options_of(&name));
            if known.is_empty() {
                complaints.push(format!("{page}: there is no command {name}"));
            }
            for word in words.filter(|word| word.starts_with("--")) {
                options += 1;
                if !known.contains(word) {
                    complaints.push(format!("{page}: {name} has no option {word}"));
                }
            }
        }
    }
    assert!(complaints.is_empty(), "\n{}", complaints.join("\n"));
    assert!(options > 50, "only {options} options found");
}

/// The long options that the help of a command lists.
fn options_of(command: &str) -> BTreeSet<String> {
    let help = stdout(&program(&[command, "--help"]));
    let words = help.split(|c: char| !c.is_ascii_lowercase() && c != '-');
    words.filter(|word| word.starts_with("--")).map(str::to_owned).collect()
}

/// All Markdown files. Folders whose name begins with a dot, build outputs and data that are not
/// part of the repository do not count.
fn pages() -> Pages {
    fn add(folder: &Path, prefix: &str, pages: &mut Pages) {
        for entry in std::fs::read_dir(folder).expect("a readable folder") {
            let entry = entry.expect("a readable entry");
            let (path, name) = (entry.path(), entry.file_name().to_string_lossy().into_owned());
            let relative = format!("{prefix}{name}");
            if path.is_dir() && !name.starts_with('.') && !["target", "shared"].contains(&&*name) {
                add(&path, &format!("{relative}/"), pages);
            } else if name.ends_with(".md") {
                pages.insert(relative, std::fs::read_to_string(path).expect("is text"));
            }
        }
    }
    let mut pages = Pages::new();
    add(Path::new(env!("CARGO_MANIFEST_DIR")), "", &mut pages);
    pages
}

/// The text outside and inside of blocks of code.
fn split(text: &str) -> (String, String) {
    let (mut prose, mut code, mut is_code) = (String::new(), String::new(), false);
    for line in text.lines() {
        if line.trim_start().starts_with("```") {
            is_code = !is_code;
            continue;
        }
        let part = if is_code { &mut code } else { &mut prose };
        part.push_str(line);
        part.push('\n');
    }
    assert!(!is_code, "a block of code does not end:\n{text}");
    (prose, code)
}

/// The targets of links and pictures.
fn links_of(text: &str) -> Vec<String> {
    let prose = split(text).0;
    let outside_code: String = prose.split('`').step_by(2).collect();
    let ends = outside_code.split("](").skip(1).filter_map(|rest| rest.split_once(')'));
    ends.map(|(target, _)| target.to_owned()).collect()
}

/// The anchors of the headings, as GitHub makes them.
fn anchors(text: &str) -> BTreeSet<String> {
    let (mut anchors, prose) = (BTreeSet::new(), split(text).0);
    for heading in prose.lines().filter(|line| line.starts_with('#')) {
        let words = heading.trim_start_matches('#').trim().to_lowercase();
        let kept = words.chars().filter(|c| c.is_alphanumeric() || [' ', '-', '_'].contains(c));
        let anchor: String = kept.map(|c| if c == ' ' { '-' } else { c }).collect();
        assert!(anchors.insert(anchor), "two headings are the same: {heading}");
    }
    anchors
}

/// A path relative to a page, relative to the root.
fn beside(page: &str, path: &str) -> String {
    let mut parts: Vec<&str> = page.split('/').collect();
    parts.pop();
    for part in path.split('/') {
        match part {
            "." => {}
            ".." => assert!(parts.pop().is_some(), "{page}: {path} leaves the repository"),
            part => parts.push(part),
        }
    }
    parts.join("/")
}

#[test]
fn links_and_anchors_are_read() {
    let text =
        "# A `b`, c-d\n[x](y.md#z) `[no](no)`\n```\n# no\n[no](no)\n```\n![p\nq](../r.svg)\n";
    assert_eq!(links_of(text), ["y.md#z", "../r.svg"]);
    assert_eq!(anchors(text), ["a-b-c-d".to_owned()].into());
    assert_eq!(beside("docs/a.md", "../r.svg"), "r.svg");
    assert_eq!(beside("README.md", "docs/a.md"), "docs/a.md");
}
