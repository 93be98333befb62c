use std::{
    fmt,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use tower_service::Service;

use super::{
    super::gate::Gate,
    ResponseFuture,
    attribute::*,
    error::{Failure, RadiusError},
    groups_from::GroupsFrom,
    packet::{
        ACCESS_ACCEPT, ACCESS_CHALLENGE, ACCESS_REJECT, Answer, Attributes, LONGEST_PASSWORD,
        LONGEST_VALUE,
    },
    server::{Expected, Received, Sent, Server, Times, random},
};
use crate::{
    error::{AuthError, BoxError},
    session::{Amounts, Credentials, Identity},
};

/// Verifies names and passwords by RADIUS. See the [module](super).
///
/// Clones share places.
#[derive(Clone)]
pub struct Radius {
    inner: Arc<Inner>,
}

pub(super) struct Inner {
    pub(super) servers: Vec<Server>,
    pub(super) gate: Arc<Gate>,
    pub(super) nas_identifier: String,
    pub(super) groups: GroupsFrom,
    pub(super) signed: bool,
    pub(super) times: Times,
}

/// What a server has said that concerns accounting, in the extensions of an identity.
pub(super) struct Accepted {
    /// Class, which goes back to servers as it came.
    pub(super) classes: Box<[Box<[u8]>]>,
    /// How often the server wants to hear of a tunnel.
    pub(super) interim: Option<Duration>,
}

impl Radius {
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

    /// Returns the servers whose addresses are in the Internet: RADIUS hides a password by MD5 and the secret alone,
    /// so who listens on the path can guess both.
    pub fn public(&self) -> impl Iterator<Item = String> {
        let all = self.inner.servers.iter();
        let public = all.filter(|server| server.place.is_public());
        public.map(|server| server.place.to_string())
    }
}

impl Service<Credentials> for Radius {
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
        if let Err(problem) = check(credentials) {
            tracing::debug!("RADIUS is not asked: {problem}");
            return Err(AuthError::Denied.into());
        }
        let _permit = self
            .gate
            .enter(credentials.peer().ip(), credentials.name())
            .await?;
        let mut last = None;
        for server in &self.servers {
            match self.ask(server, credentials).await {
                Ok(received) => return self.judge(server, credentials, &received),
                Err(failure) => {
                    last = Some(RadiusError {
                        server: server.place.to_string(),
                        failure,
                    });
                }
            }
        }
        let error = last.map_or_else(|| "there is no RADIUS server".into(), BoxError::from);
        Err(AuthError::Verifier(error).into())
    }

    async fn ask(&self, server: &Server, credentials: &Credentials) -> Result<Received, Failure> {
        let authenticator = random()?;
        let [identifier] = random()?;
        let mut request = Attributes::default();
        request.add(USER_NAME, credentials.name());
        let password = credentials.password().as_bytes();
        request.add_password(USER_PASSWORD, password, &server.secret, &authenticator);
        request.add(NAS_IDENTIFIER, self.nas_identifier.as_bytes());
        request.add_number(NAS_PORT_TYPE, VIRTUAL);
        request.add_number(SERVICE_TYPE, LOGIN);
        let client = credentials.peer().ip().to_canonical().to_string();
        request.add(CALLING_STATION_ID, client.as_bytes());
        request.add(
            CALLED_STATION_ID,
            credentials.local().to_string().as_bytes(),
        );
        let octets = request.access_request(identifier, &authenticator, &server.secret);
        // Sent again it is the same, so that a server knows it (RFC 5080 section 2.2.2).
        let packet = || {
            Ok(Sent {
                octets: octets.clone(),
                identifier,
                authenticator,
            })
        };
        let expected = Expected {
            codes: &[ACCESS_ACCEPT, ACCESS_REJECT, ACCESS_CHALLENGE],
            signed: self.signed,
        };
        server.ask(self.times, expected, packet).await
    }

    fn judge(
        &self,
        server: &Server,
        credentials: &Credentials,
        received: &Received,
    ) -> Result<Identity, BoxError> {
        let denied = || Err(AuthError::Denied.into());
        let Some(answer) = received.answer() else {
            return denied();
        };
        match answer.code {
            ACCESS_ACCEPT => Ok(self.identity(credentials, &answer)),
            ACCESS_CHALLENGE => {
                tracing::debug!(
                    "RADIUS server {}: wants more than a password, for which there is no room in SOCKS5 and HTTP",
                    server.place
                );
                denied()
            }
            _ => {
                let said = answer.all(REPLY_MESSAGE).next().unwrap_or_default();
                let said = said.get(..128).unwrap_or(said).escape_ascii();
                tracing::debug!("RADIUS server {}: rejected: {said}", server.place);
                denied()
            }
        }
    }

    fn identity(&self, credentials: &Credentials, answer: &Answer<'_>) -> Identity {
        // The name that a server says is that for all that follows (RFC 2865 section 5.1).
        let name = answer.all(USER_NAME).find(|name| !name.is_empty());
        let mut identity = Identity::named(name.unwrap_or(credentials.name()));
        let kind = match self.groups {
            GroupsFrom::FilterId => FILTER_ID,
            GroupsFrom::Class => CLASS,
        };
        let groups = answer
            .all(kind)
            .filter_map(|group| str::from_utf8(group).ok());
        let mut groups: Vec<&str> = groups.filter(|group| !group.is_empty()).collect();
        groups.sort_unstable();
        groups.dedup();
        if !groups.is_empty() {
            identity = identity.with_groups(groups);
        }
        let amounts = amounts(answer);
        let interim = answer.number(ACCT_INTERIM_INTERVAL);
        let extensions = identity.extensions_mut();
        if amounts != Amounts::new() {
            extensions.insert(amounts);
        }
        extensions.insert(Accepted {
            classes: answer.all(CLASS).map(Into::into).collect(),
            interim: interim.map(|seconds| Duration::from_secs(seconds.into())),
        });
        identity
    }
}

/// What limits allow. Bits a second are bytes a second here.
fn amounts(answer: &Answer<'_>) -> Amounts {
    let mut amounts = Amounts::new();
    let rate = |kind| answer.number_of_vendor(WISPR, kind);
    amounts.upload = rate(WISPR_BANDWIDTH_MAX_UP).map(|bits| u64::from(bits / 8));
    amounts.download = rate(WISPR_BANDWIDTH_MAX_DOWN).map(|bits| u64::from(bits / 8));
    let tunnels = answer.number(PORT_LIMIT);
    amounts.tunnels = tunnels.and_then(|most| most.try_into().ok());
    amounts
}

/// What RADIUS cannot say, and what servers may take for something else.
fn check(credentials: &Credentials) -> Result<(), &'static str> {
    let (name, password) = (credentials.name(), credentials.password().as_bytes());
    if name.is_empty() || name.len() > LONGEST_VALUE || name.contains(&0) {
        return Err("the name is empty, has more than 253 octets, or an octet 0");
    }
    if password.is_empty() || password.contains(&0) {
        return Err("the password is empty, or has an octet 0, where servers end it");
    }
    if password.len() > LONGEST_PASSWORD {
        return Err("the password has more than 128 octets, which RADIUS cannot carry");
    }
    Ok(())
}

/// Without the secret.
impl fmt::Debug for Radius {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let servers = self.inner.servers.iter();
        let servers: Vec<_> = servers.map(|server| server.place.to_string()).collect();
        f.debug_struct("Radius")
            .field("servers", &servers)
            .finish_non_exhaustive()
    }
}
