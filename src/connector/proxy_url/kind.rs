//! The schemes of proxies' URLs.

use super::InvalidProxyUrl;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Socks4,
    Socks4a,
    Socks5,
    Socks5h,
    /// SOCKS5 inside TLS; names are resolved by the proxy.
    #[cfg_attr(not(feature = "tls"), allow(dead_code))]
    Socks5s,
    Http,
    #[cfg_attr(not(feature = "tls"), allow(dead_code))]
    Https,
}

impl Kind {
    /// Returns the kind that a scheme stands for.
    pub(super) fn of(scheme: &str) -> Result<Self, InvalidProxyUrl> {
        Ok(match scheme {
            "socks5" => Self::Socks5,
            "socks5h" => Self::Socks5h,
            "http" => Self::Http,
            // Desktops write it, and leave the version open.
            "socks" => {
                tracing::debug!("the proxy's URL begins with socks://, taken for socks5h://");
                Self::Socks5h
            }
            "socks4" => Self::Socks4,
            "socks4a" => Self::Socks4a,
            #[cfg(feature = "tls")]
            "socks5s" => Self::Socks5s,
            #[cfg(feature = "tls")]
            "https" => Self::Https,
            #[cfg(not(feature = "tls"))]
            "socks5s" | "https" => {
                return Err(InvalidProxyUrl::new(
                    "TLS to the proxy takes the feature `tls` of tower-socks, which this program was built without",
                ));
            }
            _ => {
                return Err(InvalidProxyUrl::new(
                    "the scheme is none of socks5h, socks5, socks5s, socks4a, socks4, http and https",
                ));
            }
        })
    }

    pub(super) const fn scheme(self) -> &'static str {
        match self {
            Self::Socks4 => "socks4",
            Self::Socks4a => "socks4a",
            Self::Socks5 => "socks5",
            Self::Socks5h => "socks5h",
            Self::Socks5s => "socks5s",
            Self::Http => "http",
            Self::Https => "https",
        }
    }

    pub(super) const fn port(self) -> u16 {
        match self {
            Self::Socks4 | Self::Socks4a | Self::Socks5 | Self::Socks5h | Self::Socks5s => 1080,
            Self::Http => 80,
            Self::Https => 443,
        }
    }

    pub(super) const fn is_in_tls(self) -> bool {
        matches!(self, Self::Socks5s | Self::Https)
    }
}
