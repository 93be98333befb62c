//! CONNECT by sockets of this machine with enough to move for `splice(2)`, and something that goes wrong
//! on either side, early and late.

use std::{
    fs,
    sync::{Arc, Mutex},
    thread,
    time::Duration,
};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    sync::watch,
    time::{Instant, timeout},
};
use tower::ServiceExt;
use tower_socks::{Connector, Traffic, connector::direct::Direct, session::Accepted};

use super::{
    fault::Fault,
    scenarios::{HELLO, HELLO_OK},
    session::{Ended, Side},
    sockets::{Moment, reply},
    stack::{Counters, Depth, FAREWELL, Front, IDLE, LINGER, RELAY, Verifier, bottom},
    sweep::Count,
};

/// Octets each way: more than what the relay reads before it takes a pipe, and than sockets hold.
const LENGTH: usize = 6_000_000;

/// Octets, both ways together, between one place where something goes wrong and the next.
const STEP: usize = 499_999;

const FAULTS: [Fault; 5] = [
    Fault::Stalls,
    Fault::StopsReading,
    Fault::Ends,
    Fault::Resets,
    Fault::HalfCloses,
];

/// What is different from one run to the next.
#[derive(Clone, Copy, Debug)]
struct Plan {
    depth: Depth,
    /// Whose side, after so many octets of its own, and what.
    fault: Option<(Side, usize, Fault)>,
}

impl Plan {
    fn at(&self, side: Side) -> Option<(usize, Fault)> {
        let fault = self.fault.filter(|(where_, ..)| *where_ == side);
        fault.map(|(_, at, fault)| (at, fault))
    }
}

#[tokio::test(start_paused = true)]
async fn connect_with_bulk_data_between_sockets() {
    let pipes = pipe_ends();
    run(Plan {
        depth: Depth::Plain,
        fault: None,
    })
    .await;
    assert!(pipe_ends() > pipes, "no pipe was taken");
    let mut count = Count { points: 0, runs: 1 };
    for depth in [Depth::Plain, Depth::Layered] {
        for side in [Side::Client, Side::Target] {
            for at in (0..2 * LENGTH).step_by(STEP) {
                for fault in FAULTS {
                    let fault = Some((side, at, fault));
                    run(Plan { depth, fault }).await;
                }
                count.points += 1;
                count.runs += FAULTS.len();
            }
        }
    }
    // Those that a thread keeps for the next time, and none of a session that broke off.
    assert!(pipe_ends() <= pipes + 2 * 16, "pipes are lost");
    count.report("CONNECT, bulk between sockets", 100);
}

/// Plays a session once, and checks everything that has to hold whatever goes wrong.
async fn run(plan: Plan) {
    let counters = Counters::new();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let target = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = target.local_addr().unwrap().port().to_be_bytes();
    let clock = Clock::default();
    *clock.lock().unwrap() = Some(Moment::lasting(Duration::from_secs(20)));
    let (over, session_ends) = watch::channel(());
    let far = |side| Far {
        fault: plan.at(side),
        over: session_ends.clone(),
        clock: Arc::clone(&clock),
    };

    let connecting = TcpStream::connect(listener.local_addr().unwrap());
    let (client, near) = tokio::join!(connecting, listener.accept());
    let (mut client, (near, peer)) = (client.unwrap(), near.unwrap());
    let accepted = Accepted::new(near, peer, listener.local_addr().unwrap());
    let direct = bottom(Connector::direct().with_connect(Direct::new().relay(RELAY)));
    let stack = counters.stack(Front::Socks5, plan.depth, Verifier::Knows, direct);
    let session = async {
        let began = Instant::now();
        let limit = Duration::from_secs(24 * 3600);
        let outcome = timeout(limit, stack.oneshot(accepted)).await;
        drop(over);
        let outcome = outcome.expect("the session hangs");
        let ended = Ended {
            outcome: outcome.map_err(|error| *error.downcast().unwrap()),
            took: began.elapsed(),
            heard: Vec::new(),
        };
        counters.assert_zero();
        ended
    };
    let there = async {
        let (stream, from) = target.accept().await.unwrap();
        (far(Side::Target).play(stream).await, from)
    };
    let here = async {
        let hello = [HELLO, b"\x05\x01\x00\x01\x7f\x00\x00\x01", &port].concat();
        client.write_all(&hello).await.unwrap();
        let mut replies = [0; 12];
        client.read_exact(&mut replies).await.unwrap();
        (far(Side::Client).play(client).await, replies)
    };
    let (ended, (up, from), (down, replies)) = tokio::join!(session, there, here);
    clock.lock().unwrap().take();

    let about = || format!("{plan:?}: {ended:?}, {up} up and {down} down");
    assert_eq!(replies[..], [HELLO_OK, &reply(Some(from))].concat());
    ended.assert_within(IDLE.max(LINGER) + 2 * FAREWELL);
    let all = LENGTH as u64;
    let is_all = |traffic: &Traffic| (traffic.up, traffic.down) == (all, all);
    // What has arrived is said to have passed, and what is said to have passed was there.
    if let Some(traffic) = ended.traffic() {
        for (arrived, passed) in [(up, traffic.up), (down, traffic.down)] {
            let possible = arrived as u64..=all;
            assert!(possible.contains(&passed), "{}", about());
        }
    }
    let right = match plan.fault {
        None => up == LENGTH && down == LENGTH && ended.outcome.is_ok(),
        // The other way goes on.
        Some((Side::Client, _, Fault::HalfCloses)) => down == LENGTH && ended.outcome.is_ok(),
        Some((Side::Target, _, Fault::HalfCloses)) => up == LENGTH && ended.outcome.is_ok(),
        // A reset is no end, unless the relay was done with everything.
        Some((.., Fault::Resets)) => ended.outcome.as_ref().ok().is_none_or(is_all),
        Some(_) => true,
    };
    assert!(right, "{}", about());
    counters.assert_no_task();
}

/// What a peer has said and heard.
#[derive(Debug, Default)]
struct Passed {
    said: usize,
    heard: usize,
}

impl Passed {
    /// Says everything and hears everything, or one of these, until so many octets have passed.
    async fn on(
        &mut self,
        stream: &mut TcpStream,
        until: usize,
        (mut speaks, mut hears): (bool, bool),
    ) {
        // What is said, and heard, from any octet on.
        let pattern: Vec<u8> = (0..=250).cycle().take(251 + 64 * 1024).collect();
        let mut room = vec![0; 64 * 1024];
        let (mut read, mut write) = stream.split();
        while (speaks || hears) && self.said + self.heard < until {
            let rest = LENGTH - self.said;
            let next = &pattern[self.said % 251..][..rest.min(room.len())];
            let speak = async {
                match next {
                    [] => write.shutdown().await.map(|()| 0),
                    next => write.write(next).await,
                }
            };
            tokio::select! {
                written = speak, if speaks => match written {
                    Ok(0) | Err(_) => speaks = false,
                    Ok(written) => self.said += written,
                },
                read = read.read(&mut room), if hears => match read {
                    Ok(0) | Err(_) => hears = false,
                    Ok(read) => {
                        let right = room[..read] == pattern[self.heard % 251..][..read];
                        assert!(right, "octets are lost, invented or out of order");
                        self.heard += read;
                    }
                },
            }
        }
    }
}

/// One side of a tunnel, with what goes wrong there.
struct Far {
    fault: Option<(usize, Fault)>,
    /// Until the session has ended.
    over: watch::Receiver<()>,
    clock: Clock,
}

/// What keeps the clock from jumping.
type Clock = Arc<Mutex<Option<Moment>>>;

impl Far {
    /// The answer is how much has been heard, which has to be what the other side says, up to some
    /// place.
    async fn play(self, mut stream: TcpStream) -> usize {
        let Self {
            fault,
            mut over,
            clock,
        } = self;
        let (at, fault) = fault.unzip();
        let mut passed = Passed::default();
        let both = (true, true);
        passed.on(&mut stream, at.unwrap_or(usize::MAX), both).await;
        // Nothing but time ends a session whose peer stalls, once the sockets are full.
        let clock_goes_on = async {
            tokio::task::spawn_blocking(|| thread::sleep(Duration::from_millis(10)))
                .await
                .unwrap();
            clock.lock().unwrap().take();
        };
        let session_ends = async { _ = over.changed().await };
        match fault {
            Some(Fault::Stalls) => _ = tokio::join!(clock_goes_on, session_ends),
            Some(Fault::StopsReading) => {
                let speaks = passed.on(&mut stream, usize::MAX, (true, false));
                tokio::join!(clock_goes_on, session_ends, speaks);
            }
            Some(Fault::HalfCloses) => {
                _ = stream.shutdown().await;
                passed.on(&mut stream, usize::MAX, (false, true)).await;
            }
            // What the other side does not take at once, the relay waits for by the clock.
            Some(Fault::Resets | Fault::Ends) => {
                if fault == Some(Fault::Resets) {
                    stream.set_zero_linger().unwrap();
                }
                drop(stream);
                clock_goes_on.await;
            }
            _ => {}
        }
        passed.heard
    }
}

/// Ends of pipes that this process has open.
fn pipe_ends() -> usize {
    let descriptors = fs::read_dir("/proc/self/fd").unwrap();
    let targets = descriptors.filter_map(|entry| fs::read_link(entry.unwrap().path()).ok());
    targets
        .filter(|target| target.to_string_lossy().starts_with("pipe:"))
        .count()
}
