//! The written form of quotas.
//!
//! ```text
//! tower-socks quotas 1
//! day 2026-11-27 month 2026-11-01
//! 123456 7890123 user:joe
//! 0 4096 client:192.0.2.1
//! end 2
//! ```
//!
//! The first line has the version. The second says which day was counted, and on which day its month has begun. Then comes
//! a line for each key with what it has used, in bytes: of the day, of the month, and the key as
//! [`QuotaKey`](super::QuotaKey) writes it. The last one has their number.

use std::{
    collections::HashMap,
    fs::{self, File, OpenOptions},
    hash::Hash,
    io::{self, BufWriter, Read, Write},
    path::{Path, PathBuf},
};

use super::{QuotaKey, period::Period};

const VERSION: &str = "tower-socks quotas 1";

/// A file that is longer is not one that was written here: that is 65,536 keys of 1,500 octets.
const LONGEST: u64 = 96 * 1024 * 1024;

/// What one has used, in bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Used {
    pub(super) day: u64,
    pub(super) month: u64,
}

impl Used {
    pub(super) const fn is_nothing(self) -> bool {
        self.day == 0 && self.month == 0
    }
}

/// What a file says.
#[derive(Debug)]
pub(super) struct Written<K> {
    pub(super) period: Period,
    pub(super) used: HashMap<K, Used>,
}

/// Reads a file, if there is one. `InvalidData` if it is damaged.
pub(super) fn read<K: QuotaKey + Hash + Eq>(path: &Path) -> io::Result<Option<Written<K>>> {
    // What is no file may never end, and a named pipe is not opened before somebody writes to it.
    match fs::metadata(path) {
        Ok(it) if it.is_file() => {}
        Ok(_) => return Err(io::Error::other("it is not a file")),
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    }
    let file = File::open(path)?;
    let mut text = String::new();
    file.take(LONGEST + 1).read_to_string(&mut text)?;
    if text.len() as u64 > LONGEST {
        return Err(damaged("it is too long"));
    }
    parse(&text).map(Some)
}

fn damaged(problem: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, problem)
}

fn parse<K: QuotaKey + Hash + Eq>(text: &str) -> io::Result<Written<K>> {
    let mut lines = text.lines();
    match lines.next() {
        Some(VERSION) => {}
        Some(other) if other.starts_with("tower-socks quotas ") => {
            return Err(damaged("it is of a version that is not known"));
        }
        _ => return Err(damaged("it does not begin as a file of quotas")),
    }
    let period = lines.next().and_then(|line| {
        let (day, month) = line.strip_prefix("day ")?.split_once(" month ")?;
        Some(Period {
            day: day.parse().ok()?,
            month: month.parse().ok()?,
        })
    });
    let period = period.ok_or_else(|| damaged("its second line has no day and month"))?;
    let mut used = HashMap::new();
    for line in &mut lines {
        if let Some(count) = line.strip_prefix("end ") {
            let is_whole = count.parse() == Ok(used.len()) && lines.next().is_none();
            return match is_whole {
                true => Ok(Written { period, used }),
                false => Err(damaged("its last line has another number of lines")),
            };
        }
        let entry = || {
            let (day, rest) = line.split_once(' ')?;
            let (month, key) = rest.split_once(' ')?;
            let counted = Used {
                day: day.parse().ok()?,
                month: month.parse().ok()?,
            };
            Some((K::read(key)?, counted))
        };
        let (key, counted) =
            entry().ok_or_else(|| damaged("it has a line that is none of its form"))?;
        if used.insert(key, counted).is_some() {
            return Err(damaged("it has two lines of one key"));
        }
    }
    Err(damaged("its end is missing"))
}

/// Writes a file beside the other and puts it in its place. A crash leaves the one or the other, whole.
pub(super) fn write<K: QuotaKey>(path: &Path, written: &Written<K>) -> io::Result<()> {
    let beside = beside(path, ".new");
    // What a crash has left. A new file follows no link that somebody has put there.
    match fs::remove_file(&beside) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let write = || {
        let mut file = BufWriter::new(options.open(&beside)?);
        let Period { day, month } = written.period;
        writeln!(file, "{VERSION}\nday {day} month {month}")?;
        for (key, used) in &written.used {
            writeln!(file, "{} {} {}", used.day, used.month, key.write())?;
        }
        writeln!(file, "end {}", written.used.len())?;
        file.into_inner()?.sync_all()?;
        fs::rename(&beside, path)
    };
    if let Err(error) = write() {
        // It takes room on a disk that has none.
        let _ = fs::remove_file(&beside);
        return Err(error);
    }
    // The name of the file as well, where a directory can be asked for that.
    if let Some(folder) = path.parent().filter(|it| !it.as_os_str().is_empty()) {
        let _ = File::open(folder).and_then(|folder| folder.sync_all());
    }
    Ok(())
}

/// Moves a damaged file aside, and returns where to.
pub(super) fn move_aside(path: &Path) -> io::Result<PathBuf> {
    let aside = beside(path, ".damaged");
    fs::rename(path, &aside)?;
    Ok(aside)
}

fn beside(path: &Path, ending: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(ending);
    name.into()
}

/// Keeps other processes from reading and writing the file for as long as it lives.
#[cfg(unix)]
pub(super) struct Lock {
    _file: nix::fcntl::Flock<File>,
}

#[cfg(unix)]
impl Lock {
    /// Takes the lock of a file, which is a file beside it. Waits a second for another process.
    pub(super) fn take(path: &Path) -> io::Result<Self> {
        use nix::fcntl::{Flock, FlockArg};

        let mut options = OpenOptions::new();
        options.write(true).create(true).truncate(false);
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let mut file = options.open(beside(path, ".lock"))?;
        for _ in 0..100 {
            match Flock::lock(file, FlockArg::LockExclusiveNonblock) {
                Ok(lock) => return Ok(Self { _file: lock }),
                Err((back, nix::errno::Errno::EWOULDBLOCK | nix::errno::Errno::EINTR)) => {
                    file = back;
                    std::thread::sleep(std::time::Duration::from_millis(10));
                }
                Err((_, error)) => return Err(error.into()),
            }
        }
        let problem = "another process keeps it locked";
        Err(io::Error::new(io::ErrorKind::WouldBlock, problem))
    }
}

/// Where there are no such locks, one process has the file.
#[cfg(not(unix))]
pub(super) struct Lock;

#[cfg(not(unix))]
impl Lock {
    pub(super) fn take(_: &Path) -> io::Result<Self> {
        Ok(Self)
    }
}
