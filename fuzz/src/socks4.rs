//! SOCKS4 and SOCKS4a: the messages as octets, and a client and a server in one.

use tower_socks::proto::{
    Command,
    socks4::{Reply, ReplyCode, Request},
};

use crate::decode::{canonical, survives, whole};

/// A request.
pub fn socks4_request(data: &[u8]) {
    let Some(request) = survives::<Request>(data) else {
        return;
    };
    assert!(request.user_id.len() <= 255 && !request.user_id.contains(&0));
    canonical(&request.target);
    let address = request.target.ip().map(|address| address.ip());
    // A name may be an IP literal of IPv6, or of an address that stands for a name.
    match request.encode() {
        Ok(frame) => {
            assert_eq!(frame[..4], data[..4]);
            assert_eq!(whole::<Request>(&frame), request);
        }
        Err(_) => {
            let address = address.expect("names can be told").to_canonical();
            assert!(address.is_ipv6() || address.to_string().starts_with("0.0.0."));
        }
    }
    assert_eq!(request.command, Command(data[1]));
}

/// A reply, as a client reads it.
pub fn socks4_reply(data: &[u8]) {
    let Some(reply) = survives::<Reply>(data) else {
        return;
    };
    assert_eq!(&*reply.encode(), &data[..8]);
    assert_eq!(reply.code, ReplyCode(data[1]));
}
