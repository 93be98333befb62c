use std::{fmt, sync::Arc};

use base64::{Engine, prelude::BASE64_STANDARD};

/// Holds a name and a password for an HTTP proxy, by the Basic scheme (RFC 7617).
///
/// Never printed. It is sent unencrypted: where the network between here and the proxy is not trusted,
/// put TLS beneath it.
///
/// ```
/// use tower_socks::connector::upstream::BasicAuth;
///
/// let basic = BasicAuth::new("joe", "secret").ok_or("a name with a colon")?;
/// assert!(!format!("{basic:?}").contains("c2VjcmV0"));
/// assert!(BasicAuth::new("jo:e", "secret").is_none());
/// # Ok::<(), &str>(())
/// ```
#[derive(Clone)]
pub struct BasicAuth(Arc<str>);

impl BasicAuth {
    /// Encodes a name and a password. `None` if the name has a colon, which the scheme cannot express,
    /// or if either has a control character (RFC 7617 section 2).
    #[must_use]
    pub fn new(name: &str, password: &str) -> Option<Self> {
        let writable = |text: &str| !text.chars().any(char::is_control);
        if name.contains(':') || !writable(name) || !writable(password) {
            return None;
        }
        let encoded = BASE64_STANDARD.encode(format!("{name}:{password}"));
        Some(Self(encoded.into()))
    }

    pub(super) fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for BasicAuth {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("BasicAuth(..)")
    }
}
