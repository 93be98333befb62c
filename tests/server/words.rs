//! Words that the glossary of CONTRIBUTING.md replaces stay out of `src`: code, comments and messages.

use std::{fs, path::Path};

use super::floors::sources;

/// Each with what to say instead.
const BANNED: &[(&str, &str)] = &[
    (
        "way",
        "upstream, alternative, route, transport or direction",
    ),
    (
        "ways",
        "upstreams, alternatives, routes, transports or directions",
    ),
    ("whoever", "the noun: client, caller, policy, task"),
    ("carried out", "executed"),
    ("in disguise", "a non-canonical IP literal"),
    ("as there", "the text itself, or a link"),
];

/// The start of a line without its indentation, where a banned word stands for a reason.
const ALLOWED: &[(&str, &str)] = &[];

macro_rules! rooms {
    ($($room:ident)+) => {
        /// One test a room, so that a room that is not clean says its own name.
        const ROOMS: &[&str] = &[$(stringify!($room)),+];

        $(
            #[test]
            fn $room() {
                let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
                assert_clean(&src.join(stringify!($room)));
            }
        )+
    };
}

rooms! {
    proto io admission relay datagram error session tls client rules layer connector redis server gssapi guide
}

#[test]
fn every_room_and_the_front_page() {
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    for entry in fs::read_dir(&src).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap();
        if path.is_dir() {
            assert!(ROOMS.contains(&name), "the room {name} is not looked at");
        } else {
            let found = banned(&fs::read_to_string(&path).unwrap());
            assert!(found.is_empty(), "{name}:\n{}", found.join("\n"));
        }
    }
}

#[test]
fn allowed_lines_exist() {
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    for (file, line) in ALLOWED {
        let text = fs::read_to_string(src.join(file)).unwrap();
        let stands = text.lines().any(|it| it.trim_start().starts_with(line));
        assert!(stands, "{file} has no line {line} any more");
    }
}

#[test]
fn banned_words_are_found() {
    for (text, count) in [
        ("/// Which way to go.", 1),
        ("let way = 1;", 1),
        ("struct Way;", 1),
        ("// Both ways, and carried\n// out.", 2),
        ("//! Carried\n//! out", 1),
        ("/// As there.", 1),
        ("always, anyway, gateway, wayward, way_point, Wayland", 0),
        ("it was there", 0),
        ("carried outside", 0),
    ] {
        assert_eq!(banned(text).len(), count, "{text}");
    }
}

fn assert_clean(room: &Path) {
    let mut found = Vec::new();
    for file in sources(room) {
        let name = file.strip_prefix(env!("CARGO_MANIFEST_DIR")).unwrap();
        let text = fs::read_to_string(&file).unwrap();
        for line in banned(&text) {
            found.push(format!("{}:{line}", name.display()));
        }
    }
    assert!(found.is_empty(), "\n{}", found.join("\n"));
}

/// Banned words, each with its line. A word may go over the end of a line of comment.
fn banned(text: &str) -> Vec<String> {
    let lines: Vec<&str> = text.lines().collect();
    let words: Vec<(usize, String)> = (1..)
        .zip(&lines)
        .filter(|(_, line)| {
            !ALLOWED
                .iter()
                .any(|(_, it)| line.trim_start().starts_with(it))
        })
        .flat_map(|(number, line)| {
            let words = line.split(|c: char| !c.is_alphanumeric() && c != '_');
            let words = words.filter(|word| !word.is_empty());
            words.map(move |word| (number, word.to_lowercase()))
        })
        .collect();
    let mut found = Vec::new();
    for (phrase, instead) in BANNED {
        let phrase: Vec<&str> = phrase.split(' ').collect();
        for window in words.windows(phrase.len()) {
            if window.iter().map(|(_, word)| word).eq(&phrase) {
                let number = window[0].0;
                let line = lines[number - 1].trim();
                found.push(format!(
                    "{number}: {line}\n    `{}`: say {instead}",
                    phrase.join(" ")
                ));
            }
        }
    }
    found
}
