//! Sections of PEM.

use std::{fs, io, io::Read, path::Path};

use tokio_rustls::rustls::pki_types::{
    CertificateDer, CertificateRevocationListDer, PrivateKeyDer,
    pem::{Error, PemObject},
};

use super::InvalidTls;

/// The largest file that is read, in bytes: bundles of roots have some 250 KiB.
const LARGEST: u64 = 8 * 1024 * 1024;

/// Reads a file of PEM.
pub(super) fn read(file: &Path) -> Result<Vec<u8>, InvalidTls> {
    let read = || {
        let mut octets = Vec::new();
        let read = fs::File::open(file)?
            .take(LARGEST + 1)
            .read_to_end(&mut octets)?;
        match read as u64 > LARGEST {
            true => Err(io::ErrorKind::FileTooLarge.into()),
            false => Ok(octets),
        }
    };
    read().map_err(|error: io::Error| {
        let invalid = InvalidTls::new("the file cannot be read");
        invalid.because(error).in_file(file)
    })
}

/// Returns all certificates, of which there is at least one.
pub(super) fn certificates(pem: &[u8]) -> Result<Vec<CertificateDer<'static>>, InvalidTls> {
    let all = CertificateDer::pem_slice_iter(pem).collect::<Result<Vec<_>, _>>();
    match all {
        Ok(all) if all.is_empty() => Err(InvalidTls::new("there is no certificate in PEM")),
        all => all.map_err(|_| MALFORMED),
    }
}

/// Returns the first private key.
pub(super) fn key(pem: &[u8]) -> Result<PrivateKeyDer<'static>, InvalidTls> {
    PrivateKeyDer::from_pem_slice(pem).map_err(|error| match error {
        Error::NoItemsFound if encrypted(pem) => {
            InvalidTls::new("the private key is encrypted: decrypt it first")
        }
        Error::NoItemsFound => InvalidTls::new("there is no private key in PEM"),
        _ => MALFORMED,
    })
}

/// Returns all certificate revocation lists, of which there is at least one.
pub(super) fn crls(pem: &[u8]) -> Result<Vec<CertificateRevocationListDer<'static>>, InvalidTls> {
    let all = CertificateRevocationListDer::pem_slice_iter(pem).collect::<Result<Vec<_>, _>>();
    match all {
        Ok(all) if all.is_empty() => Err(InvalidTls::new(
            "there is no certificate revocation list in PEM",
        )),
        all => all.map_err(|_| MALFORMED),
    }
}

/// The parser's own error quotes what it has read, which may be of a key.
const MALFORMED: InvalidTls = InvalidTls::new("the PEM is malformed");

fn encrypted(pem: &[u8]) -> bool {
    let marker = b"ENCRYPTED PRIVATE KEY";
    pem.windows(marker.len()).any(|text| text == marker)
}
