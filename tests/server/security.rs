//! SECURITY.md promises nothing that no test stands for.

use std::path::Path;

#[test]
fn every_promise_names_tests_that_are_there() {
    let page = include_str!("../../SECURITY.md");
    let (_, page) = page.split_once("## What is promised").unwrap();
    let (promised, _) = page.split_once("## What is not promised").unwrap();
    let mut promises = 0;
    for line in promised.lines().filter(|line| line.starts_with("| ")) {
        let tests = line.rsplit('|').nth(1).unwrap().trim();
        if tests == "tests" {
            continue;
        }
        promises += 1;
        for test in tests.split(", ") {
            let file = test.trim_matches('`');
            let place = Path::new(env!("CARGO_MANIFEST_DIR")).join(file);
            // The fuzz targets are not in the package.
            assert!(file == "fuzz" || place.is_file(), "{line}: {file}");
        }
    }
    assert!(promises > 20, "only {promises} promises found");
}

#[test]
fn every_fault_of_others_names_tests_that_are_there() {
    let page = include_str!("regressions.rs");
    let tests = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests");
    let mut named = 0;
    for line in page.lines().filter(|line| line.starts_with("//! | ")) {
        for path in line.split('`').filter(|path| path.contains("::")) {
            let parts: Vec<&str> = path.split("::").collect();
            let [program, subject, test] = parts[..] else {
                panic!("{line}: {path}");
            };
            let file = tests.join(program).join(subject).with_extension("rs");
            let code = std::fs::read_to_string(&file).unwrap_or_default();
            let found = code.contains(&format!("fn {}", test.trim_end_matches('*')));
            assert!(found, "{line}: {path}");
            named += 1;
        }
    }
    assert!(named > 30, "only {named} tests are named");
}
