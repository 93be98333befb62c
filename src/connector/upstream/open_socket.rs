use tokio::io::{AsyncRead, AsyncWrite};

use super::outage::UpstreamError;
use crate::{
    client::{ClientFault, ProxySocket},
    error::{BoxError, Fault, Refusal},
    proto::{Address, Command, ReplyCode, UdpOverTcp},
    session::Request,
};

/// Opens a socket at another proxy: what datagrams through it need of an upstream.
pub trait OpenSocket: Clone + Send + Sync + 'static {
    /// The stream to the proxy.
    type Io: AsyncRead + AsyncWrite + Unpin + Send + 'static;

    /// Whether the proxy resolves the names of destinations.
    fn resolves_names(&self) -> bool;

    /// Opens a socket for a client's request, and logs what became of the request.
    fn open_socket(
        &self,
        request: &Request,
    ) -> impl Future<Output = Result<ProxySocket<Self::Io>, BoxError>> + Send;
}

/// Returns the target of the CONNECT that asks for UDP over TCP. No policy is asked about it, and nothing resolves it:
/// it stands for the proxy, which is the operator's choice.
///
/// # Errors
///
/// Where a CONNECT cannot ask for it.
pub(super) fn connect_target(protocol: UdpOverTcp) -> Result<Address, Refusal> {
    match protocol.command() {
        Command::CONNECT => Ok(protocol.target()),
        _ => {
            let reason = "FWD UDP is a command of SOCKS5: set another protocol for this upstream";
            let refusal = Refusal::new(ReplyCode::COMMAND_NOT_SUPPORTED, reason);
            Err(refusal.with_fault(Fault::Server))
        }
    }
}

/// Says what it means that a proxy cannot reach the name that stands for it: most often that it does no UDP over TCP.
/// Otherwise the log would blame a target, and there is none.
pub(super) fn not_opened<E: UpstreamError>(error: E) -> BoxError {
    match error.fault() {
        ClientFault::Target(code) => {
            let refusal = Refusal::new(code, "the proxy opens no stream for UDP over TCP");
            refusal
                .with_source(error)
                .with_fault(Fault::Upstream)
                .into()
        }
        ClientFault::Refused | ClientFault::Proxy | ClientFault::Local => error.into(),
    }
}
