//! Tokens that are lost, late, or come twice.

use tower_socks::{gssapi::Context, proto::Command};

use crate::realm::{established, in_realm};

/// What an end makes of tokens in an order: the message and whether it was its turn, or None.
fn taken(command: Command, count: u8, order: &[u8]) -> Vec<Option<(u8, bool)>> {
    let (mut client, mut server) = established(command);
    let tokens: Vec<Vec<u8>> = (0..count)
        .map(|number| client.wrap(true, &[number]).unwrap())
        .collect();
    let taken = order.iter().map(|&number| {
        let got = server.unwrap(&tokens[usize::from(number)]).ok()?;
        assert_eq!(got.message, [number]);
        Some((number, !got.out_of_turn))
    });
    taken.collect()
}

/// With and without the library's own look at the sequence: the client asks for that with CONNECT only.
const COMMANDS: [Command; 2] = [Command::CONNECT, Command::UDP_ASSOCIATE];

#[test]
fn a_lost_token_costs_itself_only() {
    in_realm!(a_lost_token_costs_itself_only, || {
        for command in COMMANDS {
            let got = taken(command, 6, &[0, 1, 3, 4, 5]);
            let wanted = [(0, true), (1, true), (3, false), (4, true), (5, true)];
            assert_eq!(got, wanted.map(Some));
        }
    });
}

#[test]
fn tokens_that_overtake_each_other_all_arrive() {
    in_realm!(tokens_that_overtake_each_other_all_arrive, || {
        for command in COMMANDS {
            let order = [0, 3, 2, 1, 6, 4, 5, 7];
            let got = taken(command, 8, &order);
            let numbers: Vec<u8> = got.iter().map(|one| one.unwrap().0).collect();
            assert_eq!(numbers, order);
        }
    });
}

#[test]
fn a_token_that_comes_twice_is_taken_once() {
    in_realm!(a_token_that_comes_twice_is_taken_once, || {
        for command in COMMANDS {
            let got = taken(command, 5, &[0, 0, 2, 2, 1, 1, 0, 4, 3, 4, 3]);
            let taken = got.iter().flatten().map(|(number, _)| *number);
            assert_eq!(taken.collect::<Vec<_>>(), [0, 2, 1, 4, 3]);
        }
    });
}

/// The library forgets what is older than 64 tokens; where it looks at the sequence it says of those what it says of the ones
/// that were overtaken.
#[test]
fn what_comes_after_more_than_64_is_not_taken_once_more() {
    in_realm!(what_comes_after_more_than_64_is_not_taken_once_more, || {
        for command in COMMANDS {
            let mut order: Vec<u8> = (0..100).collect();
            order.extend([0, 35, 36, 99]);
            let got = taken(command, 100, &order);
            assert!(got[..100].iter().all(Option::is_some));
            assert_eq!(got[100..], [None; 4]);
            // And what was lost, of which nobody can say any more whether it was.
            let mut order: Vec<u8> = (0..100).filter(|n| ![0, 34, 36].contains(n)).collect();
            order.splice(0..0, [0]);
            order.extend([34, 36, 36]);
            let got = taken(command, 100, &order);
            let last: Vec<Option<(u8, bool)>> = got[got.len() - 3..].to_vec();
            assert_eq!(last, [None, Some((36, false)), None]);
        }
    });
}
