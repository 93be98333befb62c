//! What a context of Kerberos makes of messages.

use tower_socks::{gssapi::Context, proto::Command};

use crate::realm::{established, in_realm};

#[test]
fn messages_arrive_in_both_directions_as_they_were_protected() {
    in_realm!(
        messages_arrive_in_both_directions_as_they_were_protected,
        || {
            let (mut client, mut server) = established(Command::CONNECT);
            assert!(client.can_encrypt() && server.can_encrypt());
            for confidential in [false, true] {
                for len in [0, 1, 15, 16, 17, 1000, 65_000] {
                    let message: Vec<u8> = (0..len).map(|n| n as u8).collect();
                    let token = client.wrap(confidential, &message).unwrap();
                    let seen = len >= 15 && token.windows(len).any(|part| part == message);
                    assert!(!(confidential && seen), "{len} octets are in clear");
                    let got = server.unwrap(&token).unwrap();
                    assert_eq!(got.message, message);
                    assert_eq!((got.confidential, got.out_of_turn), (confidential, false));

                    let token = server.wrap(confidential, &message).unwrap();
                    let got = client.unwrap(&token).unwrap();
                    assert_eq!(got.message, message);
                    assert_eq!((got.confidential, got.out_of_turn), (confidential, false));
                }
            }
        }
    );
}

#[test]
fn the_longest_message_fills_a_token_to_the_octet() {
    in_realm!(the_longest_message_fills_a_token_to_the_octet, || {
        let (mut client, mut server) = established(Command::CONNECT);
        for confidential in [false, true] {
            for room in [100, 1500, u16::MAX] {
                let longest = client.longest_message(confidential, room).unwrap();
                let token = client.wrap(confidential, &vec![7; longest]).unwrap();
                assert_eq!(token.len(), usize::from(room));
                assert_eq!(server.unwrap(&token).unwrap().message.len(), longest);
            }
            assert_eq!(client.longest_message(confidential, 10).unwrap(), 0);
        }
    });
}

/// Each octet is covered, whether it is of the header, the message or the checksum. EC and RRC say how
/// the rest lies; a change of those finds no checksum.
#[test]
fn a_change_of_any_octet_is_noticed_and_costs_nothing_else() {
    in_realm!(
        a_change_of_any_octet_is_noticed_and_costs_nothing_else,
        || {
            let (mut client, mut server) = established(Command::CONNECT);
            for confidential in [false, true] {
                let token = client.wrap(confidential, b"to 192.0.2.1").unwrap();
                for place in 0..token.len() {
                    let mut changed = token.clone();
                    changed[place] ^= 0x10;
                    let refused = server.unwrap(&changed);
                    assert!(refused.is_err(), "octet {place} of {}", token.len());
                }
                for len in 0..token.len() {
                    assert!(server.unwrap(&token[..len]).is_err(), "cut at {len}");
                }
                let longer = [&*token, b"x"].concat();
                assert!(server.unwrap(&longer).is_err());
                // What was not genuine has not taken the number of what is.
                let got = server.unwrap(&token).unwrap();
                assert_eq!(got.message, b"to 192.0.2.1");
                assert!(!got.out_of_turn);
            }
        }
    );
}

/// Flags, EC and RRC say how the rest lies, in clear: whatever they say, nothing but the message comes out.
#[test]
fn no_header_makes_another_message_of_a_token() {
    in_realm!(no_header_makes_another_message_of_a_token, || {
        let (mut client, mut server) = established(Command::CONNECT);
        for confidential in [false, true] {
            for place in 2..8 {
                for value in 0..=255 {
                    let mut token = client.wrap(confidential, b"to 192.0.2.1").unwrap();
                    token[place] = value;
                    if let Ok(got) = server.unwrap(&token) {
                        assert_eq!(got.message, b"to 192.0.2.1", "octet {place}: {value}");
                        assert_eq!(got.confidential, confidential);
                    }
                }
            }
        }
    });
}

/// Section 4.2.5 of RFC 4121: the octets behind the header may have been rotated to the right, which RRC says in clear. Windows does.
#[test]
fn a_rotated_token_is_the_same_token() {
    in_realm!(a_rotated_token_is_the_same_token, || {
        let (mut client, mut server) = established(Command::CONNECT);
        for confidential in [false, true] {
            for by in [1_u16, 12, 28, 60, 61, 1000] {
                let mut token = client.wrap(confidential, b"rotated").unwrap();
                let behind = token.len() - 16;
                token[16..].rotate_right(usize::from(by) % behind);
                token[6..8].copy_from_slice(&by.to_be_bytes());
                let got = server.unwrap(&token).unwrap();
                assert_eq!(got.message, b"rotated");
                assert_eq!((got.confidential, got.out_of_turn), (confidential, false));
            }
        }
    });
}

/// The keys of the two directions differ: what one has said nobody can say back to it.
#[test]
fn a_reflected_token_is_refused() {
    in_realm!(a_reflected_token_is_refused, || {
        let (mut client, mut server) = established(Command::CONNECT);
        for confidential in [false, true] {
            let token = client.wrap(confidential, b"echo").unwrap();
            assert!(client.unwrap(&token).is_err());
            let token = server.wrap(confidential, b"echo").unwrap();
            assert!(server.unwrap(&token).is_err());
        }
    });
}

#[test]
fn tokens_of_another_context_are_refused() {
    in_realm!(tokens_of_another_context_are_refused, || {
        let (mut client, _) = established(Command::CONNECT);
        let (_, mut server) = established(Command::CONNECT);
        let token = client.wrap(true, b"hello").unwrap();
        assert!(server.unwrap(&token).is_err());
    });
}
