//! The architecture within rooms: no file imports one that imports it, directly or in a circle.
//!
//! An import counts for the file that has the item: `super::Item` leads through the re-exports of
//! `mod.rs`. Re-exports themselves are no imports, since `mod.rs` is the page of its folder.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::Path,
};

use super::floors::{code, sources};

/// Circles that are one idea in several files: a request has the policies that are asked about it.
/// None may grow.
const ONE_IDEA: &[&[&str]] = &[
    &[
        "connector::upstream::associate",
        "connector::upstream::resolver",
        "connector::upstream::socks5",
    ],
    // A method of the trait, and what it makes of a transport.
    &["datagram::filter", "datagram::transport"],
    &["session::guard", "session::policy", "session::request"],
];

#[test]
fn no_two_files_import_each_other() {
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let files = sources(&src).into_iter().map(|file| {
        let module = file.strip_prefix(&src).unwrap().with_extension("");
        let mut module: Vec<String> = module
            .iter()
            .map(|part| part.to_str().unwrap().to_owned())
            .collect();
        if matches!(module.last().map(String::as_str), Some("mod" | "lib")) {
            module.pop();
        }
        (module, fs::read_to_string(file).unwrap())
    });
    let house = House::new(files);
    let arrows: usize = house.arrows.values().map(BTreeSet::len).sum();
    assert!(arrows > 300, "only {arrows} imports between files found");
    let mut circles = house.circles();
    let is_known = |circle: &Vec<String>| {
        let within = |known: &&[&str]| circle.iter().all(|file| known.contains(&&**file));
        ONE_IDEA.iter().any(within)
    };
    circles.retain(|circle| !is_known(circle));
    assert!(circles.is_empty(), "{circles:#?}");
}

#[test]
fn a_circle_is_found() {
    let file = |module: &str, text: &str| {
        let module = module.split("::").filter(|part| !part.is_empty());
        (module.map(str::to_owned).collect(), text.to_owned())
    };
    let circles = |files: [(Vec<String>, String); 4]| House::new(files).circles();
    let room = |list: &str| {
        [
            file("", "pub use rules::Rules;"),
            file(
                "rules",
                "mod file;\npub use self::{\n    file::Rules, list::{List, Name as Called},\n};",
            ),
            file(
                "rules::file",
                "use super::{Called, list::some};\npub struct Rules;",
            ),
            file("rules::list", list),
        ]
    };
    let wrong = ["rules::file", "rules::list"].map(str::to_owned).to_vec();
    for back in [
        "use super::file::Rules;",
        "use super::Rules;",
        "use crate::{proto::X, rules::{Rules}};",
        "use crate::Rules;",
        "fn f() -> super::Rules {}",
    ] {
        assert_eq!(circles(room(back)), std::slice::from_ref(&wrong), "{back}");
    }
    for fine in [
        "pub(super) fn f() {} /* */",
        "/// [`Rules`](super::Rules)\npub struct List;",
        "#[cfg(test)]\nmod tests { use super::*; use crate::Rules; }",
    ] {
        assert!(circles(room(fine)).is_empty(), "{fine}");
    }
}

struct House {
    /// The re-exports of a module: a name, and the path behind it.
    exports: BTreeMap<Vec<String>, BTreeMap<String, Vec<String>>>,
    /// The files that a file imports from.
    arrows: BTreeMap<Vec<String>, BTreeSet<Vec<String>>>,
}

impl House {
    fn new(files: impl IntoIterator<Item = (Vec<String>, String)>) -> Self {
        let files: BTreeMap<Vec<String>, String> = files
            .into_iter()
            .map(|(module, text)| {
                let code = code(&text);
                let code = code.split("#[cfg(test)]\nmod tests").next().unwrap();
                (module, code.to_owned())
            })
            .collect();
        let mut house = Self {
            exports: files
                .keys()
                .map(|file| (file.clone(), BTreeMap::new()))
                .collect(),
            arrows: BTreeMap::new(),
        };
        for (file, code) in &files {
            for (path, name) in uses(code, true) {
                let path = house.absolute(file, &path);
                house.exports.get_mut(file).unwrap().insert(name, path);
            }
        }
        for (file, code) in &files {
            let mut paths: Vec<Vec<String>> =
                uses(code, false).into_iter().map(|it| it.0).collect();
            paths.extend(inline(code));
            let mut to: BTreeSet<Vec<String>> = paths
                .iter()
                .filter_map(|path| house.home(&house.absolute(file, path), 0))
                .collect();
            // A page knows what stands on it.
            to.retain(|to| to != file);
            house.arrows.insert(file.clone(), to);
        }
        house
    }

    /// A path from the root of the crate. Paths into other crates have no home.
    fn absolute(&self, file: &[String], path: &[String]) -> Vec<String> {
        let mut module = file.to_vec();
        let mut rest = path;
        match path.first().map(String::as_str) {
            Some("crate") => {
                module.clear();
                rest = &rest[1..];
            }
            Some("self") => rest = &rest[1..],
            // `super` is below; the rest is a module of this file, or a crate.
            _ => {}
        }
        while rest.first().is_some_and(|part| part == "super") {
            module.pop();
            rest = &rest[1..];
        }
        module.extend_from_slice(rest);
        module
    }

    /// The file that has the item at a path.
    fn home(&self, path: &[String], depth: usize) -> Option<Vec<String>> {
        let mut module = Vec::new();
        for (at, part) in path.iter().enumerate() {
            module.push(part.clone());
            if self.exports.contains_key(&module) {
                continue;
            }
            module.pop();
            let exported = self.exports[&module].get(part);
            return match exported {
                Some(exported) if depth < 8 => {
                    let mut path_on = exported.clone();
                    path_on.extend_from_slice(&path[at + 1..]);
                    self.home(&path_on, depth + 1)
                }
                // The root has re-exports and nothing else.
                _ if module.is_empty() => None,
                _ => Some(module),
            };
        }
        Some(module).filter(|module| !module.is_empty())
    }

    /// Groups of files that reach each other.
    fn circles(&self) -> Vec<Vec<String>> {
        let reach: BTreeMap<&Vec<String>, BTreeSet<&Vec<String>>> = self
            .arrows
            .keys()
            .map(|file| (file, self.reach(file)))
            .collect();
        let mut circles = BTreeSet::new();
        for (file, there) in &reach {
            let back = there.iter().filter(|to| reach[**to].contains(file));
            let circle: Vec<String> = back.map(|file| file.join("::")).collect();
            if !circle.is_empty() {
                circles.insert(circle);
            }
        }
        circles.into_iter().collect()
    }

    fn reach(&self, from: &[String]) -> BTreeSet<&Vec<String>> {
        let mut found = BTreeSet::new();
        let mut open = vec![from];
        while let Some(file) = open.pop() {
            for to in self.arrows.get(file).into_iter().flatten() {
                if found.insert(to) {
                    open.push(to);
                }
            }
        }
        found
    }
}

/// The paths of `use` items, each with the name that it has here: those that re-export, or those
/// that import.
fn uses(code: &str, reexports: bool) -> Vec<(Vec<String>, String)> {
    let mut found = Vec::new();
    for item in code.split(';') {
        let Some(at) = item.rfind("use ") else {
            continue;
        };
        let (before, tree) = (item[..at].trim_end(), &item[at + "use ".len()..]);
        let before = before.rsplit('\n').next().unwrap().trim_start();
        let is_public = before.starts_with("pub");
        if (is_public || before.is_empty()) && is_public == reexports {
            walk(tree, &[], &mut found);
        }
    }
    found
}

fn walk(tree: &str, prefix: &[String], found: &mut Vec<(Vec<String>, String)>) {
    let tree = tree.trim();
    if let Some((path, group)) = tree.split_once('{') {
        let mut prefix = prefix.to_vec();
        prefix.extend(parts(path));
        let group = group.trim_end().strip_suffix('}').unwrap_or(group);
        let (mut depth, mut start) = (0, 0);
        for (at, c) in group.char_indices() {
            match c {
                '{' => depth += 1,
                '}' => depth -= 1,
                ',' if depth == 0 => {
                    walk(&group[start..at], &prefix, found);
                    start = at + 1;
                }
                _ => {}
            }
        }
        walk(&group[start..], &prefix, found);
    } else if !tree.is_empty() {
        let (path, name) = tree.split_once(" as ").unwrap_or((tree, ""));
        let mut path_from = prefix.to_vec();
        path_from.extend(parts(path));
        // `a::{self, b}` imports `a`.
        path_from.dedup_by(|part, before| part == "self" && before != "super");
        let last = path_from.last().cloned().unwrap_or_default();
        let name = if name.is_empty() {
            last
        } else {
            name.trim().to_owned()
        };
        found.push((path_from, name));
    }
}

fn parts(path: &str) -> impl Iterator<Item = String> {
    let parts = path.split("::").map(str::trim);
    parts
        .filter(|part| !part.is_empty() && *part != "*")
        .map(str::to_owned)
}

/// Paths in the middle of code.
fn inline(code: &str) -> Vec<Vec<String>> {
    let mut found = Vec::new();
    let is_path = |c: char| c.is_alphanumeric() || matches!(c, '_' | ':');
    for line in code.lines() {
        for word in line.split(|c| !is_path(c)) {
            if ["super::", "crate::"]
                .iter()
                .any(|root| word.starts_with(root))
            {
                found.push(parts(word).collect());
            }
        }
    }
    found
}
