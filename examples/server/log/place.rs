//! Where lines go: standard output or error, a file, a named pipe.

use std::{
    fmt,
    fs::{self, File, OpenOptions},
    io::{self, Write},
    os::unix::fs::{FileTypeExt, MetadataExt, OpenOptionsExt},
    path::PathBuf,
    time::{Duration, Instant},
};

use serde::Deserialize;

/// How often it is looked whether the file is still the one of its name.
const LOOK: Duration = Duration::from_secs(1);

/// For how long another file may have its name, before that one is written to: logrotate creates it and sends SIGHUP.
const MOVED: Duration = Duration::from_secs(5);

/// A place for lines, as the file of settings has it: `"stdout"`, `"stderr"`, or a path.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(from = "String")]
pub(crate) enum Place {
    Stdout,
    Stderr,
    File(PathBuf),
}

impl From<String> for Place {
    fn from(text: String) -> Self {
        match &*text {
            "stdout" => Self::Stdout,
            "stderr" => Self::Stderr,
            _ => Self::File(text.into()),
        }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Stdout => f.write_str("stdout"),
            Self::Stderr => f.write_str("stderr"),
            Self::File(path) => path.display().fmt(f),
        }
    }
}

/// A place that is open.
pub(crate) struct Output {
    place: Place,
    file: Option<File>,
    looked: Instant,
    /// Since when another file has its name, or none.
    moved: Option<Instant>,
    /// A line was cut off, when the disk was full.
    torn: bool,
}

/// How many lines were written, and why not all of them.
pub(crate) struct Written {
    pub(crate) lines: u64,
    pub(crate) outcome: io::Result<()>,
}

impl Output {
    /// Opens it. A file that is not there is created, for its owner to read and write and the group to read.
    pub(crate) fn open(place: Place) -> io::Result<Self> {
        let file = match &place {
            Place::Stdout | Place::Stderr => None,
            Place::File(path) => {
                let is_pipe = fs::metadata(path).is_ok_and(|it| it.file_type().is_fifo());
                let mut options = OpenOptions::new();
                // Opening a pipe for writing alone waits for its reader.
                options.append(true).create(true).read(is_pipe).mode(0o640);
                Some(options.open(path)?)
            }
        };
        Ok(Self {
            place,
            file,
            looked: Instant::now(),
            moved: None,
            torn: false,
        })
    }

    pub(crate) const fn place(&self) -> &Place {
        &self.place
    }

    /// Opens the file anew, which may have another one by now.
    pub(crate) fn reopen(&mut self) -> io::Result<()> {
        *self = Self::open(self.place.clone())?;
        Ok(())
    }

    /// Opens the file anew once it has gone and stays away.
    pub(crate) fn look(&mut self) {
        if self.looked.elapsed() < LOOK {
            return;
        }
        self.looked = Instant::now();
        let (Place::File(path), Some(file)) = (&self.place, &self.file) else {
            return;
        };
        let identity = |it: fs::Metadata| (it.dev(), it.ino());
        let own = file.metadata().map(identity);
        let is_own = matches!((own, fs::metadata(path).map(identity)), (Ok(a), Ok(b)) if a == b);
        match self.moved {
            _ if is_own => self.moved = None,
            None => self.moved = Some(self.looked),
            Some(since) if since.elapsed() >= MOVED => _ = self.reopen(),
            Some(_) => {}
        }
    }

    /// Writes whole lines.
    pub(crate) fn write(&mut self, mut lines: &[u8]) -> Written {
        let mut written = 0;
        if self.torn {
            if let Err(error) = self.write_some(b"\n") {
                return Written {
                    lines: 0,
                    outcome: Err(error),
                };
            }
            self.torn = false;
        }
        let outcome = loop {
            if lines.is_empty() {
                break Ok(());
            }
            match self.write_some(lines) {
                Ok(0) => break Err(io::ErrorKind::WriteZero.into()),
                Ok(count) => {
                    let (done, rest) = lines.split_at(count.min(lines.len()));
                    written += ends(done);
                    self.torn = !done.ends_with(b"\n");
                    lines = rest;
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => break Err(error),
            }
        };
        Written {
            lines: written,
            outcome,
        }
    }

    fn write_some(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match (&self.place, &mut self.file) {
            (_, Some(file)) => file.write(bytes),
            // Standard output holds the last line back otherwise.
            (Place::Stdout, None) => {
                let mut stdout = io::stdout().lock();
                stdout.write_all(bytes)?;
                stdout.flush()?;
                Ok(bytes.len())
            }
            (_, None) => io::stderr().write(bytes),
        }
    }
}

/// Lines that end in it.
pub(crate) fn ends(lines: &[u8]) -> u64 {
    // So many as an octet can count: the machine counts sixteen at once then.
    let chunks = lines.chunks(usize::from(u8::MAX));
    let ends = chunks.map(|chunk| {
        let ends = chunk.iter().map(|octet| u8::from(*octet == b'\n'));
        u64::from(ends.sum::<u8>())
    });
    ends.sum()
}
