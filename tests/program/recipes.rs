//! `examples/recipes` of the example server: each file is right, and its rules say what its text says.

use std::{fs, path::PathBuf, process::Command};

use crate::support::program::{certificates::Authority, file::File, program};

/// Questions for `--explain`, by recipe: those that are allowed, and those that are not. Targets are addresses, so that no
/// name is looked up; where an upstream resolves names, nothing is.
const EXPLAINED: &[(&str, &[&str], &[&str])] = &[
    (
        "behind_haproxy",
        &["user=joe connect 8.8.8.8:443"],
        &["user=joe connect 10.0.0.1:443"],
    ),
    (
        "behind_nginx",
        &["user=joe udp 8.8.8.8:53"],
        &["user=joe connect 127.0.0.1:80"],
    ),
    (
        "container_exit",
        &[],
        &[
            "connect 8.8.8.8:443",
            "udp 8.8.8.8:53",
            "connect 169.254.169.254:80",
        ],
    ),
    (
        "desktop",
        &["connect 8.8.8.8:25"],
        &["connect 192.168.1.1:80"],
    ),
    (
        "jump_host",
        &[
            "user=joe connect 10.20.1.2:22",
            "user=jane at=2026-11-23T09:30:00Z connect 10.20.5.7:5432",
        ],
        &[
            "user=jane connect 10.20.1.2:22",
            "user=joe connect 10.20.5.7:5432",
            "user=jane at=2026-11-22T09:30:00Z connect 10.20.5.7:5432",
            "user=joe bind 10.20.1.2:22",
            "user=joe connect 8.8.8.8:22",
        ],
    ),
    (
        "onion_and_i2p",
        &[
            "connect some.onion:80",
            "connect stats.i2p:80",
            "connect 8.8.8.8:443",
        ],
        &["connect 10.0.0.1:80"],
    ),
    (
        "tor",
        &["connect some.onion:80", "resolve example.com"],
        &["connect example.com:25", "connect 10.0.0.1:80"],
    ),
];

/// Of a password, at the least cost.
const HASH: &str = "$2y$04$LYGA6bHyAcETIo70FXXqZOz49.AK1SKAhy9Rtmdxai15VaHtTAQ.G";

/// Those that ask for a feature with which the tests do not build the program.
const UNBUILT: &[(&str, &str)] = &[("company", "ldap")];

fn recipes() -> Vec<(String, String)> {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("examples/recipes");
    let mut recipes = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path
            .extension()
            .is_some_and(|extension| extension == "toml")
        {
            let name = path.file_stem().unwrap().to_str().unwrap().to_owned();
            recipes.push((name, fs::read_to_string(&path).unwrap()));
        }
    }
    assert!(recipes.len() >= 8, "{recipes:?}");
    recipes
}

/// The files that recipes name.
struct Etc {
    certificate: File,
    key: File,
    secret: File,
    users: File,
}

impl Etc {
    fn new() -> Self {
        let certified = Authority::new().signs("proxy");
        Self {
            certificate: File::new(&certified.certificate),
            key: File::new(&certified.key),
            secret: File::new("secret"),
            users: File::new(&format!("joe:{HASH}\njane:{HASH}\n")),
        }
    }

    fn instead_of(&self, recipe: &str) -> File {
        let text = recipe
            .replace("/etc/tower-socks/chain.pem", self.certificate.path())
            .replace("/etc/tower-socks/key.pem", self.key.path())
            .replace("/etc/tower-socks/ldap-password", self.secret.path())
            .replace("/etc/tower-socks/users", self.users.path());
        let settings = text
            .lines()
            .filter(|line| !line.trim_start().starts_with('#'));
        for line in settings {
            assert!(!line.contains("/etc/tower-socks"), "{line}");
        }
        File::new(&text)
    }
}

/// What it says, and whether it is content.
fn says(file: &File, flags: &[&str]) -> (bool, String) {
    let output = Command::new(program())
        .args(["--config", file.path()])
        .args(flags)
        .env("RUST_LOG", "error")
        .env("TZ", "UTC")
        .output()
        .unwrap();
    let said = [output.stdout, output.stderr].concat();
    (output.status.success(), String::from_utf8(said).unwrap())
}

#[test]
fn each_recipe_is_right() {
    let etc = Etc::new();
    for (name, recipe) in recipes() {
        let (is_right, said) = says(&etc.instead_of(&recipe), &["--check"]);
        match UNBUILT.iter().find(|(unbuilt, _)| *unbuilt == name) {
            Some((_, feature)) => {
                assert!(
                    !is_right && said.contains(&format!("--features {feature}")),
                    "{name}: {said}"
                );
            }
            None => assert!(is_right, "{name}: {said}"),
        }
    }
}

#[test]
fn its_rules_say_what_its_text_says() {
    let (etc, recipes) = (Etc::new(), recipes());
    for (name, _) in &recipes {
        let is_explained = EXPLAINED.iter().any(|(explained, ..)| explained == name);
        assert!(
            is_explained || UNBUILT.iter().any(|(unbuilt, _)| unbuilt == name),
            "{name}"
        );
    }
    for (name, allowed, refused) in EXPLAINED {
        let (_, recipe) = recipes.iter().find(|(recipe, _)| recipe == name).unwrap();
        let file = etc.instead_of(recipe);
        let all = allowed.iter().map(|question| (question, true));
        for (question, expected) in all.chain(refused.iter().map(|question| (question, false))) {
            let (is_allowed, said) = says(&file, &["--explain", question]);
            assert_eq!(is_allowed, expected, "{name}, {question}: {said}");
        }
    }
}

/// The index of recipes, and the script that tries them, know each of them.
#[test]
fn each_recipe_is_in_the_index() {
    let index = include_str!("../../examples/recipes/README.md");
    for (name, _) in recipes() {
        assert!(index.contains(&format!("({name}.toml)")), "{name}");
    }
}

/// What the guide says of lines of the log is about lines that there are: where the words are from.
#[test]
fn the_guide_has_the_words_of_the_log() {
    let guide = include_str!("../../examples/guide/troubleshooting.md");
    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    for (words, source) in [
        ("anyone could use a proxy on", "examples/server/settings"),
        ("cannot listen on", "examples/server/listen"),
        ("wrong name or password", "src/error"),
        ("the client could not prove who it is", "src/error"),
        ("ticket of the client", "src/gssapi/kerberos"),
        ("could not be resolved", "src"),
        ("could not connect to", "src"),
        ("idle_timeout", "src/relay"),
        ("limit reached", "src/admission"),
        ("tunnels already", "src/layer/limit"),
        (
            "no PROXY header from a trusted network",
            "src/layer/proxy_protocol",
        ),
        ("special-purpose", "src/rules"),
        ("since no rule matches", "src/rules"),
        ("This is the port of a proxy server for", "src"),
    ] {
        assert!(guide.contains(words), "{words}");
        assert!(
            says_it(&root.join(source), words),
            "{words}: not in {source}"
        );
    }
}

fn says_it(place: &std::path::Path, words: &str) -> bool {
    if place.is_dir() {
        let mut inside = fs::read_dir(place).unwrap();
        return inside.any(|entry| says_it(&entry.unwrap().path(), words));
    }
    fs::read_to_string(place).is_ok_and(|text| text.contains(words))
}
