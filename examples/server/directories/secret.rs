//! Passwords of service accounts and the like: in the file, or in one of their own.

use std::{
    env, fmt,
    fs::File,
    io::Read,
    path::{Path, PathBuf},
};

use serde::Deserialize;

/// A secret that is in the file. Not shown.
#[derive(Clone, Deserialize)]
pub(crate) struct Secret(String);

impl Secret {
    #[cfg(any(feature = "http-auth", feature = "postgres"))]
    pub(super) fn text(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("\"...\"")
    }
}

/// Where systemd puts the files of `LoadCredential=`.
const CREDENTIALS: &str = "CREDENTIALS_DIRECTORY";

/// Octets of such a file.
const LONGEST: u64 = 4096;

/// Reads a secret that is stated in the file, or in another one, whose first line it is. A name that begins with
/// `$CREDENTIALS_DIRECTORY/` is looked for where systemd says. `None` where neither is stated.
///
/// # Errors
///
/// Both are stated, or the file cannot be read or is empty. The text has its name, and nothing of what is in it.
pub(crate) fn load(stated: Option<&Secret>, file: Option<&Path>) -> Result<Option<String>, String> {
    let secret = match (stated, file) {
        (None, None) => return Ok(None),
        (Some(_), Some(file)) => {
            return Err(format!(
                "the secret is stated, and in {}: which of them counts?",
                file.display()
            ));
        }
        (Some(Secret(stated)), None) => stated.clone(),
        (None, Some(file)) => {
            let file = place(file)?;
            let fail = |error: String| format!("{}: {error}", file.display());
            let mut text = String::new();
            let read =
                File::open(&file).and_then(|file| file.take(LONGEST + 1).read_to_string(&mut text));
            match read {
                Ok(len) if len as u64 > LONGEST => {
                    return Err(fail("is too large for a password".into()));
                }
                Ok(_) => text.lines().next().unwrap_or_default().to_owned(),
                Err(error) => return Err(fail(error.to_string())),
            }
        }
    };
    match secret.is_empty() {
        true => Err("the secret is empty".into()),
        false => Ok(Some(secret)),
    }
}

/// Where a file is.
fn place(file: &Path) -> Result<PathBuf, String> {
    let Ok(name) = file.strip_prefix(format!("${CREDENTIALS}")) else {
        return Ok(file.into());
    };
    match env::var_os(CREDENTIALS) {
        Some(directory) => Ok(Path::new(&directory).join(name)),
        None => Err(format!(
            "{}: systemd has passed no credentials: the unit needs LoadCredential=",
            file.display()
        )),
    }
}
