use crate::proto::{Address, DomainName};

/// A domain in which names of a single label are looked for.
///
/// It rides in the extensions of the requests that
/// [`SearchDomainLayer`](crate::layer::search_domain::SearchDomainLayer) has completed, for the destinations of
/// their datagrams.
///
/// ```
/// use tower_socks::{proto::DomainName, session::SearchDomain};
///
/// let corp = SearchDomain::new(DomainName::new("corp.example")?);
/// assert_eq!(corp.complete("db:5432".parse()?).to_string(), "db.corp.example:5432");
/// assert_eq!(corp.complete("example.com:80".parse()?).to_string(), "example.com:80");
/// assert_eq!(corp.complete("localhost:80".parse()?).to_string(), "localhost:80");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct SearchDomain(DomainName);

impl SearchDomain {
    /// Creates it from the name of the domain.
    #[must_use]
    pub const fn new(domain: DomainName) -> Self {
        Self(domain)
    }

    /// Completes a name of a single label, and returns any other target as it is: an address, a name with a
    /// dot in it, `localhost`, and a name that would become too long.
    #[must_use]
    pub fn complete(&self, target: Address) -> Address {
        match &target {
            Address::Name(name, port) if !name.contains('.') && name.as_str() != "localhost" => {
                let completed = DomainName::new(&format!("{name}.{}", self.0));
                completed.map_or(target.clone(), |name| Address::Name(name, *port))
            }
            _ => target,
        }
    }
}
