use std::{fmt, sync::Arc, time::Duration};

use tokio::{io::AsyncWriteExt, time::timeout};

use super::{
    outage::{Outage, UpstreamError},
    transport::Transport,
};
use crate::{
    client::ClientError,
    connector::Announcement,
    error::BoxError,
    proto::{Address, IntoAddress, ParseAddressError},
    session::{Connected, Request},
};

/// The proxy of an upstream: its address, or why what was given is none, and whether it works. Clones
/// share what is known of that.
#[derive(Clone)]
pub(super) struct Proxy {
    address: Result<Address, ParseAddressError>,
    outage: Arc<Outage>,
    /// How the client is announced to it.
    announcement: Option<Arc<Announcement>>,
}

impl Proxy {
    pub(super) fn new(proxy: impl IntoAddress) -> Self {
        Self {
            address: proxy.into_address(),
            outage: Arc::new(Outage::new()),
            announcement: None,
        }
    }

    pub(super) fn announce(&mut self, announcement: Announcement) {
        self.announcement = Some(Arc::new(announcement));
    }

    /// Opens a stream to it, and announces the client of the request if it is to be told.
    pub(super) async fn reach<C: Transport>(
        &self,
        transport: C,
        request: Option<&Request>,
        limit: Duration,
    ) -> Result<Connected<C::Io>, ClientError> {
        let proxy = self.address()?.clone();
        let Some(announcement) = &self.announcement else {
            return transport.reach(proxy, limit).await;
        };
        let unreachable = |source: BoxError| ClientError::Unreachable {
            proxy: proxy.clone(),
            source,
        };
        let header = announcement.to_proxy(request);
        let header = header.map_err(|error| unreachable(error.into()))?;
        let mut stream = transport.reach(proxy.clone(), limit).await?;
        let io = stream.get_mut();
        let writing = async {
            io.write_all(&header).await?;
            io.flush().await
        };
        match timeout(limit, writing).await {
            Ok(Ok(())) => Ok(stream),
            Ok(Err(error)) => Err(unreachable(error.into())),
            Err(elapsed) => Err(unreachable(elapsed.into())),
        }
    }

    /// Returns its address.
    ///
    /// # Errors
    ///
    /// [`ClientError::InvalidProxy`].
    pub(super) fn address(&self) -> Result<&Address, ClientError> {
        let address = self.address.as_ref();
        address.map_err(|error| ClientError::InvalidProxy(*error))
    }

    /// Notes what became of a request to it.
    pub(super) fn note<S, E: UpstreamError>(&self, outcome: &Result<S, E>) {
        match (&self.address, outcome) {
            (Ok(proxy), Ok(_)) => self.outage.works(proxy),
            (Ok(proxy), Err(error)) => self.outage.failed(proxy, error),
            (Err(_), _) => {}
        }
    }
}

/// What was given is not quoted where it is no address: it may be a URL with a password.
impl fmt::Display for Proxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.address {
            Ok(address) => address.fmt(f),
            Err(_) => f.write_str("(invalid)"),
        }
    }
}

impl fmt::Debug for Proxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}
