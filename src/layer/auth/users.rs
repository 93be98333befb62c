use std::{
    collections::HashMap,
    fmt,
    future::{Ready, ready},
    sync::Arc,
    task::{Context, Poll},
};

use serde::{
    Deserialize, Deserializer,
    de::{self, DeserializeSeed, Expected, MapAccess, Visitor},
};
use subtle::{Choice, ConstantTimeEq};
use tower_service::Service;

use crate::{
    error::AuthError,
    proto::Password,
    session::{Credentials, Identity},
};

/// Names and passwords in memory: the built-in verifier for [`UserPass`](super::UserPass).
///
/// An empty map lets nobody in. Clones share the map. A comparison takes the same time for a name
/// that is not there, a wrong password and the right one. In configuration files it is a map from
/// names to passwords.
///
/// The passwords are kept as they are, which suits a laptop and a test. For anything else verify
/// against hashes with a service of your own.
///
/// ```
/// use tower::ServiceExt;
/// use tower_socks::{Credentials, Users, error::AuthError};
///
/// # #[tokio::main(flavor = "current_thread")] async fn main() {
/// let users: Users = [("joe", "secret"), ("jane", "hidden")].into_iter().collect();
///
/// let joe = Credentials::new("joe", "secret").unwrap();
/// assert_eq!(users.clone().oneshot(joe).await.unwrap().to_string(), "joe");
///
/// let not_joe = Credentials::new("joe", "hidden").unwrap();
/// assert!(matches!(users.oneshot(not_joe).await, Err(AuthError::Denied)));
/// # }
/// ```
#[derive(Clone, Default)]
pub struct Users {
    known: Arc<HashMap<Box<[u8]>, Padded>>,
}

/// A password at full width, so that comparing two of them always reads all of both.
#[derive(Clone)]
struct Padded {
    octets: [u8; 255],
    len: u8,
}

impl Padded {
    /// `None` for a password that no client can send.
    fn new(password: &[u8]) -> Option<Self> {
        let len = u8::try_from(password.len()).ok()?;
        let mut octets = [0; 255];
        octets.get_mut(..password.len())?.copy_from_slice(password);
        Some(Self { octets, len })
    }

    fn ct_eq(&self, other: &Self) -> Choice {
        self.octets.ct_eq(&other.octets) & self.len.ct_eq(&other.len)
    }
}

/// What an unknown name is compared with.
static NOBODY: Padded = Padded {
    octets: [0; 255],
    len: 0,
};

impl Users {
    fn verify(&self, name: &[u8], password: &Password) -> bool {
        let known = self.known.get(name);
        let expected = known.unwrap_or(&NOBODY);
        // 255 octets at most come off the wire.
        let Some(given) = Padded::new(password.as_bytes()) else {
            return false;
        };
        let same = expected.ct_eq(&given) & Choice::from(u8::from(known.is_some()));
        same.into()
    }

    /// Returns the number of users.
    #[must_use]
    pub fn len(&self) -> usize {
        self.known.len()
    }

    /// Adds users, of which the last with one name counts.
    #[must_use]
    pub fn with<N: Into<Vec<u8>>, P: AsRef<[u8]>>(
        mut self,
        users: impl IntoIterator<Item = (N, P)>,
    ) -> Self {
        let more: Self = users.into_iter().collect();
        let known = Arc::make_mut(&mut self.known);
        known.extend(
            more.known
                .iter()
                .map(|(name, password)| (name.clone(), password.clone())),
        );
        self
    }

    /// Tells whether there is a user of this name.
    #[must_use]
    pub fn contains(&self, name: &[u8]) -> bool {
        self.known.contains_key(name)
    }

    /// Lists the names, in no order.
    pub fn names(&self) -> impl Iterator<Item = &[u8]> {
        self.known.keys().map(|name| &**name)
    }

    /// Tells whether a name has the same password in both, and is in both at all: a server that reads its users
    /// again learns whose tunnels to close. Takes the same time whatever the passwords are.
    ///
    /// ```
    /// use tower_socks::Users;
    ///
    /// let old: Users = [("joe", "secret"), ("jane", "hidden")].into_iter().collect();
    /// let new: Users = [("joe", "another"), ("jane", "hidden")].into_iter().collect();
    /// let changed: Vec<_> = new.names().filter(|name| !new.same_password(&old, name)).collect();
    /// assert_eq!(changed, [b"joe"]);
    /// ```
    #[must_use]
    pub fn same_password(&self, other: &Self, name: &[u8]) -> bool {
        match (self.known.get(name), other.known.get(name)) {
            (Some(one), Some(another)) => one.ct_eq(another).into(),
            _ => false,
        }
    }

    /// Tells whether there are no users, so that nobody is let in.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.known.is_empty()
    }
}

/// Collects users. The last of several with one name counts. A name or a password of more than 255
/// octets cannot be sent (RFC 1929) and is left out.
impl<N: Into<Vec<u8>>, P: AsRef<[u8]>> FromIterator<(N, P)> for Users {
    fn from_iter<I: IntoIterator<Item = (N, P)>>(users: I) -> Self {
        let known = users
            .into_iter()
            .filter_map(|(name, password)| {
                let name = name.into().into_boxed_slice();
                Some((name, Padded::new(password.as_ref())?))
            })
            .filter(|(name, _)| name.len() <= 255)
            .collect();
        Self {
            known: Arc::new(known),
        }
    }
}

impl Service<Credentials> for Users {
    type Response = Identity;
    type Error = AuthError;
    type Future = Ready<Result<Identity, AuthError>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), AuthError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, credentials: Credentials) -> Self::Future {
        let name = credentials.name();
        ready(if self.verify(name, credentials.password()) {
            Ok(Identity::named(name))
        } else {
            Err(AuthError::Denied)
        })
    }
}

impl<'de> Deserialize<'de> for Users {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(UsersVisitor)
    }
}

/// Refuses values of other kinds without showing them: they may be passwords in a wrong place.
macro_rules! visit_silently {
    ($($visit:ident: $value:ty),+) => {$(
        fn $visit<E: de::Error>(self, _: $value) -> Result<Self::Value, E> {
            Err(E::custom(format_args!("expected {}", &self as &dyn Expected)))
        }
    )+};
}

struct UsersVisitor;

impl<'de> Visitor<'de> for UsersVisitor {
    type Value = Users;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("names of users, each with a password")
    }

    visit_silently!(visit_bool: bool, visit_i64: i64, visit_u64: u64, visit_f64: f64, visit_str: &str);

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Users, A::Error> {
        let mut users = HashMap::new();
        while let Some(name) = map.next_key::<String>()? {
            if !(1..=255).contains(&name.len()) {
                return Err(de::Error::custom(
                    "the name of a user must have 1 to 255 octets",
                ));
            }
            let password = map.next_value_seed(PasswordOf(&name))?;
            if users.insert(name, password).is_some() {
                return Err(de::Error::custom("a user is there twice"));
            }
        }
        Ok(users.into_iter().collect())
    }
}

/// The password of a user, whose name an error says.
struct PasswordOf<'a>(&'a str);

impl<'de> DeserializeSeed<'de> for PasswordOf<'_> {
    type Value = String;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<String, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl Visitor<'_> for PasswordOf<'_> {
    type Value = String;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "the password of user {:?} as text of 1 to 255 octets",
            self.0
        )
    }

    visit_silently!(visit_bool: bool, visit_i64: i64, visit_u64: u64, visit_f64: f64);

    fn visit_str<E: de::Error>(self, password: &str) -> Result<String, E> {
        if (1..=255).contains(&password.len()) {
            Ok(password.into())
        } else {
            Err(E::custom(format_args!(
                "expected {}",
                &self as &dyn Expected
            )))
        }
    }
}

impl fmt::Debug for Users {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Users({})", self.len())
    }
}
