use std::sync::Arc;

use tokio::io::{AsyncRead, AsyncWrite};

use super::ClientAuth;
use crate::{
    error::{AuthError, BoxError},
    io::read_message,
    proto::{Credentials, Decode, Method, MethodSet, UserPassStatus},
};

/// X'00' no authentication, and X'02' username/password too once there are credentials: what
/// [`Client::new`](super::Client::new) offers.
#[derive(Clone, Debug, Default)]
pub struct DefaultAuth {
    credentials: Option<Arc<Credentials>>,
}

impl DefaultAuth {
    /// No authentication.
    #[must_use]
    pub const fn new() -> Self {
        Self { credentials: None }
    }

    /// Username/password as well, for the proxy to choose.
    #[must_use]
    pub fn credentials(mut self, credentials: Credentials) -> Self {
        self.credentials = Some(Arc::new(credentials));
        self
    }
}

impl<Io> ClientAuth<Io> for DefaultAuth
where
    Io: AsyncRead + AsyncWrite + Unpin + Send,
{
    type Stream = Io;

    fn offers(&self) -> MethodSet {
        let credentials = self.credentials.as_ref();
        let password = credentials.map(|_| Method::USERNAME_PASSWORD);
        password
            .into_iter()
            .chain([Method::NO_AUTHENTICATION])
            .collect()
    }

    fn say(&self, method: Method) -> Vec<u8> {
        match &self.credentials {
            Some(credentials) if method == Method::USERNAME_PASSWORD => {
                credentials.encode().to_vec()
            }
            _ => Vec::new(),
        }
    }

    async fn hear(&self, method: Method, mut io: Io) -> Result<Io, BoxError> {
        if method == Method::USERNAME_PASSWORD {
            status(&mut io).await?;
        }
        Ok(io)
    }

    // Whoever has credentials means to use them.
    fn pipelined(&self) -> Option<Method> {
        Some(match self.credentials {
            Some(_) => Method::USERNAME_PASSWORD,
            None => Method::NO_AUTHENTICATION,
        })
    }
}

/// X'02' alone (RFC 1929): a proxy that wants no password is not spoken with.
impl<Io> ClientAuth<Io> for Credentials
where
    Io: AsyncRead + AsyncWrite + Unpin + Send,
{
    type Stream = Io;

    fn offers(&self) -> MethodSet {
        Method::USERNAME_PASSWORD.into()
    }

    fn say(&self, _: Method) -> Vec<u8> {
        self.encode().to_vec()
    }

    async fn hear(&self, _: Method, mut io: Io) -> Result<Io, BoxError> {
        status(&mut io).await?;
        Ok(io)
    }

    fn pipelined(&self) -> Option<Method> {
        Some(Method::USERNAME_PASSWORD)
    }
}

/// The answer to a name and a password.
async fn status<Io: AsyncRead + Unpin>(io: &mut Io) -> Result<(), BoxError> {
    match read_message(io, &mut [0; UserPassStatus::MAX_LEN]).await? {
        UserPassStatus::SUCCESS => Ok(()),
        UserPassStatus(_) => Err(AuthError::Denied.into()),
    }
}
