//! What is made of the example server's flags: `--help`, manual pages and completions; and what it calls itself.

use std::{os::unix::fs::symlink, process::Command};

use crate::support::program::{complaint, program};

const REFERENCE: &str = include_str!("../../examples/server.toml");

fn prints(flags: &[&str]) -> String {
    let output = Command::new(program()).args(flags).output().unwrap();
    assert!(output.status.success(), "{output:?}");
    assert_eq!(output.stderr, b"");
    String::from_utf8(output.stdout).unwrap()
}

/// The flags that the command line is parsed for.
fn flags() -> Vec<String> {
    let parser = include_str!("../../examples/server/cli.rs");
    let parsed = parser.split("Arg::Long(\"").skip(1);
    let flags = parsed.map(|rest| format!("--{}", rest.split('"').next().unwrap()));
    let flags: Vec<_> = flags.collect();
    assert!(flags.len() > 15, "{flags:?}");
    flags
}

/// The words of a text that begin like a flag.
fn flags_in(text: &str) -> Vec<&str> {
    let words = text.split(|next: char| !(next.is_ascii_alphanumeric() || next == '-'));
    words.filter(|word| word.starts_with("--")).collect()
}

#[test]
fn each_flag_is_explained() {
    let help = prints(&["--help"]);
    let manual = prints(&["--man", "program"]);
    let manual = manual.replace("\\-", "-").replace("\\fB", " ");
    let guide = include_str!("../../examples/README.md");
    let texts = [
        ("--help", &*help),
        ("--man", &manual),
        ("examples/README.md", guide),
    ];
    for flag in flags() {
        for (name, text) in texts {
            assert!(flags_in(text).contains(&&*flag), "{flag} in {name}");
        }
    }
}

#[test]
fn each_flag_that_is_explained_is_taken() {
    let (help, flags) = (prints(&["--help"]), flags());
    // Those of `close` are its own.
    let close = include_str!("../../examples/server/close.rs");
    for flag in flags_in(&help) {
        let of_close = format!("Arg::Long(\"{}\")", flag.trim_start_matches('-'));
        // And one of curl's, in the examples of clients.
        if flag != "--proxy" && !close.contains(&of_close) {
            assert!(flags.iter().any(|taken| taken == flag), "{flag}");
        }
    }
}

#[test]
fn help_fits_into_a_terminal() {
    let help = prints(&["--help"]);
    let longest = help.lines().map(|line| line.chars().count()).max();
    assert!(longest <= Some(88), "{help}");
}

#[test]
fn each_setting_is_in_the_manual_page_of_the_file() {
    let page = prints(&["--man", "file"]);
    let shown = page.replace("\\-", "-").replace("\\e", "\\");
    assert!(page.starts_with(".\\\" "), "{page}");
    let settings = REFERENCE
        .lines()
        .filter(|line| !line.is_empty() && !line.starts_with('#'));
    for setting in settings {
        assert!(shown.contains(setting), "{setting}");
    }
    for table in ["[acl]", "[limits]", "[timeouts]", "[tls]", "[metrics]"] {
        assert!(shown.contains(&format!("\n.SS {table}\n")), "{table}");
    }
    // Commands are those of the program that the page is installed with.
    assert!(!page.contains("`server "), "{page}");
    // No comment begins a line that roff would take for a request.
    let requests = ["TH", "SH", "SS", "PP", "EX", "EE", "BR"];
    for line in page.lines().skip(1) {
        let request = line
            .strip_prefix('.')
            .map(|line| line.split(' ').next().unwrap());
        assert!(
            request.is_none_or(|name| requests.contains(&name)),
            "{line}"
        );
        assert!(!line.starts_with('\''), "{line}");
    }
}

/// What bash would offer for the last of these words.
fn completed(words: &[&str]) -> Vec<String> {
    let script = prints(&["--completions", "bash"]);
    // Outside of a completion there is no compopt.
    let run = r#"compopt() { :; }; COMP_WORDS=(tower-socks "$@"); COMP_CWORD=$#; COMPREPLY=(); _tower_socks
        printf '%s\n' "${COMPREPLY[@]}""#;
    let output = Command::new("bash")
        .args(["--norc", "-c", &format!("{script}\n{run}"), "bash"])
        .args(words)
        .output()
        .unwrap();
    assert!(output.status.success(), "{output:?}");
    assert_eq!(output.stderr, b"");
    let said = String::from_utf8(output.stdout).unwrap();
    said.lines()
        .filter(|line| !line.is_empty())
        .map(str::to_owned)
        .collect()
}

#[test]
fn bash_completes_the_command_line() {
    let offered = completed(&["--"]);
    for flag in flags() {
        assert!(offered.contains(&flag), "{flag}: {offered:?}");
    }
    assert_eq!(completed(&["hash"]), ["hash-password"]);
    assert_eq!(completed(&["--completions", ""]), ["bash", "zsh", "fish"]);
    assert_eq!(
        completed(&["--protocols", "socks4,s"]),
        ["socks4,socks5", "socks4,socks4"]
    );
    assert_eq!(
        completed(&["--config", "/etc/host"])
            .first()
            .unwrap()
            .get(..9),
        Some("/etc/host")
    );
    // Names and passwords are nobody's to guess.
    assert_eq!(completed(&["--user", ""]), [""; 0]);
}

#[test]
fn zsh_and_fish_know_each_flag() {
    for (shell, before) in [("zsh", "--"), ("fish", "-l ")] {
        let script = prints(&["--completions", shell]);
        for flag in flags() {
            let known = format!("{before}{}", flag.trim_start_matches('-'));
            assert!(script.contains(&known), "{shell}: {flag}");
        }
    }
}

#[test]
fn a_page_or_shell_that_there_is_not_is_a_mistake() {
    for (flags, expected) in [
        (
            &["--man", "nonsense"][..],
            "--man: expected program or file",
        ),
        (&["--man"], "--man"),
        (
            &["--completions", "csh"],
            "--completions: expected bash, zsh, fish",
        ),
        (&["--completions"], "--completions"),
    ] {
        let said = complaint(flags);
        assert!(said.contains(expected), "{flags:?}: {said}");
    }
}

#[test]
fn it_calls_itself_what_it_was_started_by() {
    let name = format!("tower-socks-named-{}", std::process::id());
    let folder = std::env::temp_dir().join(name);
    std::fs::create_dir(&folder).unwrap();
    let says = |name: &str, flags: &[&str]| {
        let path = folder.join(name);
        symlink(program(), &path).unwrap();
        let output = Command::new(&path).args(flags).output().unwrap();
        let said = [output.stdout, output.stderr].concat();
        String::from_utf8(said).unwrap()
    };
    let help = says("tower-socks", &["--help"]);
    assert!(help.contains("\nUsage: tower-socks [FLAGS]\n"), "{help}");
    assert!(help.contains("tower-socks hash-password\n"), "{help}");
    let said = says("proxy", &["--nonsense"]);
    assert!(said.starts_with("proxy: "), "{said}");
    let file = says("our-proxy", &["--print-config"]);
    assert!(file.contains("`our-proxy hash-password`"), "{file}");
    // A name is one word in one line, or is not said.
    let said = says("two\nlines", &["--nonsense"]);
    assert!(said.starts_with("tower-socks: "), "{said}");
    let version = says("another", &["--version"]);
    assert!(version.starts_with("tower-socks "), "{version}");
    std::fs::remove_dir_all(&folder).unwrap();
}
