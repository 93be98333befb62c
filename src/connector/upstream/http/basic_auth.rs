use std::{fmt, sync::Arc};

use base64::{Engine, prelude::BASE64_STANDARD};

/// A name and a password for an HTTP proxy, by the BasicAuth scheme (RFC 7617).
///
/// Never printed. What it says goes over the wire as readable as over any other unencrypted
/// connection: put TLS beneath it, where the way to the proxy is not trusted.
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
    /// `None` if the name has a colon in it, which the scheme has no way to write, or if either has
    /// a control character (RFC 7617 section 2).
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
