use std::{
    fmt, io,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use http::{HeaderName, HeaderValue, Method, Request, Uri, header};
use hyper::body::Bytes;
use tokio::time::{Instant, timeout_at};
use tokio_rustls::rustls::ClientConfig;
use tower_service::Service;

use super::{
    super::{availability::Availability, gate::Gate},
    ResponseFuture,
    answer::{self, Answer},
    connection::{Connection, Idle},
    error::{Failure, HttpCallOutError},
    question::{Once, question},
    url::Url,
};
use crate::{
    error::{AuthError, BoxError, find},
    session::{Credentials, Identity},
};

/// Verifies names and passwords by a service of HTTP. See the [module](super).
///
/// Clones share connections and places.
#[derive(Clone)]
pub struct HttpCallOut {
    inner: Arc<Inner>,
}

pub(super) struct Inner {
    pub(super) url: Url,
    pub(super) fields: Vec<(HeaderName, HeaderValue)>,
    pub(super) tls: Option<Arc<ClientConfig>>,
    pub(super) gate: Arc<Gate>,
    pub(super) availability: Availability,
    pub(super) idle: Idle,
    pub(super) at_once: usize,
    pub(super) timeout: Duration,
}

impl HttpCallOut {
    pub(super) fn new(inner: Inner) -> Self {
        Self {
            inner: Arc::new(inner),
        }
    }

    /// Returns how many logins wait for their turn, and how many may.
    #[must_use]
    pub fn queue(&self) -> (usize, usize) {
        self.inner.gate.waiting()
    }

    /// Returns the service if passwords go to it in clear text and it is not this machine: anybody on the path can read
    /// them.
    #[must_use]
    pub fn clear_text(&self) -> Option<String> {
        let url = &self.inner.url;
        url.is_exposed().then(|| url.to_string())
    }
}

impl Service<Credentials> for HttpCallOut {
    type Response = Identity;
    type Error = BoxError;
    type Future = ResponseFuture;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, credentials: Credentials) -> ResponseFuture {
        let inner = Arc::clone(&self.inner);
        ResponseFuture::new(async move { inner.verify(&credentials).await })
    }
}

impl Inner {
    async fn verify(&self, credentials: &Credentials) -> Result<Identity, BoxError> {
        let Some(question) = question(credentials) else {
            tracing::debug!("a name or password is no UTF-8, and is not asked about");
            return Err(AuthError::Denied.into());
        };
        let _permit = self
            .gate
            .enter(credentials.peer().ip(), credentials.name())
            .await?;
        let asked = match self.availability.may_be_asked() {
            true => {
                let asking = timeout_at(Instant::now() + self.timeout, self.ask(question));
                asking.await.unwrap_or(Err(Failure::Slow))
            }
            false => Err(Failure::Away),
        };
        let failure = match asked {
            Ok(answer) => {
                self.availability.answered();
                let answer = answer.ok_or(AuthError::Denied)?;
                return Ok(answer.identity(credentials.name()));
            }
            Err(failure) => failure,
        };
        match failure {
            Failure::Away => {}
            // It is there. What is wrong is for an operator to mend, and may be about one user.
            Failure::Status(status) if !status.is_server_error() => self.availability.answered(),
            Failure::Answer(_) => self.availability.answered(),
            ref failure => {
                self.idle.clear();
                self.availability.failed(failure);
            }
        }
        let error = HttpCallOutError {
            service: self.url.to_string(),
            failure,
        };
        Err(AuthError::Verifier(error.into()).into())
    }

    async fn ask(&self, question: Bytes) -> Result<Option<Answer>, Failure> {
        if let Some(idle) = self.idle.take() {
            match self.ask_by(idle, question.clone()).await {
                Err(Failure::Stale(_)) => {}
                answer => return answer,
            }
        }
        let connection = Connection::open(&self.url, self.tls.as_ref()).await?;
        self.ask_by(connection, question).await
    }

    async fn ask_by(
        &self,
        mut connection: Connection,
        question: Bytes,
    ) -> Result<Option<Answer>, Failure> {
        let asked = connection.ask(self.request(question)).await;
        let response = asked.map_err(|error| {
            let is_stale = error.is_canceled()
                || error.is_closed()
                || error.is_incomplete_message()
                || find::<io::Error>(&error).is_some();
            match is_stale {
                true => Failure::Stale(error),
                false => Failure::Http(error),
            }
        })?;
        let answer = answer::read(response).await?;
        // Of one who is denied the body was not read, and the connection goes with it.
        if answer.is_some() {
            self.idle.keep(connection, self.at_once).await;
        }
        Ok(answer)
    }

    fn request(&self, question: Bytes) -> Request<Once> {
        let mut request = Request::new(Once::new(question));
        *request.method_mut() = Method::POST;
        *request.uri_mut() = Uri::from(self.url.path.clone());
        let fields = request.headers_mut();
        // What is in a URL can be in a field.
        if let Ok(host) = HeaderValue::from_str(&self.url.authority) {
            fields.insert(header::HOST, host);
        }
        let json = HeaderValue::from_static("application/json");
        fields.insert(header::CONTENT_TYPE, json.clone());
        fields.insert(header::ACCEPT, json);
        for (name, value) in &self.fields {
            fields.append(name.clone(), value.clone());
        }
        request
    }
}

/// Without fields, and what is behind the host.
impl fmt::Debug for HttpCallOut {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HttpCallOut")
            .field("service", &self.inner.url.to_string())
            .finish_non_exhaustive()
    }
}
