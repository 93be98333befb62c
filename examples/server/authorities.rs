//! Whose certificates a directory, an upstream or a name server has to have, where the file says so.

use std::{
    fmt, fs,
    path::{Path, PathBuf},
    sync::Arc,
};

use tower_socks::tls::{Authorities, ClientSettings, rustls::ClientConfig};

use crate::certificates::Certificates;

/// The authorities of a file.
#[derive(Clone)]
pub(crate) struct Trusted {
    pub(crate) file: PathBuf,
    /// For connections that believe them and no others.
    pub(crate) tls: Arc<ClientConfig>,
    /// All of the file, by which a reload knows whether they are others.
    pub(crate) text: String,
    /// When they expire.
    pub(crate) expires: Certificates,
}

/// Whether a reload has others.
impl PartialEq for Trusted {
    fn eq(&self, other: &Self) -> bool {
        (&self.file, &self.text) == (&other.file, &other.text)
    }
}

impl Eq for Trusted {}

impl fmt::Debug for Trusted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Trusted({})", self.file.display())
    }
}

/// Reads the authorities in a file. Blocks.
///
/// # Errors
///
/// It cannot be read, or has none.
pub(crate) fn trust(file: &Path) -> Result<Trusted, String> {
    let read = fs::read(file);
    let read = read.map_err(|error| format!("authorities {}: {error}", file.display()))?;
    let fail = |error| format!("authorities: {error}");
    let authorities = Authorities::from_file(file).map_err(fail)?;
    let mut expires = Certificates::default();
    expires.add(file, authorities.expires());
    let tls = ClientSettings::new(authorities).build().map_err(fail)?;
    Ok(Trusted {
        file: file.to_owned(),
        tls,
        text: String::from_utf8_lossy(&read).into_owned(),
        expires,
    })
}
