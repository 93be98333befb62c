//! Addresses that others reach, one for each family, as the file has them.

use std::{fmt, net::IpAddr};

use serde::{Deserialize, Deserializer, de};

use crate::{listen::texts, outgoing::one_of_each_family};

/// One address, or a list with one of each family. An empty list is as good as none.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct PublicAddresses(Vec<IpAddr>);

impl PublicAddresses {
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = IpAddr> {
        self.0.iter().copied()
    }
}

impl<'de> Deserialize<'de> for PublicAddresses {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let texts = texts(
            deserializer,
            "an address, or a list with one for each family",
        )?;
        let parsed = texts.iter().map(|text| {
            let ip: Option<IpAddr> = text.parse().ok();
            let ip = ip.filter(|ip| !ip.is_unspecified() && !ip.is_multicast());
            let ip = ip.filter(|ip| *ip == ip.to_canonical());
            ip.ok_or_else(|| {
                let text = text.escape_debug();
                format!(
                    "`{text}` is no address that somebody could come to, such as \"203.0.113.7\""
                )
            })
        });
        let parsed: Result<Vec<_>, _> = parsed.collect();
        let addresses = parsed.map_err(de::Error::custom)?;
        one_of_each_family(&addresses).map_err(de::Error::custom)?;
        Ok(Self(addresses))
    }
}

impl fmt::Display for PublicAddresses {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let all: Vec<_> = self.0.iter().map(ToString::to_string).collect();
        f.write_str(&all.join(" or "))
    }
}
