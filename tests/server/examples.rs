//! The examples: how little code the usual tasks take, and that each example is in the table and is run.

use std::{fs, path::Path};

/// A task that somebody brings who is new here, where it is solved, and within how many lines.
const TASKS: &[(&str, &str, usize)] = &[
    ("layer", "layer_closure", 25), // refuses by user, and counts tunnels
    ("tunnel", "tunnel", 12),       // wraps any tunnel
    ("datagrams", "datagrams", 5),  // drops some datagrams
];

/// Examples that serve until they are stopped, or need a proxy.
const NOT_RUN: &[&str] = &["client", "kerberos", "minimal"];

fn read(path: &str) -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(path)).unwrap()
}

/// Lines between `// task: NAME` and `// end`.
fn lines_of(task: &str, code: &str) -> usize {
    let (mut lines, mut inside) = (0, false);
    for line in code.lines().map(str::trim) {
        match line.strip_prefix("// task: ") {
            Some(name) => inside = name == task,
            None if line == "// end" => inside = false,
            None => lines += usize::from(inside),
        }
    }
    lines
}

#[test]
fn the_usual_tasks_are_short() {
    for (task, example, most) in TASKS {
        let lines = lines_of(task, &read(&format!("examples/{example}.rs")));
        assert!(lines > 0, "{example} has no task {task}");
        assert!(lines <= *most, "{example} takes {lines} lines for {task}");
    }
}

#[test]
fn only_lines_of_the_task_are_counted() {
    let code = "use a;\n// task: one\nfn f() {}\n// end\n// task: two\nb\n// end\n    // task: one\nc\n\n// end\nd";
    assert_eq!(lines_of("one", code), 3);
    assert_eq!(lines_of("two", code), 1);
    assert_eq!(lines_of("three", code), 0);
}

#[test]
fn each_example_is_in_the_table_and_is_run() {
    let table = read("examples/README.md");
    // Not in the package that is published.
    let Ok(steps) = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(".ci/run"))
    else {
        return;
    };
    let run = steps.split_once("for example in").unwrap().1;
    let run = run.split_once("; do").unwrap().0;
    let examples = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples");
    let mut seen = 0;
    for entry in fs::read_dir(examples).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_none_or(|extension| extension != "rs") {
            continue;
        }
        let name = path.file_stem().unwrap().to_str().unwrap();
        seen += 1;
        assert!(
            table.contains(&format!("| [`{name}`]({name}.rs)")),
            "{name} is not in examples/README.md"
        );
        let is_run = run.split_whitespace().any(|word| word == name);
        assert!(
            is_run != NOT_RUN.contains(&name),
            "{name} is not run by .ci/run, or is listed here for nothing"
        );
    }
    assert!(seen > 10, "only {seen} examples found");
}
