//! Handshakes, as a server and as a client.

use std::{
    sync::Arc,
    time::{Duration, SystemTime},
};

use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt};
use tokio_rustls::{
    TlsAcceptor,
    rustls::{
        self, CertificateError, ClientConfig, HandshakeKind, ServerConfig, pki_types::ServerName,
    },
};

use super::{Certificate, TlsInfo, looks_like::looks_like};
use crate::{
    error::TlsError,
    io::{BoxStream, PrefixedStream, TlsStream, lingering_close},
};

/// The content type of a handshake record, with which a client begins (RFC 8446 section 5.1).
const HANDSHAKE: u8 = 22;

/// A fatal alert, unexpected_message, in the clear (RFC 8446 section 6).
const UNEXPECTED_MESSAGE: [u8; 7] = [21, 3, 1, 0, 2, 2, 10];

/// Shakes hands with a client. The caller bounds the time.
///
/// # Errors
///
/// With an alert sent, and after a lingering close.
pub(crate) async fn accept<Io>(
    config: Arc<ServerConfig>,
    io: Io,
) -> Result<(TlsStream, TlsInfo), TlsError>
where
    Io: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let mut io = PrefixedStream::new(io);
    let first = io.peek(1).await?;
    match first.first() {
        Some(&HANDSHAKE) => {}
        None => return Err(TlsError::Closed),
        // By itself: a greeting of SOCKS5 is shorter than what TLS would wait for.
        Some(_) => {
            let error = TlsError::NotTls(looks_like(first));
            if io.write_all(&UNEXPECTED_MESSAGE).await.is_ok() {
                lingering_close(io).await;
            }
            return Err(error);
        }
    }
    match TlsAcceptor::from(Arc::clone(&config))
        .accept(io)
        .into_fallible()
        .await
    {
        Ok(stream) => {
            let (io, session) = stream.into_inner();
            let info = TlsInfo::new(&session, session.server_name());
            // Nobody has looked at the certificate again.
            let resumed = session.handshake_kind() == Some(HandshakeKind::Resumed);
            if resumed && has_expired(&info, &config) {
                lingering_close(io).await;
                let expired = rustls::Error::InvalidCertificate(CertificateError::Expired);
                return Err(TlsError::Handshake(expired));
            }
            Ok((TlsStream::new(BoxStream::new(io), session), info))
        }
        Err((error, io)) => {
            let error = TlsError::from(error);
            if matches!(error, TlsError::Handshake(_)) {
                // The alert is to arrive.
                lingering_close(io).await;
            }
            Err(error)
        }
    }
}

/// Whether the certificates of a client, which were valid once, are so no longer.
fn has_expired(info: &TlsInfo, config: &ServerConfig) -> bool {
    let Some(now) = config.time_provider.current_time() else {
        return true;
    };
    let now = SystemTime::UNIX_EPOCH + Duration::from_secs(now.as_secs());
    let mut chain = info.chain.iter().cloned().filter_map(Certificate::new);
    chain.any(|certificate| certificate.validity().1 < now)
}

/// Shakes hands with a server of this name. The caller bounds the time.
pub(crate) async fn connect<Io>(
    config: Arc<ClientConfig>,
    name: ServerName<'static>,
    io: Io,
) -> Result<TlsStream, TlsError>
where
    Io: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let connector = tokio_rustls::TlsConnector::from(config);
    let (io, session) = connector.connect(name, io).await?.into_inner();
    Ok(TlsStream::new(BoxStream::new(io), session))
}
