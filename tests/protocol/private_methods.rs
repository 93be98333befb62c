//! S6: methods of the user's own (RFC 1928 section 3, X'80' to X'FE').

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tower::util::Either;
use tower_socks::{
    BoxError, Identity, NoAuth, UserPass, Users,
    error::{AuthError, Fault, Step},
    io::{ClientStream, lingering_close},
    layer::auth::Authenticate,
    proto::Method,
    session::Negotiation,
};

use crate::support::{
    CONNECT, CONNECTED, Client, HELLO_OK, Script, exchange, stack, targets::targets, within,
};

/// A challenge of two octets, answered by their complement; `!` for "come in" and `?` for a no.
struct Complement(Method);

#[derive(Debug, PartialEq)]
struct Claims(u8);

impl<Io: ClientStream> Authenticate<Io> for Complement {
    type Stream = Io;

    fn select(&self, negotiation: &Negotiation<Io>) -> Option<Method> {
        Some(self.0).filter(|method| negotiation.offered.contains(*method))
    }

    async fn authenticate(
        &self,
        method: Method,
        Negotiation { mut io, .. }: Negotiation<Io>,
    ) -> Result<(Io, Identity), BoxError> {
        assert_eq!(method, self.0);
        io.write_all(b"\x00\xf0").await?;
        let mut answer = [0; 2];
        io.read_exact(&mut answer).await?;
        if answer != *b"\xff\x0f" {
            io.write_all(b"?").await?;
            lingering_close(io).await;
            return Err(AuthError::Denied.into());
        }
        io.write_all(b"!").await?;
        let mut identity = Identity::named("machine");
        identity.extensions_mut().insert(Claims(method.0));
        Ok((io, identity))
    }
}

fn joe() -> UserPass<Users> {
    UserPass::new([("joe", "secret")].into_iter().collect())
}

#[tokio::test(start_paused = true)]
async fn s6_every_private_method_reaches_an_authenticate_of_ones_own() {
    for octet in 0x80..=0xfe {
        within(async {
            let (dialer, mut dialled) = targets();
            let mut client = Client::new(stack(Complement(Method(octet)), dialer));
            client.io.say(&[5, 2, 0, octet]).await;
            client.io.hear(&[5, octet, 0x00, 0xf0]).await;
            client.io.say(b"\xff\x0f").await;
            client.io.hear(b"!").await;
            client.io.say(CONNECT).await;
            client.io.hear(CONNECTED).await;

            let (request, _) = dialled.recv().await.unwrap();
            assert_eq!(request.identity.name(), Some(&b"machine"[..]));
            let claims = request.identity.extensions().get();
            assert_eq!(claims, Some(&Claims(octet)));
            assert!(Method(octet).is_private());
        })
        .await;
    }
}

#[tokio::test(start_paused = true)]
async fn s6_octets_of_the_sub_negotiation_and_behind_it_stay_in_place() {
    within(async {
        let (dialer, mut dialled) = targets();
        let mut client = Client::new(stack(Complement(Method(0x80)), dialer));
        let said = [b"\x05\x01\x80\xff\x0f", CONNECT, b"data"].concat();
        client.io.say(&said).await;
        client.io.hear(b"\x05\x80\x00\xf0!").await;
        client.io.hear(CONNECTED).await;
        let (_, mut target) = dialled.recv().await.unwrap();
        target.hear(b"data").await;
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn s6_a_private_method_that_says_no_ends_the_session() {
    within(async {
        let (dialer, mut dialled) = targets();
        let mut client = Client::new(stack(Complement(Method(0x80)), dialer));
        let said = [b"\x05\x01\x80\x00\x00", CONNECT].concat();
        client.io.say(&said).await;
        assert_eq!(client.io.hear_rest().await, b"\x05\x80\x00\xf0?");
        let error = client.lingering_close().await.unwrap_err();
        assert_eq!(
            (error.step(), error.fault()),
            (Step::Authentication, Fault::Refused)
        );
        assert!(dialled.recv().await.is_none());
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn s6_a_tuple_prefers_its_first_member_and_runs_the_selected_one() {
    let own = || Complement(Method(0x80));
    for (offer, said, heard) in [
        (
            &b"\x05\x03\x00\x02\x80"[..],
            &b"\xff\x0f"[..],
            &b"\x05\x80\x00\xf0!"[..],
        ),
        (b"\x05\x02\x00\x80", b"\xff\x0f", b"\x05\x80\x00\xf0!"),
        (
            b"\x05\x02\x00\x02",
            b"\x01\x03joe\x06secret",
            b"\x05\x02\x01\x00",
        ),
        (b"\x05\x01\x00", b"", b"\x05\x00"),
    ] {
        within(async {
            let (dialer, mut dialled) = targets();
            let mut client = Client::new(stack((own(), joe(), NoAuth), dialer));
            client.io.say(&[offer, said, CONNECT].concat()).await;
            client.io.hear(&[heard, CONNECTED].concat()).await;
            let (request, _) = dialled.recv().await.unwrap();
            let expected = match said.len() {
                0 => None,
                2 => Some(&b"machine"[..]),
                _ => Some(&b"joe"[..]),
            };
            assert_eq!(request.identity.name(), expected);
        })
        .await;
    }
    within(async {
        // The other way round: no authentication is what this server would rather have.
        let (dialer, _) = targets();
        let mut client = Client::new(stack((NoAuth, own()), dialer));
        client.io.say(b"\x05\x02\x80\x00").await;
        client.io.hear(HELLO_OK).await;
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn s6_two_private_methods_side_by_side() {
    for octet in [0x80, 0xfe] {
        within(async {
            let (dialer, mut dialled) = targets();
            let both = (Complement(Method(0x80)), Complement(Method(0xfe)));
            let mut client = Client::new(stack(both, dialer));
            client.io.say(&[5, 1, octet, 0xff, 0x0f]).await;
            client.io.hear(&[5, octet, 0x00, 0xf0, b'!']).await;
            client.io.say(CONNECT).await;
            client.io.hear(CONNECTED).await;
            let (request, _) = dialled.recv().await.unwrap();
            let claims = request.identity.extensions().get();
            assert_eq!(claims, Some(&Claims(octet)));
        })
        .await;
    }
}

#[tokio::test(start_paused = true)]
async fn s6_a_method_chosen_at_run_time() {
    type Choice = Either<UserPass<Users>, Complement>;
    within(async {
        let (dialer, _) = targets();
        let left: Choice = Either::Left(joe());
        let heard = exchange(stack(left, dialer.clone()), b"\x05\x01\x80").await;
        assert_eq!(heard, b"\x05\xff");

        let right: Choice = Either::Right(Complement(Method(0x80)));
        let mut client = Client::new(stack(right, dialer));
        client.io.say(b"\x05\x02\x02\x80\xff\x0f").await;
        client.io.hear(b"\x05\x80\x00\xf0!").await;
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn s6_unknown_methods_are_ignored() {
    within(async {
        // Everything but FF, and then everything but what the server knows.
        let all: Vec<u8> = [5, 255].into_iter().chain(0..=254).collect();
        let (dialer, _) = targets();
        let mut client = Client::new(stack(NoAuth, dialer.clone()));
        client.io.say(&all).await;
        client.io.hear(HELLO_OK).await;

        let unknown: Vec<u8> = [5, 254].into_iter().chain(1..=254).collect();
        let heard = exchange(stack(NoAuth, dialer), &unknown).await;
        assert_eq!(heard, b"\x05\xff");
    })
    .await;
}
