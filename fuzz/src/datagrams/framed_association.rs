use std::{convert::Infallible, time::Duration};

use tokio::time::{sleep, timeout};
use tower::{ServiceExt, service_fn};
use tower_socks::{
    Request, Tunnel,
    connector::associate::Associate,
    proto::{Address, Command, UdpOverTcp},
};

use super::{
    association::source,
    frames::{End, Frames, begin, frame, slow},
    timeless,
    transport::Way,
};
use crate::{
    pieces::pieces,
    script::{Input, Read, Script, Stall},
    stream::Scripted,
};

/// What takes no time is done by then, and answers come.
const ANSWERS: Duration = Duration::from_secs(1);

/// And the client ends.
const END: Duration = Duration::from_secs(2);

/// A server's association whose datagrams are in its client's stream, where the client says anything.
///
/// The first octet of an input has the protocol (bits 0 and 1), how long the way on is busy (bits 2 and 3), and
/// whether little may wait for the client (bit 7); the second and third in what pieces the stream is read and
/// written. Then come answers: an octet for how many (bits 0 to 2), and for each one for where from, one of length,
/// and the payload. The client says the rest.
pub fn framed_association(data: &[u8]) {
    let mut input = Input::new(data);
    let terms = input.octet();
    let [reads, writes] = [input.octet(), input.octet()];
    let answers: Vec<_> = (0..input.octet() & 7)
        .map(|_| {
            let source = source(input.octet());
            let len = input.octet();
            (source, input.take(len.into()).to_vec())
        })
        .collect();
    let said = input.rest();
    let mut script = Script::default();
    for piece in pieces(said, reads) {
        script.reads.push_back(Read::Says(piece));
        script.reads.push_back(Read::Stalls(Stall::Once));
    }
    script.reads.push_back(Read::Stalls(Stall::For(END)));
    script.reads.push_back(Read::Ends);
    slow(&mut script, writes);
    timeless().block_on(async { associate(terms, said, answers, script).await });
}

async fn associate(terms: u8, said: &[u8], answers: Vec<(Address, Vec<u8>)>, script: Script) {
    let protocol = match terms & 3 {
        0 => UdpOverTcp::V1,
        2 => UdpOverTcp::ForwardUdp,
        _ => UdpOverTcp::V2,
    };
    let has_little_room = terms & 0x80 != 0;
    let way = Way::default();
    way.open().busy = (terms >> 2) & 3;
    let paths = {
        let way = way.clone();
        service_fn(move |_: Request| std::future::ready(Ok::<_, Infallible>(way.clone())))
    };
    let mut associate = Associate::with_transports(paths);
    if has_little_room {
        associate = associate.backlog(64);
    }
    let mut request = Request::new(Command::UDP_ASSOCIATE, Address::UNSPECIFIED);
    request.extensions.insert(protocol);
    let association = associate.oneshot(request).await.expect("an association");
    assert_eq!(association.bound(), Address::UNSPECIFIED);

    let (stream, book) = Scripted::new(script);
    let later = async {
        sleep(ANSWERS).await;
        way.answer(&answers);
    };
    let run = async { tokio::join!(association.run(stream), later).0 };
    let ended = timeout(Duration::from_secs(60), run)
        .await
        .expect("an association that does not end");

    let (end, octets, sent, written) = match begin(protocol, said) {
        Err(end) => (end, 0, Vec::new(), Vec::new()),
        Ok((framing, connected, rest)) => {
            let Frames { frames, end } = Frames::read(framing, connected.as_ref(), rest);
            // Those that are dropped for their names have come, too.
            let octets: usize = frames.iter().map(|(_, payload)| payload.len()).sum();
            let known = |(address, payload): (Option<Address>, _)| Some((address?, payload));
            let written = answers.iter().filter_map(|(source, payload)| {
                let is_heard = connected.as_ref().is_none_or(|only| is_from(only, source));
                is_heard.then(|| frame(framing, source, payload)).flatten()
            });
            let sent: Vec<_> = frames.into_iter().filter_map(known).collect();
            (end, octets, sent, written.collect())
        }
    };
    assert_eq!(way.open().sent, sent);
    match ended {
        Ok(traffic) => {
            assert_eq!(end, End::Whole);
            assert_eq!(traffic.up, octets as u64);
        }
        Err(error) => assert_ne!(end, End::Whole, "{error:?}"),
    }
    let heard = book.open().written.clone();
    match end {
        // It was gone before anybody answered.
        End::Malformed => assert!(heard.is_empty()),
        End::Either => are_some_of(&heard, &written),
        _ if has_little_room => are_some_of(&heard, &written),
        _ => assert_eq!(heard, written.concat()),
    }
}

/// Whether an answer is one of the only destination's, whose name may stand for any address.
fn is_from(only: &Address, source: &Address) -> bool {
    match only.clone().canonical() {
        Ok(Address::Ip(only)) => Address::Ip(only) == *source,
        _ => only.port() == source.port(),
    }
}

/// Whole frames, in order, some of which may be missing.
fn are_some_of(mut heard: &[u8], frames: &[Vec<u8>]) {
    for frame in frames {
        heard = heard.strip_prefix(&**frame).unwrap_or(heard);
    }
    assert!(heard.is_empty(), "{heard:x?} is no frame");
}
