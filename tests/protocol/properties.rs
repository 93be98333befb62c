//! Whatever is said, it comes to the same in whatever pieces it arrives; and what is written down
//! can be read again. What holds for single messages is in `messages.rs`.

use std::{
    fmt::{Debug, Display},
    str::FromStr,
};

use proptest::{collection::vec, prelude::*};
use tokio::{io::AsyncReadExt, runtime::Builder};
use tower::ServiceExt;
use tower_socks::{
    Client, Connector, NoAuth, UserPass, Users,
    connector::associate::Associate,
    io::{ReadError, read_message},
    proto::{
        Address, Command, Credentials, Decode, Decoded, DomainName, Greeting, Method, Reply,
        ReplyCode, Request, Selection, UserPassStatus,
    },
    rules::{Destination, Network, PortRange, TimeRange, Weekdays},
    session::Accepted,
};

use crate::support::{
    CONNECTED, LOCAL, PEER, Script,
    canned::{Canned, Then},
    targets::targets,
};

/// What a target says before it closes.
const HELLO: &[u8] = b"220 hello";

fn on_paused_clock<F: Future>(test: F) -> F::Output {
    let mut runtime = Builder::new_current_thread();
    let runtime = runtime.enable_time().start_paused(true).build().unwrap();
    runtime.block_on(crate::support::within(test))
}

/// Cuts `octets` at these places, in whatever order they come.
fn cut(octets: &[u8], places: &[prop::sample::Index]) -> Vec<Vec<u8>> {
    let mut places: Vec<usize> = places.iter().map(|at| at.index(octets.len() + 1)).collect();
    places.extend([0, octets.len()]);
    places.sort_unstable();
    let pieces = places
        .windows(2)
        .map(|ends| octets[ends[0]..ends[1]].to_vec());
    pieces.collect()
}

fn places() -> impl Strategy<Value = Vec<prop::sample::Index>> {
    vec(any::<prop::sample::Index>(), 0..12)
}

fn target() -> impl Strategy<Value = Address> {
    let v4 = any::<([u8; 4], u16)>().prop_map(|address| Address::Ip(address.into()));
    let v6 = any::<([u8; 16], u16)>().prop_map(|address| Address::Ip(address.into()));
    let name = ("[a-z]{1,60}(\\.[a-z]{1,60}){0,3}", any::<u16>());
    let name = name.prop_map(|(name, port)| Address::Name(DomainName::new(&name).unwrap(), port));
    let port_is_one = |target: &Address| target.port() != 0;
    prop_oneof![v4, v6, name].prop_filter("port 0", port_is_one)
}

/// All that a client says, and all that it has to hear in front of the target's octets.
#[derive(Debug)]
struct Dialogue {
    said: Vec<u8>,
    heard: Vec<u8>,
    /// What the target hears, if the client is let in.
    relayed: Option<Vec<u8>>,
}

fn dialogue() -> impl Strategy<Value = Dialogue> {
    let offers = vec(0x80..0xfe_u8, 0..20);
    let password = prop_oneof![
        3 => Just(None),
        2 => Just(Some(b"secret".to_vec())),
        1 => vec(any::<u8>(), 0..=255).prop_map(Some),
    ];
    let early = vec(any::<u8>(), 0..3000);
    (offers, password, target(), early).prop_map(|(offers, password, target, early)| {
        let method = match password {
            None => Method::NO_AUTHENTICATION,
            Some(_) => Method::USERNAME_PASSWORD,
        };
        let methods = offers.into_iter().map(Method).chain([method]).collect();
        let mut said = Greeting { methods }.encode().to_vec();
        let mut heard = vec![5, method.0];
        let mut is_in = true;
        if let Some(password) = password {
            is_in = password == b"secret";
            said.extend_from_slice(&Credentials::new("joe", password).unwrap().encode());
            heard.extend_from_slice(&[1, u8::from(!is_in)]);
        }
        let command = Command::CONNECT;
        said.extend_from_slice(&Request { command, target }.encode());
        said.extend_from_slice(&early);
        if is_in {
            heard.extend_from_slice(CONNECTED);
        }
        let relayed = is_in.then_some(early);
        Dialogue {
            said,
            heard,
            relayed,
        }
    })
}

/// A session with a client that says these pieces and then ends: what the client hears, and what
/// the target does.
fn hold(pieces: Vec<Vec<u8>>) -> (Vec<u8>, Option<Vec<u8>>) {
    on_paused_clock(async {
        let (dialer, mut dialled) = targets();
        let users: Users = [("joe", "secret")].into_iter().collect();
        let stack = crate::support::stack((UserPass::new(users), NoAuth), dialer);
        let (client, log) = Canned::new(pieces, Then::Ends);
        let accepted = Accepted::new(client, PEER.parse().unwrap(), LOCAL.parse().unwrap());
        let session = tokio::spawn(stack.oneshot(accepted));
        let mut relayed = None;
        if let Some((_, mut target)) = dialled.recv().await {
            target.say(HELLO).await;
            relayed = Some(target.hear_rest().await);
        }
        let _ = session.await.unwrap();
        (log.written().0, relayed)
    })
}

/// One message and more behind it, read in pieces.
fn reads<T: Decode + Debug>(octets: &[u8], pieces: Vec<Vec<u8>>) -> Result<(), TestCaseError> {
    let (stream, _) = Canned::new(pieces, Then::Ends);
    let (message, rest) = on_paused_clock(async {
        let mut stream = stream;
        let message = read_message::<T, _>(&mut stream, &mut vec![0; T::MAX_LEN]).await;
        let mut rest = Vec::new();
        stream.read_to_end(&mut rest).await.unwrap();
        (message, rest)
    });
    match (T::decode(octets), message) {
        (Ok(Decoded::Done(expected, taken)), Ok(message)) => {
            prop_assert_eq!(format!("{message:?}"), format!("{expected:?}"));
            prop_assert_eq!(&rest, &octets[taken..]);
        }
        (Ok(Decoded::Need(_)), Err(ReadError::Closed)) => {}
        (Err(expected), Err(ReadError::Malformed(error))) => prop_assert_eq!(error, expected),
        (expected, message) => prop_assert!(false, "{expected:?}, but {message:?}"),
    }
    Ok(())
}

proptest! {
    #[test]
    fn s1_r11_a_dialogue_may_come_in_any_pieces(dialogue in dialogue(), places in places()) {
        let Dialogue { said, mut heard, relayed } = dialogue;
        if relayed.is_some() {
            heard.extend_from_slice(HELLO);
        }
        let pieces = cut(&said, &places);
        prop_assert_eq!(hold(pieces), (heard.clone(), relayed.clone()));
        let octets = said.iter().map(|octet| vec![*octet]).collect();
        prop_assert_eq!(hold(octets), (heard, relayed));
    }

    #[test]
    fn a_dialogue_with_a_mistake_is_the_same_in_any_pieces(
        dialogue in dialogue(),
        at: prop::sample::Index,
        octet: u8,
        places in places(),
    ) {
        let mut said = dialogue.said;
        // The mistakes that matter are at the beginning.
        let at = at.index(said.len().min(40));
        said[at] = octet;
        let whole = hold(vec![said.clone()]);
        prop_assert_eq!(hold(cut(&said, &places)), whole);
    }

    #[test]
    fn any_message_is_read_from_any_pieces_and_no_more_than_that(
        dialogue in dialogue(),
        from: prop::sample::Index,
        places in places(),
    ) {
        let octets = &dialogue.said[from.index(dialogue.said.len())..];
        let pieces = || cut(octets, &places);
        reads::<Greeting>(octets, pieces())?;
        reads::<Selection>(octets, pieces())?;
        reads::<Credentials>(octets, pieces())?;
        reads::<UserPassStatus>(octets, pieces())?;
        reads::<Request>(octets, pieces())?;
        reads::<Reply>(octets, pieces())?;
    }

    #[test]
    fn c6_answers_of_a_proxy_may_come_in_any_pieces(
        bound in target(),
        password: bool,
        behind in vec(any::<u8>(), 0..200),
        places in places(),
    ) {
        let method = if password { 2 } else { 0 };
        let mut said = vec![5, method];
        if password {
            said.extend_from_slice(&[1, 0]);
        }
        // As a server may write it, names too.
        let command = Command(ReplyCode::SUCCEEDED.0);
        let target = bound.clone();
        said.extend_from_slice(&Request { command, target }.encode());
        said.extend_from_slice(&behind);

        let (stream, log) = Canned::new(cut(&said, &places), Then::Ends);
        let (found, rest) = on_paused_clock(async {
            let credentials = Credentials::new("joe", "secret").unwrap();
            let client = Client::new().credentials(credentials);
            let wanted = Address::new("example.com", 443).unwrap();
            let mut stream = client.connect(stream, wanted).await.unwrap();
            let mut rest = Vec::new();
            stream.read_to_end(&mut rest).await.unwrap();
            (stream.bound().clone(), rest)
        });
        prop_assert_eq!((found, rest), (bound, behind));
        prop_assert_eq!(log.written().1, if password { 3 } else { 2 });
    }
}

/// Where a payload is cut, and which of its pieces arrive twice.
fn fragments() -> impl Strategy<Value = (Vec<u8>, Vec<prop::sample::Index>, Vec<bool>)> {
    (
        vec(any::<u8>(), 0..3000),
        vec(any::<prop::sample::Index>(), 0..126),
        vec(any::<bool>(), 127),
    )
}

proptest! {
    // Each case has sockets of its own.
    #![proptest_config(ProptestConfig::with_cases(32))]

    #[test]
    fn a7_a_datagram_may_come_in_any_fragments((payload, places, twice) in fragments()) {
        use crate::support::udp::{address, association::{Association, datagram, socket}, stack, within};

        let runtime = Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(within(async {
            let connector = Connector::direct().with_associate(Associate::new());
            let association = Association::new(stack(connector)).await;
            let target = socket("127.0.0.1").await;
            let to = address(target.local_addr().unwrap());
            let pieces = cut(&payload, &places);
            let last = pieces.len();
            for ((number, piece), twice) in (1..).zip(&pieces).zip(twice) {
                let fragment = if usize::from(number) == last { number | 0x80 } else { number };
                let datagram = datagram(fragment, &to, piece);
                association.send(&datagram).await;
                if twice && fragment < 0x80 {
                    association.send(&datagram).await;
                }
                // The queue of a socket is not endless.
                tokio::task::yield_now().await;
            }
            association.reaches(&target, &payload).await;
            association.echo(&target, b"and no more").await;
        }));
    }
}

/// What is written down is what is read, and the other way round.
fn survives_text<T>(text: &str) -> Result<(), TestCaseError>
where
    T: FromStr<Err: Debug> + Display + Debug + PartialEq,
{
    if let Ok(value) = text.parse::<T>() {
        let written = value.to_string();
        let again = written.parse::<T>().expect(&written);
        prop_assert_eq!(&again, &value);
        prop_assert_eq!(again.to_string(), written);
    }
    Ok(())
}

proptest! {
    #[test]
    fn conditions_survive_text(
        ports in "[0-9]{1,5}(-[0-9]{1,5})?",
        hours in "[0-2][0-9]:[0-5][0-9]-[0-2][0-9]:[0-5][0-9]",
        days in "(mon|tue|wed|thu|fri|sat|sun|monday|friday)(-(mon|tue|wed|thu|fri|sat|sun|sunday))?",
        network in "[0-9]{1,3}\\.[0-9]{1,3}\\.0\\.0/(8|16|24)|[0-9a-f]{1,4}::/(16|32|64|128)|::ffff:[0-9a-f]{1,4}:0/112",
        name in "(\\*\\.)?[a-zA-Zäöü0-9_-]{1,20}(\\.[a-zA-Zß0-9-]{1,20}){0,3}\\.?",
        any in any::<String>(),
    ) {
        for text in [&ports, &any] {
            survives_text::<PortRange>(text)?;
        }
        for text in [&hours, &any] {
            survives_text::<TimeRange>(text)?;
        }
        for text in [&days, &any] {
            // Several days are written one by one.
            let days = text.parse::<Weekdays>().map(|days| days.to_string());
            for day in days.unwrap_or_default().split_terminator(',') {
                prop_assert!(day.parse::<Weekdays>().is_ok());
                survives_text::<Weekdays>(day)?;
            }
        }
        for text in [&network, &any] {
            survives_text::<Network>(text)?;
            survives_text::<Destination>(text)?;
        }
        for text in [&name, &any] {
            survives_text::<Destination>(text)?;
        }
    }
}
