//! Whose certificates a directory, an upstream or a name server has to have, where the file says so.

use std::{
    fmt,
    fs::File,
    io::Read,
    path::{Path, PathBuf},
    sync::Arc,
};

use tower_socks::tls::{Authorities, ClientSettings, rustls::ClientConfig};

use crate::certificates::Certificates;

/// Octets of a file: bundles of roots have some 250 KiB.
const LARGEST: u64 = 8 * 1024 * 1024;

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
    let fail = |error: &dyn fmt::Display| format!("authorities {}: {error}", file.display());
    let mut read = Vec::new();
    let opened = File::open(file).and_then(|it| it.take(LARGEST + 1).read_to_end(&mut read));
    opened.map_err(|error| fail(&error))?;
    if read.len() as u64 > LARGEST {
        return Err(fail(&"it is too large"));
    }
    let authorities = Authorities::from_pem(&read).map_err(|error| fail(&error))?;
    let mut expires = Certificates::default();
    expires.add(file, authorities.expires());
    let tls = ClientSettings::new(authorities).build();
    let tls = tls.map_err(|error| fail(&error))?;
    Ok(Trusted {
        file: file.to_owned(),
        tls,
        text: String::from_utf8_lossy(&read).into_owned(),
        expires,
    })
}
