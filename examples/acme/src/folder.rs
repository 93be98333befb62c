//! The account and the newest certificate, on disk: authorities issue few certificates a week.

use std::{
    fs, io,
    io::Write,
    path::{Path, PathBuf},
};

use instant_acme::AccountCredentials;
use tower_socks::BoxError;

use crate::Issued;

/// A folder with both, which nobody else can read.
#[derive(Clone, Debug)]
pub struct Folder(PathBuf);

impl Folder {
    /// Opens a folder, which is made where there is none.
    pub fn open(path: impl Into<PathBuf>) -> io::Result<Self> {
        let path = path.into();
        fs::create_dir_all(&path)?;
        Ok(Self(path))
    }

    /// Returns the account, where one was written.
    pub fn account(&self) -> Result<Option<AccountCredentials>, BoxError> {
        let text = read(&self.0.join("account.json"))?;
        Ok(text.map(|text| serde_json::from_str(&text)).transpose()?)
    }

    /// Writes the account.
    pub fn keep_account(&self, account: &AccountCredentials) -> Result<(), BoxError> {
        self.write("account.json", &serde_json::to_string(account)?)?;
        Ok(())
    }

    /// Returns the certificate, where one was written that can be used.
    pub fn issued(&self) -> io::Result<Option<Issued>> {
        let text = read(&self.0.join("certificate.pem"))?;
        // One that is damaged is asked for again.
        Ok(text.and_then(|pem| Issued::new(pem).ok()))
    }

    /// Writes the certificate.
    pub fn keep_issued(&self, issued: &Issued) -> io::Result<()> {
        self.write("certificate.pem", issued.pem())
    }

    /// Writes beside the old file, and then in its place: a machine that stops leaves one or the other.
    fn write(&self, name: &str, text: &str) -> io::Result<()> {
        let beside = self.0.join(format!("{name}.new"));
        let mut options = fs::OpenOptions::new();
        options.write(true).create(true).truncate(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let mut file = options.open(&beside)?;
        file.write_all(text.as_bytes())?;
        file.sync_all()?;
        fs::rename(beside, self.0.join(name))
    }
}

fn read(path: &Path) -> io::Result<Option<String>> {
    match fs::read_to_string(path) {
        Ok(text) => Ok(Some(text)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}
