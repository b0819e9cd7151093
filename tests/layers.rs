//! The layers of the crate: which file may import from which, how long a file may be, and which
//! files may name what a user types.
//!
//! An import is any path in `src` that leads into the crate, in a `use` declaration or in other
//! code. Comments and test modules do not count. The files and their imports form a graph. It must
//! have no circles, and it must follow the list of layers in `src/guide/architecture.md`.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

/// The largest number of lines of a file of `src`.
const MOST_LINES: usize = 400;

/// The contents of files by their paths relative to `src`.
type Sources = BTreeMap<String, String>;

/// The files that each file imports from.
type Graph = BTreeMap<String, BTreeSet<String>>;

#[test]
fn files_import_from_lower_layers_without_circles() {
    let sources = sources();
    let guide = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/guide/architecture.md");
    let guide = std::fs::read_to_string(guide).unwrap();
    let layers = layers(&guide);
    let graph = graph(&sources);
    let mut complaints = misplaced(&graph, &layers);
    complaints.extend(circles(&graph));
    assert!(complaints.is_empty(), "\n{}", complaints.join("\n"));
}

#[test]
fn no_file_is_long() {
    let sources = sources();
    let lines = sources.iter().map(|(file, text)| (file, text.lines().count()));
    let long: Vec<_> = lines.filter(|(_, n)| *n > MOST_LINES).collect();
    assert!(long.is_empty(), "over {MOST_LINES} lines: {long:?}");
}

/// The messages of the library are also those of programs that embed it: only the program names its
/// options and commands.
#[test]
fn the_library_names_no_option_of_the_program() {
    let complaints = typed(&sources());
    assert!(complaints.is_empty(), "\n{}", complaints.join("\n"));
}

/// All files of `src`.
fn sources() -> Sources {
    fn add(root: &Path, folder: &Path, sources: &mut Sources) {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                add(root, &path, sources);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let name: Vec<_> =
                    path.strip_prefix(root).unwrap().iter().map(|s| s.to_str().unwrap()).collect();
                sources.insert(name.join("/"), std::fs::read_to_string(&path).unwrap());
            }
        }
    }
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut sources = Sources::new();
    add(&root, &root, &mut sources);
    sources
}

/// The options of NVIDIA's compiler.
const OF_COMPILER: [&str; 4] =
    ["gpu-architecture", "std", "device-as-default-execution-space", "diag-suppress"];

/// Describes the options and commands in the literals of the library.
fn typed(sources: &Sources) -> Vec<String> {
    let is_library = |file: &&String| !["cli", "main"].contains(&layer(file));
    let mut complaints = Vec::new();
    for file in sources.keys().filter(is_library) {
        for literal in literals(&sources[file]) {
            let words: Vec<&str> =
                literal.split(|c: char| !c.is_ascii_alphanumeric() && c != '-').collect();
            let options = words.iter().filter(|word| {
                let option = word.strip_prefix("--").unwrap_or_default();
                option.starts_with(|c: char| c.is_ascii_lowercase())
                    && !OF_COMPILER.contains(&option)
            });
            let is_command = |name: &str| sources.contains_key(&format!("cli/{name}.rs"));
            let commands =
                words.windows(2).filter(|pair| pair[0] == "flashschnet" && is_command(pair[1]));
            let names = options.map(|word| (*word).to_owned());
            let names = names.chain(commands.map(|pair| pair.join(" ")));
            complaints.extend(names.map(|name| format!("{file} names {name}")));
        }
    }
    complaints
}

/// The list of layers in the architecture page of the guide, from top to bottom.
fn layers(page: &str) -> Vec<Vec<&str>> {
    let page = page.lines().skip_while(|line| *line != "## Layers");
    let list = page.skip_while(|line| *line != "```text");
    let lines = list.skip(1).take_while(|line| *line != "```");
    lines.map(|line| line.split(',').map(str::trim).collect()).collect()
}

/// The top-level module of a file; `lib` and `main` for the roots.
fn layer(file: &str) -> &str {
    file.split('/').next().unwrap().trim_end_matches(".rs")
}

/// Describes imports that do not lead to a lower layer, files without a layer, and layers without a
/// file.
fn misplaced(graph: &Graph, layers: &[Vec<&str>]) -> Vec<String> {
    let is_root = |file: &str| ["lib", "main"].contains(&layer(file));
    let height = |file: &str| layers.iter().position(|line| line.contains(&layer(file)));
    let mut complaints = Vec::new();
    for (file, imports) in graph.iter().filter(|(file, _)| !is_root(file)) {
        if height(file).is_none() {
            complaints.push(format!("{file}: no layer"));
        }
        for other in imports.iter().filter(|other| !is_root(other)) {
            if layer(file) != layer(other) && height(file) >= height(other) {
                complaints.push(format!("{file} imports {other}, which is not in a lower layer"));
            }
        }
    }
    for name in layers.iter().flatten() {
        if !graph.keys().any(|file| layer(file) == *name) {
            complaints.push(format!("layer {name} has no file"));
        }
    }
    complaints
}

/// Describes the imports that form circles.
fn circles(graph: &Graph) -> Vec<String> {
    let say = |(file, imports): (&String, &BTreeSet<String>)| {
        let back = imports.iter().filter(|other| reached(graph, other).contains(file));
        let back: Vec<&str> = back.map(String::as_str).collect();
        (!back.is_empty()).then(|| format!("in a circle: {file} imports {}", back.join(", ")))
    };
    graph.iter().filter_map(say).collect()
}

/// The files that a file imports from, directly or through others.
fn reached<'a>(graph: &'a Graph, file: &'a str) -> BTreeSet<&'a String> {
    let mut reached = BTreeSet::new();
    let mut open = vec![file];
    while let Some(file) = open.pop() {
        open.extend(graph[file].iter().filter(|other| reached.insert(*other)).map(String::as_str));
    }
    reached
}

fn graph(sources: &Sources) -> Graph {
    let modules: BTreeMap<Vec<String>, &String> =
        sources.keys().map(|file| (module(file), file)).collect();
    let imports = |(file, text): (&String, &String)| {
        let of_file = paths(&module(file), text).into_iter().map(|path| {
            // The longest prefix of the path that names a file; the rest names items in it.
            let prefix = (0..=path.len()).rev().find_map(|n| modules.get(&path[..n]));
            (*prefix.expect("the root is a file")).clone()
        });
        (file.clone(), of_file.filter(|other| other != file).collect())
    };
    sources.iter().map(imports).collect()
}

/// The module path of a file.
fn module(file: &str) -> Vec<String> {
    let path = file.trim_end_matches(".rs").trim_end_matches("/mod");
    if path == "lib" { Vec::new() } else { path.split('/').map(str::to_owned).collect() }
}

/// The absolute paths of all imports in the text of a module.
fn paths(module: &[String], text: &str) -> Vec<Vec<String>> {
    let tokens = tokens(text);
    let mut paths = Vec::new();
    let mut inner: Vec<(String, usize)> = Vec::new();
    let mut children = BTreeSet::new();
    let (mut depth, mut at) = (0, 0);
    while let Some(token) = tokens.get(at) {
        let next = |k: usize| tokens.get(at + k).map_or("", String::as_str);
        let mut base = module.to_vec();
        base.extend(inner.iter().map(|(name, _)| name.clone()));
        match token.as_str() {
            "#" if tokens[at..].starts_with(&TEST.map(str::to_owned)) && next(7) == "mod" => {
                at += 9;
                at += 1 + block(&tokens[at..]);
                continue;
            }
            // The path in a visibility such as `pub(in crate::a)` is not an import.
            "in" if at > 1 && tokens[at - 2] == "pub" => at += 1 + visibility(&tokens[at..]),
            "mod" if next(2) == ";" => {
                children.insert(next(1).to_owned());
            }
            "mod" if next(2) == "{" => inner.push((next(1).to_owned(), depth)),
            "{" => depth += 1,
            "}" => {
                depth -= 1;
                inner.pop_if(|(_, outside)| *outside == depth);
            }
            "use" if next(1) != "<" => {
                at += 1;
                tree(&tokens, &mut at, &[], &mut |path| paths.push((base.clone(), path)));
                continue;
            }
            name if is_name(name) && next(1) == "::" && (at == 0 || tokens[at - 1] != "::") => {
                let mut path = vec![name.to_owned()];
                while tokens.get(at + 1).is_some_and(|t| t == "::")
                    && tokens.get(at + 2).is_some_and(|t| is_name(t))
                {
                    path.push(tokens[at + 2].clone());
                    at += 2;
                }
                paths.push((base, path));
            }
            _ => {}
        }
        at += 1;
    }
    paths.into_iter().filter_map(|(base, path)| absolute(base, path, &children)).collect()
}

const TEST: [&str; 7] = ["#", "[", "cfg", "(", "test", ")", "]"];

/// The number of tokens in the path of a visibility, for tokens that start with `in`.
fn visibility(tokens: &[String]) -> usize {
    tokens.iter().position(|token| token == ")").expect("visibilities end") - 1
}

/// The number of tokens in a block before its closing brace, for tokens that start with the block.
fn block(tokens: &[String]) -> usize {
    let mut depth = 0;
    let end = tokens.iter().position(|token| {
        depth += i32::from(token == "{") - i32::from(token == "}");
        depth == 0
    });
    end.expect("blocks end")
}

/// Calls `add` with every path of a `use` tree.
fn tree(tokens: &[String], at: &mut usize, start: &[String], add: &mut impl FnMut(Vec<String>)) {
    let mut path = start.to_vec();
    loop {
        let token = tokens[*at].as_str();
        match token {
            "::" => {}
            "{" => {
                *at += 1;
                while tokens[*at] != "}" {
                    tree(tokens, at, &path, add);
                    *at += usize::from(tokens[*at] == ",");
                }
                *at += 1;
                return;
            }
            "as" => *at += 1,
            "self" if !path.is_empty() => {}
            ";" | "," | "}" => return add(path),
            name => path.push(name.to_owned()),
        }
        *at += 1;
    }
}

/// A path of the module `base` as a path from the root of the crate; `None` if it leads to another
/// crate.
fn absolute(
    mut base: Vec<String>,
    path: Vec<String>,
    children: &BTreeSet<String>,
) -> Option<Vec<String>> {
    let mut rest = path.as_slice();
    match rest[0].as_str() {
        "crate" | "flashschnet" => base.clear(),
        "self" => {}
        "super" => {
            while rest[0] == "super" {
                base.pop();
                rest = &rest[1..];
                if rest.is_empty() {
                    return Some(base);
                }
            }
            base.extend_from_slice(rest);
            return Some(base);
        }
        child if children.contains(child) => {
            base.extend_from_slice(rest);
            return Some(base);
        }
        _ => return None,
    }
    base.extend_from_slice(&rest[1..]);
    Some(base)
}

fn is_name(token: &str) -> bool {
    token.starts_with(|c: char| c.is_alphabetic() || c == '_')
}

/// The tokens of a text: names, `::` and other single characters. Comments, strings and character
/// literals are left out.
fn tokens(text: &str) -> Vec<String> {
    let is_token = |piece: &&str| match *piece {
        "::" => true,
        // A raw string starts with a letter, as a name does.
        name if is_name(name) => !name.contains('"'),
        piece => piece.chars().count() == 1 && piece.trim() == piece,
    };
    pieces(text).into_iter().filter(is_token).map(str::to_owned).collect()
}

/// The string literals of a text, with their quotes.
fn literals(text: &str) -> Vec<&str> {
    let is_raw = |piece: &&str| piece.starts_with('r') && piece.contains('"');
    pieces(text).into_iter().filter(|piece| piece.starts_with('"') || is_raw(piece)).collect()
}

/// A text in pieces: comments, literals, names, `::` and other single characters.
fn pieces(text: &str) -> Vec<&str> {
    let mut pieces = Vec::new();
    let mut rest = text;
    while let Some(c) = rest.chars().next() {
        let raw = rest.strip_prefix('r').map(|quoted| quoted.trim_start_matches('#'));
        let length = if rest.starts_with("//") {
            rest.find('\n').unwrap_or(rest.len())
        } else if rest.starts_with("/*") {
            rest.find("*/").expect("comments end") + 2
        } else if let Some(quoted) = raw.filter(|quoted| quoted.starts_with('"')) {
            let hashes = rest.len() - quoted.len() - 1;
            let end = format!("\"{}", "#".repeat(hashes));
            1 + hashes + 1 + quoted[1..].find(&end).expect("strings end") + end.len()
        } else if c == '"' {
            quoted(rest, '"')
        } else if c == '\'' && is_character(rest) {
            quoted(rest, '\'')
        } else if c.is_alphanumeric() || c == '_' {
            let end = |c: char| !(c.is_alphanumeric() || c == '_');
            rest.find(end).unwrap_or(rest.len())
        } else if rest.starts_with("::") {
            2
        } else {
            c.len_utf8()
        };
        let (piece, after) = rest.split_at(length);
        pieces.push(piece);
        rest = after;
    }
    pieces
}

/// Whether the quote at the start of the text begins a character literal and not a lifetime.
fn is_character(text: &str) -> bool {
    let mut chars = text.chars().skip(1);
    chars.next() == Some('\\') || chars.next() == Some('\'')
}

/// The length of the literal at the start of the text, with its quotes.
fn quoted(text: &str, quote: char) -> usize {
    let mut escaped = false;
    let end = text.char_indices().skip(1).find(|(_, c)| {
        let ends = !escaped && *c == quote;
        escaped = !escaped && *c == '\\';
        ends
    });
    end.expect("literals end").0 + 1
}

fn made_up(files: &[(&str, &str)]) -> Sources {
    files.iter().map(|(file, text)| ((*file).to_owned(), (*text).to_owned())).collect()
}

#[test]
fn a_circle_is_found() {
    let sources = made_up(&[
        ("lib.rs", "pub mod a; pub mod b; pub mod c; pub use a::A;"),
        ("a/mod.rs", "mod child; pub use child::C; pub struct A;"),
        ("a/child.rs", "use super::A; pub struct C(A);"),
        ("b.rs", "use crate::{c::{self as other, D}, a::A};"),
        ("c.rs", "pub fn f() { let x = \"\\\"\"; crate::b::g('\"', x) }"),
    ]);
    let found = circles(&graph(&sources));
    let expected = [
        "in a circle: a/child.rs imports a/mod.rs",
        "in a circle: a/mod.rs imports a/child.rs",
        "in a circle: b.rs imports c.rs",
        "in a circle: c.rs imports b.rs",
    ];
    assert_eq!(found, expected);
}

#[test]
fn a_tree_without_circles_is_sound() {
    let sources = made_up(&[
        ("lib.rs", "pub mod a; pub mod b; pub use a::A;"),
        (
            "a/mod.rs",
            "mod child; mod twin; pub use self::twin::A; fn f() { child::c() }
             #[cfg(test)] mod tests { use super::*; use crate::b::B; mod x { } }",
        ),
        ("a/child.rs", "// use crate::b::B;\nuse super::twin::A; fn c() { r#\"crate::b::B\"#; }"),
        (
            "a/twin.rs",
            "//! [`crate::b`]\nmod inner { use super::A; } pub(in crate::a) fn b() {} pub struct A;",
        ),
        ("b.rs", "use std::{fmt, io::{self}}; use crate::a::A as Other; struct B<'a>(&'a Other);"),
    ]);
    let graph = graph(&sources);
    assert_eq!(circles(&graph), [""; 0]);
    let imports = |file: &str| graph[file].iter().map(String::as_str).collect::<Vec<_>>();
    assert_eq!(imports("a/mod.rs"), ["a/child.rs", "a/twin.rs"]);
    assert_eq!(imports("a/child.rs"), ["a/twin.rs"]);
    assert_eq!(imports("a/twin.rs"), [""; 0]);
    assert_eq!(imports("b.rs"), ["a/mod.rs"]);

    let page = "## Layers\n\n```text\nb\na\n```\n";
    assert_eq!(misplaced(&graph, &layers(page)), [""; 0]);
    let wrong = ["b.rs imports a/mod.rs, which is not in a lower layer"];
    assert_eq!(misplaced(&graph, &[vec!["a"], vec!["b"]]), wrong);
    assert_eq!(misplaced(&graph, &[vec!["a", "b"]]), wrong);
}

#[test]
fn an_option_in_a_message_is_found() {
    let sources = made_up(&[
        ("main.rs", "fn f() { \"--seed\" }"),
        ("cli/info.rs", "fn f() { \"--seed, flashschnet info\" }"),
        (
            "a.rs",
            "//! \"--seed\"
             const A: &str = \"use (--backend cpu), `flashschnet info` or flashschnet itself\";
             const B: [&str; 2] = [\"a - b -- c --std=c++17\", r#\"\"--filter\"\"#];
             fn f(i: u32) -> u32 { i - --i + '\"' } // \"--seed\"",
        ),
        ("b.rs", "fn f() { \"use \\\n --model\" }"),
    ]);
    let expected = [
        "a.rs names --backend",
        "a.rs names flashschnet info",
        "a.rs names --filter",
        "b.rs names --model",
    ];
    assert_eq!(typed(&sources), expected);
}
