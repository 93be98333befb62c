//! Whose certificates a directory has to have, where the file says so.

use std::{fs, path::Path, sync::Arc};

use tower_socks::tls::{Authorities, ClientSettings, rustls::ClientConfig};

/// Trusts the authorities in a file and no others. Returns the file's text as well, by which a reload knows whether they are
/// others.
pub(super) fn trust(file: &Path) -> Result<(Arc<ClientConfig>, String), String> {
    let read = fs::read(file);
    let read = read.map_err(|error| format!("authorities {}: {error}", file.display()))?;
    let tls = Authorities::from_file(file).map(ClientSettings::new);
    let tls = tls.and_then(ClientSettings::build);
    let tls = tls.map_err(|error| format!("authorities: {error}"))?;
    Ok((tls, String::from_utf8_lossy(&read).into_owned()))
}
