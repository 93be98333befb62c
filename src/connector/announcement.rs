use std::{fmt, net::SocketAddr, sync::Arc};

use crate::{
    error::BoxError,
    proto::{Address, InvalidProxyHeader, Network, ProxyHeader, ProxyTlv, ProxyVersion},
    session::{Request, Target},
};

/// Announces clients to those who are connected to, by a header of the PROXY protocol in front of everything else.
///
/// It tells them who the client is: that is for targets of one's own, which are listed. Nobody is listed at first.
/// [`Direct::announce`](super::direct::Direct::announce) sends it to a target whose address is listed, whatever name
/// the client asked for; an upstream's `announce` sends it to that proxy, which is the only one listed then.
///
/// The source is the client's address, the destination that of the target, and to an upstream that on which the client
/// reached us. A client without an address is UNKNOWN; a connection that no client asked for is LOCAL in version 2.
/// Who is not prepared for it takes it for garbage.
///
/// ```
/// use tower_socks::{connector::{Announcement, direct::Direct}, proto::ProxyVersion};
///
/// let announcement = Announcement::new(ProxyVersion::V2)
///     .to(["192.0.2.0/24".parse()?])
///     .when(|_, target| target.port() == 443)
///     .with_authority()
///     .with_checksum();
/// let direct = Direct::new().announce(announcement);
/// # Ok::<(), tower_socks::proto::InvalidNetwork>(())
/// ```
#[derive(Clone)]
pub struct Announcement {
    version: ProxyVersion,
    networks: Vec<Network>,
    when: Option<Arc<When>>,
    tlvs: Option<Arc<Tlvs>>,
    authority: bool,
    checksum: bool,
}

type When = dyn Fn(&Request, SocketAddr) -> bool + Send + Sync;
type Tlvs = dyn Fn(&Request) -> Vec<(u8, Vec<u8>)> + Send + Sync;

impl Announcement {
    /// Announces by this version, to nobody yet.
    #[must_use]
    pub const fn new(version: ProxyVersion) -> Self {
        Self {
            version,
            networks: Vec::new(),
            when: None,
            tlvs: None,
            authority: false,
            checksum: false,
        }
    }

    /// Lists targets: those whose address lies in one of these networks, besides others that are listed.
    #[must_use]
    pub fn to(mut self, networks: impl IntoIterator<Item = Network>) -> Self {
        self.networks.extend(networks);
        self
    }

    /// Announces listed targets only where this says so, of the client's request and the address that was reached.
    #[must_use]
    pub fn when<F>(mut self, predicate: F) -> Self
    where
        F: Fn(&Request, SocketAddr) -> bool + Send + Sync + 'static,
    {
        self.when = Some(Arc::new(predicate));
        self
    }

    /// Adds items to headers of version 2: types and values. Version 1 has none.
    #[must_use]
    pub fn with_tlvs<F>(mut self, items: F) -> Self
    where
        F: Fn(&Request) -> Vec<(u8, Vec<u8>)> + Send + Sync + 'static,
    {
        self.tlvs = Some(Arc::new(items));
        self
    }

    /// Adds the name that the client asked for (AUTHORITY), where it is one, to headers of version 2.
    #[must_use]
    pub const fn with_authority(mut self) -> Self {
        self.authority = true;
        self
    }

    /// Adds a checksum (CRC32C) to headers of version 2.
    #[must_use]
    pub const fn with_checksum(mut self) -> Self {
        self.checksum = true;
        self
    }

    /// Returns what to write to a target that was reached at this address, if it is listed.
    ///
    /// # Errors
    ///
    /// When the items are too large.
    pub(super) fn to_target<T: Target>(
        &self,
        target: &T,
        reached: SocketAddr,
    ) -> Result<Option<Vec<u8>>, BoxError> {
        let is_listed = self
            .networks
            .iter()
            .any(|listed| listed.contains(reached.ip()));
        let request = target.request();
        let is_meant = || match (&self.when, request) {
            (Some(when), Some(request)) => when(request, reached),
            // Nobody's address is told.
            (Some(_), None) => false,
            (None, _) => true,
        };
        if !is_listed || !is_meant() {
            return Ok(None);
        }
        Ok(Some(self.header(request, reached)?.encode()))
    }

    /// Returns what to write to a proxy.
    ///
    /// # Errors
    ///
    /// When the items are too large.
    pub(super) fn to_proxy(
        &self,
        request: Option<&Request>,
    ) -> Result<Vec<u8>, InvalidProxyHeader> {
        let local = request.map_or(SocketAddr::from(([0, 0, 0, 0], 0)), |request| request.local);
        Ok(self.header(request, local)?.encode())
    }

    fn header(
        &self,
        request: Option<&Request>,
        destination: SocketAddr,
    ) -> Result<ProxyHeader, InvalidProxyHeader> {
        let mut header = match (request, self.version) {
            // Of a client without an address it says so itself.
            (Some(request), version) => ProxyHeader::new(version, request.peer, destination),
            (None, ProxyVersion::V1) => ProxyHeader::unknown(ProxyVersion::V1),
            (None, ProxyVersion::V2) => ProxyHeader::local(),
        };
        if self.version == ProxyVersion::V1 {
            return Ok(header);
        }
        if let Some(request) = request {
            if let Address::Name(name, _) = &request.target
                && self.authority
            {
                header = header.with_tlv(ProxyTlv::AUTHORITY, name.as_str().as_bytes())?;
            }
            let items = self.tlvs.as_ref().map(|items| items(request));
            for (kind, value) in items.unwrap_or_default() {
                header = header.with_tlv(kind, &value)?;
            }
        }
        if self.checksum {
            header = header.with_checksum()?;
        }
        Ok(header)
    }
}

impl fmt::Debug for Announcement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Announcement")
            .field("version", &self.version)
            .field("networks", &self.networks)
            .finish_non_exhaustive()
    }
}
