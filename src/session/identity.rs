use std::{fmt, sync::Arc};

use super::Extensions;

/// Who a client is, as the authentication method found out.
///
/// Anything richer than a name and [groups](Self::with_groups) (a token's claims, a tenant) rides in
/// the [extensions](Self::extensions). Clones are cheap.
///
/// ```
/// use tower_socks::Identity;
///
/// let joe = Identity::named("joe");
/// assert_eq!(joe.name(), Some(&b"joe"[..]));
/// assert_eq!(joe.to_string(), "joe");
/// assert!(Identity::anonymous().name().is_none());
/// ```
#[derive(Clone, Default)]
pub struct Identity {
    name: Option<Arc<[u8]>>,
    extensions: Extensions,
}

impl Identity {
    /// Creates the identity of nobody in particular: what [`NoAuth`](crate::NoAuth) says of
    /// everyone.
    #[must_use]
    pub const fn anonymous() -> Self {
        Self {
            name: None,
            extensions: Extensions::new(),
        }
    }

    /// Whether both are clones of each other.
    pub(super) fn is_same(&self, other: &Self) -> bool {
        self.name.as_ref().map(Arc::as_ptr) == other.name.as_ref().map(Arc::as_ptr)
            && self.extensions.is_same(&other.extensions)
    }

    /// Creates the identity of a client with a name. Names are octets (RFC 1929), most often UTF-8.
    pub fn named(name: impl AsRef<[u8]>) -> Self {
        Self {
            name: Some(name.as_ref().into()),
            extensions: Extensions::new(),
        }
    }

    /// Returns the name, unless the client is anonymous.
    #[must_use]
    pub fn name(&self) -> Option<&[u8]> {
        self.name.as_deref()
    }

    /// Returns the same client, as a member of these groups and no others.
    ///
    /// ```
    /// use tower_socks::Identity;
    ///
    /// let joe = Identity::named("joe").with_groups(["staff", "night shift"]);
    /// assert!(joe.groups().iter().any(|group| &**group == "staff"));
    /// ```
    #[must_use]
    pub fn with_groups<G: Into<Box<str>>>(mut self, groups: impl IntoIterator<Item = G>) -> Self {
        let groups = groups.into_iter().map(Into::into).collect();
        self.extensions.insert(Groups(groups));
        self
    }

    /// Returns the groups that the client is in, as the authentication method found out.
    #[must_use]
    pub fn groups(&self) -> &[Box<str>] {
        self.extensions
            .get::<Groups>()
            .map_or(&[], |groups| &groups.0)
    }

    /// Returns what else is known about the client.
    #[must_use]
    pub const fn extensions(&self) -> &Extensions {
        &self.extensions
    }

    /// Returns the same, to add to.
    pub const fn extensions_mut(&mut self) -> &mut Extensions {
        &mut self.extensions
    }
}

/// In the extensions, since most clients are in none.
struct Groups(Box<[Box<str>]>);

/// The name with everything that could forge a log line escaped; `-` for an anonymous client.
///
/// No two names look the same: a backslash is escaped, too, and so is the name `-`.
impl fmt::Display for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.name() {
            None => f.write_str("-"),
            Some(b"-") => f.write_str("\\x2d"),
            Some(name) => match std::str::from_utf8(name) {
                Ok(text) => text.escape_debug().fmt(f),
                Err(_) => name.escape_ascii().fmt(f),
            },
        }
    }
}

impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Identity({self})")
    }
}
