//! `--version`, `--print-config` and other texts that the program prints.

use std::{
    ffi::OsStr,
    io::{self, Write},
    path::{Path, PathBuf},
    process::ExitCode,
};

/// What the program is called where it is installed. As an example of the crate it is `server`.
pub(crate) const NAME: &str = "tower-socks";

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

/// Returns the reference, whose commands are those of a program that is called so.
pub(crate) fn reference(program: &str) -> String {
    REFERENCE.replace("`server ", &format!("`{program} "))
}

/// Returns the name that this process was started by, for messages and commands that are to be typed.
pub(crate) fn program() -> String {
    let path = std::env::args_os().next().map(PathBuf::from);
    let name = path.as_deref().and_then(Path::file_name);
    // Who starts it chooses the name: it is to be one word in one line.
    let name = name
        .and_then(OsStr::to_str)
        .filter(|name| name.len() <= 64 && name.bytes().all(|octet| octet.is_ascii_graphic()));
    name.unwrap_or(NAME).to_owned()
}

/// Returns name and version of the project, and the features that were compiled in.
pub(crate) fn version() -> String {
    macro_rules! features {
        ($($name:literal)*) => {
            [$(cfg!(feature = $name).then_some($name)),*]
        };
    }
    let features = features!(
        "gssapi" "hickory" "http" "http-auth" "http-connect" "http-server" "ldap" "limit" "metrics" "postgres" "proxy-url" "radius" "redis" "remember" "reverse-dns" "rules" "tls" "users"
    );
    let features: Vec<_> = features.into_iter().flatten().collect();
    format!(
        "{NAME} {}\nfeatures: {}\n",
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
    for line in reference(&program()).lines() {
        let text = line.trim_start();
        if !text.is_empty() && !text.starts_with('#') {
            file.push('#');
        }
        file.push_str(line);
        file.push('\n');
    }
    file
}
