//! The keytab, which the library looks for where a variable of its process says.

use std::{
    env,
    ffi::OsString,
    os::unix::process::CommandExt,
    path::{Path, PathBuf},
    process::Command,
};

use tower_socks::BoxError;

use crate::{cli::Flags, config::Config};

/// The library's variable.
const KEYTAB: &str = "KRB5_KTNAME";

/// Ours: that the file has stated this one.
const STATED: &str = "TOWER_SOCKS_KEYTAB";

/// Starts this process once more, in its place, where the file states a keytab that the variables do not have: they cannot be set
/// once there may be threads, and there is no other means to tell the library. It has the same number, descriptors and arguments.
///
/// # Errors
///
/// The program is not where it was.
pub(crate) fn enter(flags: &Flags) -> Result<(), BoxError> {
    // What is wrong with the file is said later, and a pipe can be read once.
    let config = flags.config.as_deref().and_then(Config::rest);
    let table = config.and_then(|config| config.gssapi);
    let wanted = table.as_ref().and_then(|table| table.keytab());
    if wanted.map(Path::to_owned) == stated() {
        return Ok(());
    }
    let mut arguments = env::args_os();
    let mut again = Command::new(env::current_exe()?);
    if let Some(name) = arguments.next() {
        again.arg0(name);
    }
    again.args(arguments);
    match wanted {
        Some(path) => again.env(KEYTAB, in_variable(path)).env(STATED, path),
        None => again.env_remove(KEYTAB).env_remove(STATED),
    };
    Err(again.exec().into())
}

/// Checks that the process was started with the keytab that is stated.
///
/// # Errors
///
/// It was started with another one.
pub(super) fn check(wanted: Option<&Path>) -> Result<(), String> {
    if wanted.map(Path::to_owned) == stated() {
        return Ok(());
    }
    Err(format!(
        "{} is read after a restart only, and not where the file of --config is a pipe: then {KEYTAB} says it",
        wanted.map_or_else(
            || "another keytab".into(),
            |path| path.display().to_string()
        )
    ))
}

fn stated() -> Option<PathBuf> {
    env::var_os(STATED).map(Into::into)
}

fn in_variable(path: &Path) -> OsString {
    let mut value = OsString::from("FILE:");
    value.push(path);
    value
}
