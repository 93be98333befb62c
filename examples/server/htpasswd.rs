//! `users_file`: names with hashes of their passwords, a line each, as `htpasswd` writes them.

use std::{
    collections::HashMap,
    fs::{self, File, Metadata},
    io::Read,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, UNIX_EPOCH},
};

use crate::hashes::{Hash, Hashes};

/// A million users and more.
const MAX_LEN: u64 = 256 << 20;

/// Between two looks at whether the file is another one.
const INTERVAL: Duration = Duration::from_secs(2);

/// A file that was written to so long ago has another time once it is written to again.
const SETTLED: Duration = Duration::from_secs(2);

/// A file of users, as it was when it was read.
#[derive(Clone, Debug)]
pub(crate) struct UsersFile {
    pub(crate) path: PathBuf,
    seen: Option<Seen>,
    /// Whom it had then. None while it may have been written to in that moment: the clock of a disk is coarse.
    known: Option<(Seen, Hashes)>,
}

/// By what a file is known to be another one, or to have been written to. Behind links: where a directory of them is
/// swapped as a whole, the file is another one.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Seen {
    file: (u64, u64),
    len: u64,
    written: (i64, i64),
    changed: (i64, i64),
}

impl From<Metadata> for Seen {
    fn from(file: Metadata) -> Self {
        Self {
            file: (file.dev(), file.ino()),
            len: file.len(),
            written: (file.mtime(), file.mtime_nsec()),
            changed: (file.ctime(), file.ctime_nsec()),
        }
    }
}

impl Seen {
    /// Whether what is written from now on is seen by another time.
    fn is_settled(&self) -> bool {
        let (seconds, _) = self.changed;
        let changed = u64::try_from(seconds).map_or(UNIX_EPOCH, |seconds| {
            UNIX_EPOCH + Duration::from_secs(seconds)
        });
        changed.elapsed().is_ok_and(|age| age > SETTLED)
    }
}

impl UsersFile {
    /// Reads a file. Nothing is hashed. One that is still as it was `before` is not read again: it may have a million users.
    ///
    /// # Errors
    ///
    /// It cannot be read, has a line that is no user, a name twice, or nobody at all.
    pub(crate) fn read(path: &Path, before: Option<&Self>) -> Result<(Self, Hashes), String> {
        let place = path.display();
        let fail = |error| format!("users_file {place}: {error}");
        // Before it is read, so that what is written meanwhile is noticed.
        let seen = fs::metadata(path).map_err(|error| fail(error.to_string()))?;
        if !seen.is_file() {
            return Err(fail("is no file".into()));
        }
        let seen = Seen::from(seen);
        let known = before.filter(|before| before.path == path);
        if let Some((as_it_was, users)) = known.and_then(|before| before.known.as_ref())
            && *as_it_was == seen
        {
            return Ok((Self::new(path, seen, Some(users)), users.clone()));
        }
        let mut text = Vec::new();
        let read = File::open(path).and_then(|file| file.take(MAX_LEN + 1).read_to_end(&mut text));
        match read {
            Ok(len) if len as u64 > MAX_LEN => Err(fail("is larger than 256 MiB".into())),
            Ok(_) => Ok(()),
            Err(error) => Err(fail(error.to_string())),
        }?;
        let users = parse(&text)
            .map_err(|(line, problem)| format!("users_file {place}:{line}: {problem}"))?;
        if users.is_empty() {
            return Err(fail(
                "has no users: write one by `htpasswd -B`, or leave it out".into(),
            ));
        }
        let known = seen.is_settled().then_some(&users);
        Ok((Self::new(path, seen, known), users))
    }

    fn new(path: &Path, seen: Seen, known: Option<&Hashes>) -> Self {
        Self {
            path: path.into(),
            seen: Some(seen.clone()),
            known: known.map(|users| (seen, users.clone())),
        }
    }

    /// Waits until the file is another one, and has stayed as it is for one more look: it may be half written at the
    /// first one.
    pub(crate) async fn changed(&mut self) {
        let mut last = self.seen.clone();
        loop {
            tokio::time::sleep(INTERVAL).await;
            let now = tokio::fs::metadata(&self.path).await.ok().map(Seen::from);
            if now == last && now != self.seen {
                self.seen = now;
                return;
            }
            last = now;
        }
    }
}

/// Parses lines of `NAME:HASH`. Neither hashes nor lines are in what it complains about: they may be passwords in a wrong
/// place.
fn parse(text: &[u8]) -> Result<Hashes, (usize, String)> {
    let mut lines = HashMap::new();
    let mut users = HashMap::new();
    for (number, line) in (1..).zip(text.split(|octet| *octet == b'\n')) {
        let line = line.trim_ascii();
        if line.is_empty() || line.starts_with(b"#") {
            continue;
        }
        let fail = |problem: String| (number, problem);
        let colon = line.iter().position(|octet| *octet == b':');
        let Some((name, [_, hash @ ..])) = colon.and_then(|at| line.split_at_checked(at)) else {
            return Err(fail(
                "this is no user: a line is NAME:HASH, as `htpasswd -B` writes it".into(),
            ));
        };
        if !(1..=255).contains(&name.len()) {
            return Err(fail("the name of a user must have 1 to 255 octets".into()));
        }
        let shown = name.escape_ascii();
        let hash =
            Hash::of_file(hash).map_err(|problem| fail(format!("user \"{shown}\": {problem}")))?;
        if let Some(first) = lines.insert(name, number) {
            return Err(fail(format!(
                "user \"{shown}\" is there twice, first in line {first}: which of them counts?"
            )));
        }
        users.insert(name.into(), Arc::new(hash));
    }
    Ok(Hashes::new(users))
}
