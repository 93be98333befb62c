//! The addresses that the hosts file of the system has for a name.

use std::{
    fs::File,
    io::{self, BufRead, BufReader},
    net::IpAddr,
    path::Path,
};

use crate::proto::DomainName;

/// Where the file is. Elsewhere than on Unix the resolver of the system finds its own entries.
const PATH: &str = "/etc/hosts";

/// Returns the addresses of a name, in the order of the file, which is read each time: none for a name that
/// is not in it.
///
/// `getaddrinfo(3)` reads it too, but finds no name with a dot at its end there, and without that dot it would
/// look for the name in search domains.
///
/// # Errors
///
/// When there is a file that cannot be read.
pub(super) fn addresses_of(name: &DomainName) -> io::Result<Vec<IpAddr>> {
    if cfg!(unix) {
        in_file(Path::new(PATH), name)
    } else {
        Ok(Vec::new())
    }
}

fn in_file(path: &Path, name: &DomainName) -> io::Result<Vec<IpAddr>> {
    let mut file = match File::open(path) {
        Ok(file) => BufReader::new(file),
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(error),
    };
    let mut addresses = Vec::new();
    let mut line = Vec::new();
    while file.read_until(b'\n', &mut line)? > 0 {
        if let Some(address) = of_line(&line, name)
            && !addresses.contains(&address)
        {
            addresses.push(address);
        }
        line.clear();
    }
    Ok(addresses)
}

/// The address of a line that has the name.
fn of_line(line: &[u8], name: &DomainName) -> Option<IpAddr> {
    let line = line.split(|octet| *octet == b'#').next()?;
    let mut fields = std::str::from_utf8(line).ok()?.split_ascii_whitespace();
    let address = fields.next()?;
    // Most names are compared without making one.
    let is_it = |field: &str| {
        let plain = field.strip_suffix('.').unwrap_or(field);
        plain.eq_ignore_ascii_case(name)
            || (!field.is_ascii() && DomainName::new(field).is_ok_and(|field| field == *name))
    };
    fields.any(is_it).then(|| address.parse().ok()).flatten()
}
