//! The dialogues, octet by octet, and how many places each has at which something can go wrong.

use std::{io, time::Duration};

use tower_socks::error::Step;

use super::{
    connect::{Dial, End, Scenario, Tunnel, run},
    peer::{Script, Then},
    stack::{DEADLINE, DIAL, Front, Verifier},
    sweep::{self, Polls, sweep},
};

pub const HELLO: &[u8] = b"\x05\x01\x00";
pub const HELLO_OK: &[u8] = b"\x05\x00";
const LOGIN: &[u8] = b"\x05\x02\x00\x02";
const LOGIN_OK: &[u8] = b"\x05\x02\x01\x00";
const JOE: &[u8] = b"\x01\x03joe\x06secret";
/// CONNECT to 192.0.2.1:80.
const CONNECT: &[u8] = b"\x05\x01\x00\x01\xc0\x00\x02\x01\x00\x50";
const CONNECTED: &[u8] = b"\x05\x00\x00\x01\xc6\x33\x64\x07\x10\xe1";
pub const UP: &[u8] = b"GET / HTTP/1.0\r\n\r\n";
pub const DOWN: &[u8] = b"HTTP/1.0 200 OK\r\n\r\nhello";

pub fn failure(code: u8) -> [u8; 10] {
    [5, code, 0, 1, 0, 0, 0, 0, 0, 0]
}

/// No authentication, a question, an answer, and both half-close.
pub fn plain() -> Scenario {
    let lines = [(0, HELLO), (2, CONNECT), (12, UP)];
    Scenario {
        client: Script::new(lines, Then::Ends),
        target: Script::new([(UP.len(), DOWN)], Then::Ends),
        front: Front::Socks5,
        verifier: Verifier::Knows,
        dial: Dial::Connects,
        tunnel: Tunnel::Ours,
        replies: [HELLO_OK, CONNECTED].concat(),
        down: DOWN.to_vec(),
        up: UP.to_vec(),
        ends: End::Completes,
        takes: Duration::ZERO,
    }
}

/// A session that ends before there is a tunnel, with a client that waits for that.
pub fn fails<const N: usize>(
    lines: [(usize, &[u8]); N],
    step: Step,
    replies: &[&[u8]],
) -> Scenario {
    Scenario {
        client: Script::new(lines, Then::Waits),
        replies: replies.concat(),
        down: Vec::new(),
        up: Vec::new(),
        ends: End::FailsAt(step),
        ..plain()
    }
}

pub async fn play(name: &str, scenario: Scenario, least: usize) {
    let count = sweep(sweep::ALL, Polls::AlwaysTheSame, async |plan| {
        run(&scenario, plan).await
    })
    .await;
    count.report(name, least);
}

#[tokio::test(start_paused = true)]
async fn connect_the_client_ends_first() {
    play("CONNECT, the client ends first", plain(), 280).await;
}

#[tokio::test(start_paused = true)]
async fn connect_the_target_ends_first() {
    let all = 12 + DOWN.len();
    let scenario = Scenario {
        client: Script::new([(0, HELLO), (2, CONNECT), (all, UP)], Then::Ends),
        target: Script::new([(0, DOWN)], Then::Ends),
        ..plain()
    };
    play("CONNECT, the target ends first", scenario, 290).await;
}

#[tokio::test(start_paused = true)]
async fn connect_with_a_tunnel_that_knows_no_meters() {
    let scenario = Scenario {
        tunnel: Tunnel::Own,
        ..plain()
    };
    play("CONNECT, a tunnel of one's own", scenario, 280).await;
}

#[tokio::test(start_paused = true)]
async fn connect_with_more_than_fits() {
    let (up, down) = (vec![b'u'; 100_000], vec![b'd'; 70_000]);
    let scenario = Scenario {
        client: Script::new([(0, HELLO), (2, CONNECT), (12, &up)], Then::Ends),
        target: Script::new([(0, &down)], Then::Ends),
        up,
        down,
        ..plain()
    };
    let count = sweep(sweep::LARGE, Polls::AlwaysTheSame, async |plan| {
        run(&scenario, plan).await
    })
    .await;
    count.report("CONNECT, bulk both ways", 110);
}

#[tokio::test(start_paused = true)]
async fn connect_with_a_password() {
    let lines = [(0, LOGIN), (2, JOE), (4, CONNECT), (14, UP)];
    let scenario = Scenario {
        client: Script::new(lines, Then::Ends),
        replies: [LOGIN_OK, CONNECTED].concat(),
        ..plain()
    };
    play("user/password, CONNECT", scenario, 320).await;
}

#[tokio::test(start_paused = true)]
async fn connect_all_in_one_go() {
    let all = [LOGIN, JOE, CONNECT, UP].concat();
    let scenario = Scenario {
        client: Script::new([(0, all)], Then::Ends),
        replies: [LOGIN_OK, CONNECTED].concat(),
        ..plain()
    };
    play("user/password, CONNECT and data in one go", scenario, 310).await;
}

#[tokio::test(start_paused = true)]
async fn connect_that_takes_a_while() {
    let delay = Duration::from_secs(3);
    let all = [HELLO, CONNECT, UP].concat();
    let scenario = Scenario {
        client: Script::new([(0, all)], Then::Ends),
        dial: Dial::ConnectsAfter(delay),
        takes: delay,
        ..plain()
    };
    play("all in one go, a slow dial", scenario, 270).await;
}

#[tokio::test(start_paused = true)]
async fn dial_that_fails() {
    let lines = [(0, HELLO), (2, CONNECT)];
    let scenario = Scenario {
        dial: Dial::Fails(io::ErrorKind::ConnectionRefused),
        ..fails(lines, Step::Dial, &[HELLO_OK, &failure(5)])
    };
    play("a dial that fails", scenario, 75).await;
}

#[tokio::test(start_paused = true)]
async fn dial_that_hangs() {
    let lines = [(0, HELLO), (2, CONNECT)];
    let scenario = Scenario {
        dial: Dial::Hangs,
        takes: DIAL,
        ..fails(lines, Step::Dial, &[HELLO_OK, &failure(6)])
    };
    play("a dial that hangs", scenario, 78).await;
}

#[tokio::test(start_paused = true)]
async fn refused_by_policy_with_data_behind_the_request() {
    let forbidden = b"\x05\x01\x00\x01\xc0\x00\x02\x42\x00\x50";
    let early = [&forbidden[..], UP].concat();
    let scenario = fails(
        [(0, HELLO), (2, &early)],
        Step::Dial,
        &[HELLO_OK, &failure(2)],
    );
    play("refused by policy", scenario, 110).await;
}

#[tokio::test(start_paused = true)]
async fn wrong_password_with_a_request_behind_it() {
    let wrong = [&b"\x01\x03joe\x06Secret"[..], CONNECT].concat();
    let replies: &[&[u8]] = &[b"\x05\x02", b"\x01\x01"];
    let scenario = fails([(0, LOGIN), (2, &wrong)], Step::Authentication, replies);
    play("wrong password", scenario, 85).await;
}

#[tokio::test(start_paused = true)]
async fn verifier_that_hangs() {
    let scenario = Scenario {
        verifier: Verifier::Hangs,
        takes: DEADLINE,
        ..fails([(0, LOGIN), (2, JOE)], Step::Authentication, &[b"\x05\x02"])
    };
    play("a verifier that hangs", scenario, 47).await;
}

#[tokio::test(start_paused = true)]
async fn credentials_of_another_version() {
    let odd = b"\x05\x03joe\x06secret";
    let replies: &[&[u8]] = &[b"\x05\x02", b"\x01\x01"];
    let scenario = fails([(0, LOGIN), (2, odd)], Step::Authentication, replies);
    play("malformed credentials", scenario, 64).await;
}

#[tokio::test(start_paused = true)]
async fn greetings_that_come_to_nothing() {
    let scenario = fails([(0, b"\x04\x01\x00\x50")], Step::Greeting, &[]);
    play("greeting of another version", scenario, 4).await;

    let scenario = fails([(0, b"\x05\x00")], Step::Greeting, &[b"\x05\xff"]);
    play("greeting without methods", scenario, 22).await;

    let scenario = fails([(0, b"\x05\x01\x80")], Step::Authentication, &[b"\x05\xff"]);
    play("greeting without a method of ours", scenario, 26).await;

    let scenario = Scenario {
        takes: DEADLINE,
        ..fails([(0, b"\x05\x02\x00")], Step::Greeting, &[])
    };
    play("half a greeting", scenario, 14).await;
}

#[tokio::test(start_paused = true)]
async fn requests_that_come_to_nothing() {
    let odd: &[u8] = b"\x05\x01\x00\x09\xc0\x00\x02\x01\x00\x50";
    let replies: &[&[u8]] = &[HELLO_OK, &failure(8)];
    let scenario = fails([(0, HELLO), (2, odd)], Step::Request, replies);
    play("request with an unknown ATYP", scenario, 75).await;

    let odd: &[u8] = b"\x05\x09\x00\x01\xc0\x00\x02\x01\x00\x50";
    let replies: &[&[u8]] = &[HELLO_OK, &failure(7)];
    let scenario = fails([(0, HELLO), (2, odd)], Step::Dial, replies);
    play("request with an unknown CMD", scenario, 75).await;

    let scenario = Scenario {
        takes: DEADLINE,
        ..fails([(0, HELLO), (2, &CONNECT[..9])], Step::Request, &[HELLO_OK])
    };
    play("half a request", scenario, 46).await;
}
