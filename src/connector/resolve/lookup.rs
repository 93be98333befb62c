use super::turns::Key;
use crate::{
    proto::DomainName,
    session::{Request, UserOrClient},
};

/// A name to look up, and for whom: the request that a [resolver](super::Resolve) gets.
///
/// ```
/// use tower_socks::{connector::resolve::Lookup, proto::DomainName, session::UserOrClient};
///
/// let lookup = Lookup::new(DomainName::new("example.com")?);
/// assert_eq!(lookup.client, None);
/// let lookup = lookup.for_client(UserOrClient::User("joe".into()));
/// assert!(lookup.client.is_some());
/// # Ok::<(), tower_socks::proto::InvalidName>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Lookup {
    /// The name, which is absolute: no search domain applies.
    pub name: DomainName,
    /// The user, or the network of the anonymous client, that the lookup is for: by what shares are counted.
    /// `None` where no client asked for it, or one on a Unix socket did: the address of an upstream is one.
    pub client: Option<UserOrClient>,
}

impl Lookup {
    /// Creates a lookup that no client asked for.
    #[must_use]
    pub const fn new(name: DomainName) -> Self {
        Self { name, client: None }
    }

    /// Says for which client it is.
    #[must_use]
    pub fn for_client(mut self, client: UserOrClient) -> Self {
        self.client = Some(client);
        self
    }

    /// Creates the lookup of a name for a request, if there is one.
    pub(in crate::connector) fn of(name: DomainName, request: Option<&Request>) -> Self {
        let client: Key = request.and_then(UserOrClient::of);
        Self { name, client }
    }
}

impl From<DomainName> for Lookup {
    fn from(name: DomainName) -> Self {
        Self::new(name)
    }
}
