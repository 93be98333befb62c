//! Handshakes, as a server and as a client.

use std::sync::Arc;

use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt};
use tokio_rustls::{
    TlsAcceptor,
    rustls::{ClientConfig, ServerConfig, pki_types::ServerName},
};

use super::{TlsInfo, looks_like::looks_like, opening::Opening};
use crate::{
    error::TlsError,
    io::{BoxStream, TlsStream, lingering_close},
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
    let mut io = Opening::new(io);
    let first = io.first().await?;
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
    match TlsAcceptor::from(config).accept(io).into_fallible().await {
        Ok(stream) => {
            let (io, session) = stream.into_inner();
            let info = TlsInfo::new(&session, session.server_name());
            Ok((TlsStream::new(BoxStream::new(io.io), session), info))
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
