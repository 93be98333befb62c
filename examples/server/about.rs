//! `--version`, `--print-config` and other texts that the program prints.

use std::{
    io::{self, Write},
    process::ExitCode,
};

/// The reference. What is no default in it is an example: users, rules, some of the limits.
const REFERENCE: &str = include_str!("../server.toml");

/// Prints a text to its end. Who reads it may stop at any line.
pub(crate) fn print(text: &str) -> ExitCode {
    let mut stdout = io::stdout().lock();
    match stdout
        .write_all(text.as_bytes())
        .and_then(|()| stdout.flush())
    {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => ExitCode::SUCCESS,
        Err(_) => ExitCode::FAILURE,
    }
}

/// Returns name and version of the project, and the features that were compiled in.
pub(crate) fn version() -> String {
    macro_rules! features {
        ($($name:literal)*) => {
            [$(cfg!(feature = $name).then_some($name)),*]
        };
    }
    let features = features!(
        "hickory" "http" "http-connect" "http-server" "limit" "metrics" "proxy-url" "remember" "reverse-dns" "rules" "tls" "users"
    );
    let features: Vec<_> = features.into_iter().flatten().collect();
    format!(
        "{} {}\nfeatures: {}\n",
        env!("CARGO_PKG_NAME"),
        env!("CARGO_PKG_VERSION"),
        features.join(", ")
    )
}

/// Returns the reference with all of its settings as comments: a file that changes nothing.
pub(crate) fn default_file() -> String {
    let mut file = String::from(
        "# Nothing is set in this file: take the # away in front of what you change, and of the [table] above it.\n\
         # What stands there is the default; users, rules and most of the limits are examples.\n#\n",
    );
    for line in REFERENCE.lines() {
        let text = line.trim_start();
        if !text.is_empty() && !text.starts_with('#') {
            file.push('#');
        }
        file.push_str(line);
        file.push('\n');
    }
    file
}
