use std::{fmt, sync::Arc, time::Duration};

use http::{HeaderName, HeaderValue, header};
use tokio_rustls::rustls::ClientConfig;

use super::{
    super::{availability::Availability, gate::Gate},
    connection::Idle,
    error::InvalidHttpCallOut,
    service::{HttpCallOut, Inner},
    url::Url,
};
use crate::tls::ClientSettings;

impl HttpCallOut {
    /// Asks the service at this URL: `https://auth.example/login`.
    pub fn builder(url: impl Into<String>) -> HttpCallOutBuilder {
        HttpCallOutBuilder::new(url.into())
    }
}

/// How a service is asked: makes an [`HttpCallOut`].
#[derive(Clone)]
#[must_use]
pub struct HttpCallOutBuilder {
    url: String,
    fields: Vec<(String, String)>,
    tls: Option<Arc<ClientConfig>>,
    clear_text: bool,
    at_once: usize,
    waiting: usize,
    patience: Duration,
    timeout: Duration,
}

impl HttpCallOutBuilder {
    pub(super) fn new(url: String) -> Self {
        Self {
            url,
            fields: Vec::new(),
            tls: None,
            clear_text: false,
            at_once: 16,
            waiting: 512,
            patience: Duration::from_secs(5),
            timeout: Duration::from_secs(4),
        }
    }

    /// Adds a field to each request, such as `authorization` with a token. Its value is never shown.
    pub fn field(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.fields.push((name.into(), value.into()));
        self
    }

    /// Sets whom we trust, and who we are. By default those of the platform.
    pub fn tls(mut self, config: Arc<ClientConfig>) -> Self {
        self.tls = Some(config);
        self
    }

    /// Lets passwords go in clear text to another machine: **anybody on the path reads them**, and can say yes.
    pub const fn clear_text(mut self, is_allowed: bool) -> Self {
        self.clear_text = is_allowed;
        self
    }

    /// Sets how many questions are asked at once, each by a connection of its own: 16 by default.
    pub const fn at_once(mut self, most: usize) -> Self {
        self.at_once = most;
        self
    }

    /// Sets how many logins wait for one of these: 512 by default. Each site, client and name has a share of them.
    pub const fn waiting(mut self, most: usize) -> Self {
        self.waiting = most;
        self
    }

    /// Sets how long a login waits for one: 5 s by default.
    pub const fn patience(mut self, longest: Duration) -> Self {
        self.patience = longest;
        self
    }

    /// Sets how long a question may take, with a connection, TLS and all of the answer: 4 s by default.
    pub const fn timeout(mut self, longest: Duration) -> Self {
        self.timeout = longest;
        self
    }

    /// Makes the verifier. Nothing is connected yet.
    ///
    /// # Errors
    ///
    /// A malformed URL, one with a password in it, one in clear text to another machine, a field that cannot be or is
    /// set already, or no authorities of the platform.
    pub fn build(self) -> Result<HttpCallOut, InvalidHttpCallOut> {
        let url = Url::new(&self.url)?;
        if url.is_exposed() && !self.clear_text {
            return Err(InvalidHttpCallOut(format!(
                "passwords would go to {url} in clear text: take https://, or allow it"
            )));
        }
        let fields = self.fields.iter().map(|(name, value)| field(name, value));
        let fields = fields.collect::<Result<Vec<_>, _>>()?;
        let tls = match self.tls {
            None if url.name.is_some() => {
                let settings = ClientSettings::of_platform().and_then(ClientSettings::build);
                Some(settings.map_err(|error| InvalidHttpCallOut(format!("TLS: {error}")))?)
            }
            tls => tls,
        };
        Ok(HttpCallOut::new(Inner {
            availability: Availability::new(format!("HTTP service {url}")),
            url,
            fields,
            tls,
            gate: Gate::new(self.at_once, self.waiting, self.patience).into(),
            idle: Idle::default(),
            at_once: self.at_once.max(1),
            timeout: self.timeout,
        }))
    }
}

/// Fields that say what a request is, and are ours.
const OWN: [HeaderName; 7] = [
    header::HOST,
    header::CONTENT_LENGTH,
    header::CONTENT_TYPE,
    header::ACCEPT,
    header::CONNECTION,
    header::TRANSFER_ENCODING,
    header::UPGRADE,
];

fn field(name: &str, value: &str) -> Result<(HeaderName, HeaderValue), InvalidHttpCallOut> {
    let fail = |problem: &str| {
        InvalidHttpCallOut(format!("the field `{}` {problem}", name.escape_debug()))
    };
    let parsed: HeaderName = name.parse().map_err(|_| fail("is none"))?;
    if OWN.contains(&parsed) {
        return Err(fail("is set already"));
    }
    let mut value = HeaderValue::from_str(value).map_err(|_| fail("has a value that cannot be"))?;
    value.set_sensitive(true);
    Ok((parsed, value))
}

/// Without fields, and what is behind the host.
impl fmt::Debug for HttpCallOutBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HttpCallOutBuilder").finish_non_exhaustive()
    }
}
