//! The dialogues, octet by octet, and how many places each has at which something can go wrong.

use std::{io, time::Duration};

use tower_socks::error::Step;

use super::{
    connect::{Dial, End, Scenario, run},
    peer::{Script, Then},
    stack::{DEADLINE, DIAL, FORBIDDEN, Verifier},
    sweep::{self, sweep},
};

const HELLO: &[u8] = b"\x05\x01\x00";
const HELLO_OK: &[u8] = b"\x05\x00";
const LOGIN: &[u8] = b"\x05\x02\x00\x02";
const LOGIN_OK: &[u8] = b"\x05\x02\x01\x00";
const JOE: &[u8] = b"\x01\x03joe\x06secret";
/// CONNECT to 192.0.2.1:80.
const CONNECT: &[u8] = b"\x05\x01\x00\x01\xc0\x00\x02\x01\x00\x50";
const CONNECTED: &[u8] = b"\x05\x00\x00\x01\xc6\x33\x64\x07\x10\xe1";
const UP: &[u8] = b"GET / HTTP/1.0\r\n\r\n";
const DOWN: &[u8] = b"HTTP/1.0 200 OK\r\n\r\nhello";

fn failure(code: u8) -> [u8; 10] {
    [5, code, 0, 1, 0, 0, 0, 0, 0, 0]
}

/// No authentication, a question, an answer, and both half-close.
fn plain() -> Scenario {
    let lines = [(0, HELLO), (2, CONNECT), (12, UP)];
    Scenario {
        client: Script::new(lines, Then::Ends),
        target: Script::new([(UP.len(), DOWN)], Then::Ends),
        verifier: Verifier::Knows,
        dial: Dial::Connects,
        replies: [HELLO_OK, CONNECTED].concat(),
        down: DOWN.to_vec(),
        up: UP.to_vec(),
        ends: End::Completes,
        takes: Duration::ZERO,
    }
}

/// A session that ends before there is a tunnel, with a client that waits for that.
fn fails<const N: usize>(lines: [(usize, &[u8]); N], step: Step, replies: &[&[u8]]) -> Scenario {
    Scenario {
        client: Script::new(lines, Then::Waits),
        replies: replies.concat(),
        down: Vec::new(),
        up: Vec::new(),
        ends: End::FailsAt(step),
        ..plain()
    }
}

async fn play(name: &str, scenario: Scenario, least: usize) {
    let count = sweep(sweep::ALL, async |plan| run(&scenario, plan).await).await;
    count.report(name, least);
}

#[tokio::test(start_paused = true)]
async fn connect_and_half_close_by_the_client() {
    play("CONNECT, the client ends first", plain(), 1).await;
}

#[tokio::test(start_paused = true)]
async fn connect_and_half_close_by_the_target() {
    let ask = 12 + DOWN.len();
    let scenario = Scenario {
        client: Script::new([(0, HELLO), (2, CONNECT), (ask, UP)], Then::Ends),
        target: Script::new([(0, DOWN)], Then::Ends),
        ..plain()
    };
    play("CONNECT, the target ends first", scenario, 1).await;
}
