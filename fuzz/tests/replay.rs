//! The corpus, and a fixed number of its mutations, without a fuzzer.

#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

mod mutate;

use std::{
    fs,
    panic::{AssertUnwindSafe, catch_unwind, resume_unwind},
    path::{Path, PathBuf},
};

use mutate::Mutator;
use tower_socks_fuzz::TARGETS;

/// Mutations of each corpus: the same ones each time, unless `FUZZ_SEED` says otherwise.
const MUTATIONS: usize = 20_000;

/// How many, where somebody wants more or fewer than that.
fn from_env(name: &str, default: usize) -> usize {
    let value = std::env::var(name).ok();
    value.map_or(default, |value| value.parse().unwrap())
}

fn folder(target: &str) -> PathBuf {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus");
    corpus.join(target)
}

/// Files of a target by name, so that the order is the same everywhere.
fn corpus(target: &str) -> Vec<(PathBuf, Vec<u8>)> {
    let files = fs::read_dir(folder(target)).unwrap();
    let mut paths: Vec<PathBuf> = files.map(|file| file.unwrap().path()).collect();
    paths.sort();
    let read = |path: PathBuf| (path.clone(), fs::read(path).unwrap());
    paths.into_iter().map(read).collect()
}

fn run(target: fn(&[u8]), input: &[u8], origin: &str) {
    if let Err(panic) = catch_unwind(AssertUnwindSafe(|| target(input))) {
        eprintln!("{origin}: b\"{}\"", input.escape_ascii());
        resume_unwind(panic);
    }
}

fn replay(name: &str) {
    let (_, target) = TARGETS.iter().find(|(known, _)| *known == name).unwrap();
    let corpus = corpus(name);
    run(*target, b"", "nothing");
    for (path, input) in &corpus {
        run(*target, input, &path.display().to_string());
    }
    let seeds: Vec<Vec<u8>> = corpus.into_iter().map(|(_, input)| input).collect();
    let mut mutator = Mutator::new(from_env("FUZZ_SEED", 1) as u64);
    for number in 0..from_env("FUZZ_MUTATIONS", MUTATIONS) {
        let input = mutator.mutate(&seeds);
        run(*target, &input, &format!("mutation {number}"));
    }
}

macro_rules! replay {
    ($($target:ident)+) => {
        $(
            #[test]
            fn $target() {
                replay(stringify!($target));
            }
        )+

        /// In the order of the list.
        const REPLAYED: &[&str] = &[$(stringify!($target)),+];
    };
}

replay! {
    address
    amounts
    association
    client
    credentials
    framed_association
    framed_socket
    greeting
    gssapi
    gssapi_header
    http
    http_answer
    http_session
    ldap_message
    ldap_names
    proxy_header
    proxy_socket
    proxy_url
    quotas
    radius_answer
    reply
    request
    rules
    selection
    session
    socks4_reply
    socks4_request
    status
    udp_header
    udp_over_tcp
}

#[test]
fn every_target_is_a_program_has_a_corpus_and_is_replayed() {
    let names: Vec<&str> = TARGETS.iter().map(|(name, _)| *name).collect();
    assert_eq!(names, REPLAYED);
    let listed = |folder: &str| {
        let files = fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join(folder)).unwrap();
        let stem = |path: PathBuf| path.file_stem().unwrap().to_str().unwrap().to_owned();
        let mut names: Vec<String> = files.map(|file| stem(file.unwrap().path())).collect();
        names.sort();
        names
    };
    assert_eq!(listed("fuzz_targets"), names);
    assert_eq!(listed("corpus"), names);
    let manifest = include_str!("../Cargo.toml");
    for name in names {
        assert!(
            manifest.contains(&format!("\nname = \"{name}\"\n")),
            "{name}"
        );
        let corpus = corpus(name);
        assert!((1..=20).contains(&corpus.len()), "{name}: {}", corpus.len());
        for (path, input) in corpus {
            assert!(input.len() <= 1024, "{}", path.display());
        }
    }
}
