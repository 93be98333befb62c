//! TLS to the proxy of a URL.

use std::{
    sync::{Arc, OnceLock},
    time::Duration,
};

use tokio::time::{Instant, timeout_at};

use super::unreachable::beneath;
use crate::{
    connector::{
        tls::{name_of, shake_hands},
        upstream::Transport,
    },
    error::BoxError,
    io::BoxStream,
    proto::Address,
    session::Connected,
    tls::{ClientSettings, InvalidTls, rustls::ClientConfig},
};

/// Whom to believe that a proxy is who it is: as given, or as the platform says.
#[derive(Clone, Default)]
pub(super) struct Tls(pub(super) Option<Arc<ClientConfig>>);

impl Tls {
    fn config(self) -> Result<Arc<ClientConfig>, BoxError> {
        /// Read once: it takes some milliseconds.
        static PLATFORM: OnceLock<Result<Arc<ClientConfig>, InvalidTls>> = OnceLock::new();

        if let Some(config) = self.0 {
            return Ok(config);
        }
        let read = || ClientSettings::of_platform()?.build();
        let platform = PLATFORM.get_or_init(read).as_ref();
        platform
            .map(Arc::clone)
            .map_err(|error| error.clone().into())
    }

    pub(super) async fn reach<C: Transport>(
        self,
        transport: C,
        proxy: Address,
        limit: Duration,
    ) -> Result<Connected<BoxStream>, BoxError> {
        let until = Instant::now() + limit;
        let (config, name) = (self.config()?, name_of(&proxy)?);
        let reached = transport.reach(proxy, limit).await.map_err(beneath)?;
        let shaken = timeout_at(until, shake_hands(config, name, reached)).await??;
        Ok(shaken.map_io(BoxStream::new))
    }
}
