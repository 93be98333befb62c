//! The messages as octets. Whatever comes, a decoder says something that makes sense.

use std::fmt::Debug;

use tower_socks::proto::{
    Credentials, Decode, Decoded, Greeting, GssapiHeader, Method, ProxyHeader, ProxyTlv, Reply,
    Request, Selection, UdpHeader, UserPassStatus,
};

/// What a client opens the dialogue with.
pub fn greeting(data: &[u8]) {
    let Some(greeting) = survives::<Greeting>(data) else {
        return;
    };
    // An offer twice is one offer, and X'FF' is none.
    let again: Greeting = whole(&greeting.encode());
    let offers = |method: &Method| *method != Method::NO_ACCEPTABLE;
    assert!(
        again
            .methods
            .iter()
            .eq(greeting.methods.iter().filter(offers))
    );
}

/// The server's choice of a method.
pub fn selection(data: &[u8]) {
    if let Some(selection) = survives::<Selection>(data) {
        assert_eq!(&*selection.encode(), &data[..2]);
    }
}

/// A name and a password.
pub fn credentials(data: &[u8]) {
    let Some(credentials) = survives::<Credentials>(data) else {
        return;
    };
    let frame = credentials.encode();
    assert_eq!(&*frame, &data[..frame.len()]);
    let shown = format!("{credentials:?}");
    assert!(shown.ends_with("password: [redacted] }"), "{shown}");
}

/// The server's answer to them.
pub fn status(data: &[u8]) {
    if let Some(status) = survives::<UserPassStatus>(data) {
        assert_eq!(&*status.encode(), &data[..2]);
    }
}

/// The head of a message of GSS-API, and the message as a datagram.
pub fn gssapi_header(data: &[u8]) {
    let token = GssapiHeader::token_of_datagram(data);
    let Some(head) = survives::<GssapiHeader>(data) else {
        return assert_eq!(token, None);
    };
    let octets = head.encode();
    assert_eq!(&*octets, &data[..octets.len()]);
    let rest = &data[octets.len()..];
    let fills = matches!(head, GssapiHeader::Data(len) if usize::from(len) == rest.len());
    assert_eq!(token, fills.then_some(rest));
}

/// ATYP of a name, which is brought into normal form.
const NAME: u8 = 3;

/// A request.
pub fn request(data: &[u8]) {
    let Some(request) = survives::<Request>(data) else {
        return;
    };
    // All but RSV comes out as it came in, and names in normal form.
    let frame = request.encode();
    assert_eq!(frame[..2], data[..2]);
    if data[3] != NAME {
        assert_eq!(frame[3..], data[3..frame.len()]);
    }
    assert_eq!(whole::<Request>(&frame), request);
    canonical(&request.target);
}

/// A reply, as a client reads it.
pub fn reply(data: &[u8]) {
    let Some(reply) = survives::<Reply>(data) else {
        return;
    };
    let again: Reply = whole(&reply.encode());
    assert_eq!(again.code, reply.code);
    assert_eq!(again.bound.port(), reply.bound.port());
    // A server never says a name, unless it was asked for one.
    assert_eq!(again.bound.ip(), reply.bound.ip().or(again.bound.ip()));
    assert!(again.bound.ip().is_some());
    assert_eq!(whole::<Reply>(&reply.encode_with_name()), reply);
}

/// The header of a datagram.
pub fn udp_header(data: &[u8]) {
    let Some(header) = survives::<UdpHeader>(data) else {
        return;
    };
    let frame = header.encode();
    if data[3] != NAME {
        assert_eq!(&*frame, &data[..frame.len()]);
    }
    assert_eq!(whole::<UdpHeader>(&frame), header);
    canonical(&header.address);
}

/// A header of the PROXY protocol.
pub fn proxy_header(data: &[u8]) {
    let Some(header) = survives::<ProxyHeader>(data) else {
        return;
    };
    // What it says comes out as it came in, in one form and with a checksum of that.
    let again: ProxyHeader = whole(&header.encode());
    assert_eq!(again.version(), header.version());
    assert_eq!(again.is_local(), header.is_local());
    assert_eq!(again.source(), header.source());
    assert_eq!(again.destination(), header.destination());
    let others = |tlv: &ProxyTlv<'_>| tlv.kind != ProxyTlv::CRC32C;
    assert!(again.tlvs().filter(others).eq(header.tlvs().filter(others)));
    assert_eq!(again.tlvs().count(), header.tlvs().count());
    assert_eq!(whole::<ProxyHeader>(&again.encode()), again);
    // No client is at an address that limits do not count.
    let source = header.source();
    assert!(source.is_none_or(|source| !source.ip().to_canonical().is_unspecified()));
    let _ = (
        header.alpn(),
        header.authority(),
        header.unique_id(),
        header.netns(),
    );
    if let Some(tls) = header.tls() {
        let _ = (
            tls.version(),
            tls.common_name(),
            tls.cipher(),
            tls.is_verified(),
        );
        assert!(tls.tlvs().count() <= data.len() / 3);
    }
}

/// There is one canonical form, and it can be written down and read.
pub(crate) fn canonical(address: &tower_socks::proto::Address) {
    let Ok(canonical) = address.clone().canonical() else {
        return;
    };
    assert_eq!(canonical.port(), address.port());
    assert_eq!(canonical.clone().canonical(), Ok(canonical.clone()));
    assert_eq!(canonical.to_string().parse(), Ok(canonical));
}

/// Decodes what may come in any number of pieces, and answers with the message, if it is one.
pub(crate) fn survives<T: Decode + Debug>(data: &[u8]) -> Option<T> {
    let decoded = T::decode(data);
    match decoded {
        Ok(Decoded::Done(value, taken)) => {
            assert!((1..=data.len().min(T::MAX_LEN)).contains(&taken));
            pieces::<T>(&data[..taken]);
            assert_eq!(
                format!("{:?}", whole::<T>(&data[..taken])),
                format!("{value:?}")
            );
            Some(value)
        }
        Ok(Decoded::Need(missing)) => {
            assert!(missing > 0 && data.len() + missing <= T::MAX_LEN);
            None
        }
        Err(error) => {
            // Nothing that follows makes a message of it.
            let longer = [data, &[1; 600]].concat();
            assert_eq!(T::decode(&longer).unwrap_err(), error);
            // And where less was no mistake yet, it was no message either.
            for cut in 0..data.len().min(T::MAX_LEN) {
                assert!(!matches!(T::decode(&data[..cut]), Ok(Decoded::Done(..))));
            }
            None
        }
    }
}

/// A message that lacks something asks for some of that, and for no more.
fn pieces<T: Decode + Debug>(frame: &[u8]) {
    for cut in 0..frame.len() {
        match T::decode(&frame[..cut]) {
            Ok(Decoded::Need(missing)) => assert!((1..=frame.len() - cut).contains(&missing)),
            other => panic!("{cut} octets of {} decode to {other:?}", frame.len()),
        }
    }
}

/// Decodes what is a message and nothing else.
pub(crate) fn whole<T: Decode + Debug>(frame: &[u8]) -> T {
    match T::decode(frame) {
        Ok(Decoded::Done(value, taken)) if taken == frame.len() => value,
        other => panic!("{} octets decode to {other:?}", frame.len()),
    }
}
