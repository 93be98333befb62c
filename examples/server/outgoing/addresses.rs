//! Addresses of this machine, one for each family, as the file has them.

use std::{fmt, net::IpAddr};

use serde::{Deserialize, Deserializer, de};
use tower_socks::connector::Outgoing;

use crate::listen::texts;

/// `address` of `[outgoing]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Addresses {
    as_reached: bool,
    stated: Vec<IpAddr>,
}

/// What stands for the address that the client came to.
const AS_REACHED: &str = "as_reached";

impl Addresses {
    pub(super) fn of(&self, outgoing: Outgoing) -> Outgoing {
        let outgoing = match self.as_reached {
            true => outgoing.as_reached(),
            false => outgoing,
        };
        self.stated
            .iter()
            .copied()
            .fold(outgoing, Outgoing::address)
    }
}

impl<'de> Deserialize<'de> for Addresses {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let expected = "an address of this machine, \"as_reached\", or a list of them";
        let texts = texts(deserializer, expected)?;
        let as_reached = texts.iter().any(|text| text == AS_REACHED);
        let stated = texts.iter().filter(|text| *text != AS_REACHED);
        let stated: Result<Vec<_>, _> = stated.map(|text| address(text)).collect();
        let stated = stated.map_err(de::Error::custom)?;
        one_of_each_family(&stated).map_err(de::Error::custom)?;
        if stated.is_empty() && !as_reached {
            return Err(de::Error::custom(
                "nothing could leave from an empty list: leave it out",
            ));
        }
        Ok(Self { as_reached, stated })
    }
}

/// An address that something can leave from.
fn address(text: &str) -> Result<IpAddr, String> {
    let ip: IpAddr = text.parse().map_err(|_| {
        format!(
            "`{}` is no address, and not \"as_reached\"",
            text.escape_debug()
        )
    })?;
    let is_of_link = matches!(ip, IpAddr::V6(ip) if ip.is_unicast_link_local());
    if ip.is_unspecified() || ip.is_multicast() || is_of_link || ip != ip.to_canonical() {
        return Err(format!("nothing leaves from {ip}"));
    }
    Ok(ip)
}

/// Refuses two addresses of one family.
pub(crate) fn one_of_each_family(addresses: &[IpAddr]) -> Result<(), String> {
    let of_family = |is_ipv4| addresses.iter().filter(move |ip| ip.is_ipv4() == is_ipv4);
    match [of_family(true).nth(1), of_family(false).nth(1)] {
        [Some(second), _] | [None, Some(second)] => Err(format!(
            "{second} is the second address of its family, which can have one"
        )),
        [None, None] => Ok(()),
    }
}

impl fmt::Display for Addresses {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let reached = self
            .as_reached
            .then(|| "the address that the client came to".to_owned());
        let stated = self.stated.iter().map(ToString::to_string);
        let all: Vec<_> = reached.into_iter().chain(stated).collect();
        f.write_str(&all.join(" or "))
    }
}
