//! The text of the file: one that has an end.

use std::{
    fs::{self, File},
    io::Read,
    path::Path,
};

/// Rules of a million names, and more.
const LONGEST: u64 = 256 << 20;

/// Reads it. What is read `again` has to be a file.
pub(super) fn read(path: &Path, again: bool) -> Result<String, String> {
    if again
        && !fs::metadata(path)
            .map_err(|error| error.to_string())?
            .is_file()
    {
        return Err(
            "is not a file: a server reads it more than once, so that it cannot be a pipe".into(),
        );
    }
    let mut text = String::new();
    let read = File::open(path).and_then(|file| file.take(LONGEST + 1).read_to_string(&mut text));
    match read {
        Ok(len) if len as u64 > LONGEST => Err("is larger than 256 MiB".into()),
        Ok(_) => Ok(text),
        Err(error) => Err(error.to_string()),
    }
}
