use super::{ProxyTlv, ProxyTlvs};

/// How a client speaks TLS to the sender of a header, as that one says (PP2_TYPE_SSL).
#[derive(Clone, Debug)]
pub struct ProxyTls<'a> {
    client: u8,
    verify: u32,
    items: ProxyTlvs<'a>,
}

impl<'a> ProxyTls<'a> {
    /// The TLS version, such as `TLSv1.3`.
    pub const VERSION: u8 = 0x21;
    /// The common name of the client certificate's subject.
    pub const COMMON_NAME: u8 = 0x22;
    /// The cipher.
    pub const CIPHER: u8 = 0x23;
    /// The algorithm of the server certificate's signature.
    pub const SIGNATURE: u8 = 0x24;
    /// The algorithm of the server certificate's key.
    pub const KEY: u8 = 0x25;

    /// Reads the value of the item; `None` where it is too short to be one.
    pub(super) fn read(value: &'a [u8]) -> Option<Self> {
        let ([client, verify @ ..], items) = value.split_first_chunk::<5>()?;
        Some(Self {
            client: *client,
            verify: u32::from_be_bytes(*verify),
            items: ProxyTlvs(items),
        })
    }

    /// Returns whether the client speaks TLS at all.
    #[must_use]
    pub const fn is_tls(&self) -> bool {
        self.client & 0x01 != 0
    }

    /// Returns whether the client showed a certificate: in this connection, or in the session that it resumed.
    #[must_use]
    pub const fn has_certificate(&self) -> bool {
        self.client & 0x06 != 0
    }

    /// Returns whether the client showed a certificate that the sender has verified.
    #[must_use]
    pub const fn is_verified(&self) -> bool {
        self.has_certificate() && self.verify == 0
    }

    /// Returns the octet of flags (PP2_CLIENT_SSL 01, PP2_CLIENT_CERT_CONN 02, PP2_CLIENT_CERT_SESS 04).
    #[must_use]
    pub const fn client(&self) -> u8 {
        self.client
    }

    /// Returns the TLS version, such as `TLSv1.3`.
    #[must_use]
    pub fn version(&self) -> Option<&'a str> {
        self.text(Self::VERSION)
    }

    /// Returns the common name of the client certificate's subject. Without [`is_verified`](Self::is_verified) it is
    /// what the client claims.
    #[must_use]
    pub fn common_name(&self) -> Option<&'a str> {
        self.text(Self::COMMON_NAME)
    }

    /// Returns the cipher, by OpenSSL's name.
    #[must_use]
    pub fn cipher(&self) -> Option<&'a str> {
        self.text(Self::CIPHER)
    }

    /// Returns the items, whatever they are.
    #[must_use]
    pub fn tlvs(&self) -> ProxyTlvs<'a> {
        self.items.clone()
    }

    fn text(&self, kind: u8) -> Option<&'a str> {
        let mut items = self.tlvs();
        let item: ProxyTlv<'_> = items.find(|item| item.kind == kind)?;
        std::str::from_utf8(item.value).ok()
    }
}
