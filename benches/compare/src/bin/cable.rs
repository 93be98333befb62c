//! A long cable between two network interfaces: `cable FROM TO [--delay MS] [--rate MBIT] [--loss PERCENT]`.
//!
//! What sch_netem of Linux does, for kernels that lack it: each direction has a rate, a queue in front of it
//! that drops what finds no room, a delay, and loss. Frames pass in order, through packet sockets; the
//! interfaces at the far ends must not leave checksums and segments to hardware.

use std::{
    collections::VecDeque,
    io::{IoSlice, IoSliceMut},
    os::fd::{AsRawFd, OwnedFd},
    thread,
    time::{Duration, Instant},
};

use anyhow::Context as _;
use nix::{
    errno::Errno,
    ifaddrs::getifaddrs,
    sys::socket::{
        AddressFamily, LinkAddr, MsgFlags, MultiHeaders, SockFlag, SockProtocol, SockType, bind,
        recvmmsg, sendmmsg, setsockopt, socket, sockopt::RcvBufForce,
    },
};
use rustix::event::{PollFd, PollFlags, Timespec, poll};

/// Frames in one system call.
const MOST: usize = 64;

/// Octets of the largest frame, and some more.
const SLOT: usize = 2048;

/// How long a frame waits for the rate at most: a queue of that length.
const QUEUE: Duration = Duration::from_millis(20);

#[derive(Clone, Copy, Debug)]
struct Cable {
    delay: Duration,
    /// Seconds for an octet.
    octet: f64,
    /// Of one.
    loss: f64,
}

fn main() -> anyhow::Result<()> {
    use lexopt::prelude::*;

    let mut cable = Cable {
        delay: Duration::ZERO,
        octet: 0.0,
        loss: 0.0,
    };
    let mut ends = Vec::new();
    let mut parser = lexopt::Parser::from_env();
    while let Some(argument) = parser.next()? {
        match argument {
            Long("delay") => {
                cable.delay = Duration::from_secs_f64(parser.value()?.parse::<f64>()? / 1e3);
            }
            Long("rate") => cable.octet = 8.0 / (parser.value()?.parse::<f64>()? * 1e6),
            Long("loss") => cable.loss = parser.value()?.parse::<f64>()? / 100.0,
            Value(name) => ends.push(open(&name.string()?)?),
            _ => return Err(argument.unexpected().into()),
        }
    }
    let [near, far] = &ends[..] else {
        anyhow::bail!("which two interfaces?");
    };
    thread::scope(|scope| {
        let back = scope.spawn(|| carry(far, near, cable, 2));
        carry(near, far, cable, 1)?;
        back.join().unwrap_or(Ok(()))
    })
}

/// All frames of an interface.
fn open(name: &str) -> anyhow::Result<OwnedFd> {
    let (kind, flags) = (SockType::Raw, SockFlag::SOCK_CLOEXEC);
    let socket = socket(
        AddressFamily::Packet,
        kind,
        flags | SockFlag::SOCK_NONBLOCK,
        SockProtocol::EthAll,
    )?;
    setsockopt(&socket, RcvBufForce, &(64 << 20))?;
    let link = getifaddrs()?.find_map(|one| {
        let found = one.interface_name == name;
        found.then(|| one.address?.as_link_addr().copied())?
    });
    let link: LinkAddr = link.with_context(|| format!("no interface {name}"))?;
    bind(socket.as_raw_fd(), &link)?;
    Ok(socket)
}

/// Carries frames in one direction, for as long as the process lives.
fn carry(from: &OwnedFd, to: &OwnedFd, cable: Cable, mut random: u64) -> anyhow::Result<()> {
    let mut under_way: VecDeque<(Instant, Vec<u8>)> = VecDeque::new();
    let mut spare: Vec<Vec<u8>> = Vec::new();
    let mut slots = vec![[0_u8; SLOT]; MOST];
    // When the cable has taken all that is in the queue.
    let mut free = Instant::now();
    loop {
        let now = Instant::now();
        let due = under_way.iter().take(MOST).take_while(|one| one.0 <= now);
        let count = due.count();
        if count > 0 {
            let frames: Vec<_> = (under_way.iter().take(count))
                .map(|(_, frame)| [IoSlice::new(frame)])
                .collect();
            let none = vec![None::<LinkAddr>; count];
            let mut headers = MultiHeaders::preallocate(count, None);
            let flags = MsgFlags::MSG_DONTWAIT;
            let sent = match sendmmsg(to.as_raw_fd(), &mut headers, &frames, none, [], flags) {
                Ok(sent) => sent.count(),
                // The far end has no room: the frame is lost.
                Err(Errno::EAGAIN | Errno::ENOBUFS) => 1,
                Err(error) => return Err(error.into()),
            };
            spare.extend(under_way.drain(..sent).map(|(_, frame)| frame));
        } else {
            let next = under_way
                .front()
                .map(|one| one.0.saturating_duration_since(now));
            let next = next.map(|left| Timespec {
                tv_sec: left.as_secs().cast_signed(),
                tv_nsec: left.subsec_nanos().into(),
            });
            match poll(&mut [PollFd::new(from, PollFlags::IN)], next.as_ref()) {
                Ok(_) | Err(rustix::io::Errno::INTR) => {}
                Err(error) => return Err(error.into()),
            }
        }
        let mut room: Vec<_> = (slots.iter_mut())
            .map(|slot| [IoSliceMut::new(slot)])
            .collect();
        let mut headers = MultiHeaders::<LinkAddr>::preallocate(MOST, None);
        let flags = MsgFlags::MSG_DONTWAIT;
        let came = recvmmsg(from.as_raw_fd(), &mut headers, room.iter_mut(), flags, None);
        let lengths: Vec<usize> = match came {
            Ok(came) => came.map(|one| one.bytes).collect(),
            Err(Errno::EAGAIN | Errno::EINTR) => continue,
            Err(error) => return Err(error.into()),
        };
        let now = Instant::now();
        for (slot, len) in slots.iter().zip(lengths) {
            let start = free.max(now);
            if start - now > QUEUE || chance(&mut random) < cable.loss {
                continue;
            }
            free = start + Duration::from_secs_f64(cable.octet * len as f64);
            let mut frame = spare.pop().unwrap_or_default();
            frame.clear();
            frame.extend_from_slice(&slot[..len]);
            under_way.push_back((free + cable.delay, frame));
        }
    }
}

/// From 0 to 1: xorshift64*.
fn chance(random: &mut u64) -> f64 {
    *random ^= *random >> 12;
    *random ^= *random << 25;
    *random ^= *random >> 27;
    (random.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 11) as f64 / (1_u64 << 53) as f64
}
