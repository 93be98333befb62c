//! The stream between two processes: messages with their length in front, some with a descriptor, each within a time.

use std::{
    io::{self, IoSlice, IoSliceMut, Read, Write},
    mem::MaybeUninit,
    os::{
        fd::{AsFd, BorrowedFd, OwnedFd},
        unix::net::UnixStream,
    },
    time::{Duration, Instant},
};

use rustix::{
    cmsg_space,
    net::{
        RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer,
        SendAncillaryMessage, SendFlags, recvmsg, sendmsg,
    },
};

use super::message::Message;

/// No message is longer.
const LONGEST: usize = 64 * 1024;

/// Descriptors that arrive are not for programs that this one starts.
#[cfg(target_os = "linux")]
const FLAGS: RecvFlags = RecvFlags::CMSG_CLOEXEC;
#[cfg(not(target_os = "linux"))]
const FLAGS: RecvFlags = RecvFlags::empty();

/// It blocks, never longer than it is told.
#[derive(Debug)]
pub(super) struct Channel(UnixStream);

impl Channel {
    pub(super) fn new(stream: UnixStream) -> io::Result<Self> {
        stream.set_nonblocking(false)?;
        Ok(Self(stream))
    }

    /// Sends a message, within `limit`.
    pub(super) fn send(
        &self,
        message: &Message,
        descriptor: Option<BorrowedFd<'_>>,
        limit: Duration,
    ) -> io::Result<()> {
        let deadline = Instant::now() + limit;
        let body = serde_json::to_vec(message)?;
        let length = u32::try_from(body.len()).ok();
        let length = length.filter(|_| body.len() <= LONGEST);
        let length = length.ok_or_else(|| invalid("a message is too long"))?;
        let mut octets = length.to_be_bytes().to_vec();
        octets.extend(body);
        let mut space = [MaybeUninit::uninit(); cmsg_space!(ScmRights(1))];
        let mut ancillary = SendAncillaryBuffer::new(&mut space);
        let descriptors: Vec<_> = descriptor.into_iter().collect();
        if !descriptors.is_empty() {
            ancillary.push(SendAncillaryMessage::ScmRights(&descriptors));
        }
        self.0.set_write_timeout(Some(left(deadline)?))?;
        let sent = rustix::io::retry_on_intr(|| {
            let parts = [IoSlice::new(&octets)];
            sendmsg(&self.0, &parts, &mut ancillary, SendFlags::empty())
        })?;
        let mut rest = octets.get(sent..).unwrap_or_default();
        while !rest.is_empty() {
            self.0.set_write_timeout(Some(left(deadline)?))?;
            match (&self.0).write(rest) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(sent) => rest = rest.get(sent..).unwrap_or_default(),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// Receives a message and the descriptor that it has, within `limit`; `None` at the end of the stream.
    pub(super) fn receive(
        &self,
        limit: Duration,
    ) -> io::Result<Option<(Message, Option<OwnedFd>)>> {
        let deadline = Instant::now() + limit;
        let mut length = [0; 4];
        let (read, descriptor) = self.head(&mut length, deadline)?;
        if read == 0 {
            return Ok(None);
        }
        self.rest(length.get_mut(read..).unwrap_or_default(), deadline)?;
        let length = usize::try_from(u32::from_be_bytes(length)).unwrap_or(usize::MAX);
        if length > LONGEST {
            return Err(invalid("a message is too long"));
        }
        let mut body = vec![0; length];
        self.rest(&mut body, deadline)?;
        Ok(Some((serde_json::from_slice(&body)?, descriptor)))
    }

    /// Receives the first octets, with which a descriptor comes.
    fn head(&self, room: &mut [u8], deadline: Instant) -> io::Result<(usize, Option<OwnedFd>)> {
        let mut space = [MaybeUninit::uninit(); cmsg_space!(ScmRights(1))];
        let mut ancillary = RecvAncillaryBuffer::new(&mut space);
        let read = loop {
            self.0.set_read_timeout(Some(left(deadline)?))?;
            let mut parts = [IoSliceMut::new(room)];
            match recvmsg(&self.0, &mut parts, &mut ancillary, FLAGS) {
                Ok(received) => break received.bytes,
                Err(rustix::io::Errno::INTR) => {}
                Err(error) => return Err(error.into()),
            }
        };
        let mut descriptors = ancillary.drain().filter_map(|message| match message {
            RecvAncillaryMessage::ScmRights(descriptors) => Some(descriptors),
            _ => None,
        });
        // More than one closes itself.
        let descriptor = descriptors.next().and_then(|mut all| all.next());
        Ok((read, descriptor))
    }

    fn rest(&self, mut room: &mut [u8], deadline: Instant) -> io::Result<()> {
        while !room.is_empty() {
            self.0.set_read_timeout(Some(left(deadline)?))?;
            match (&self.0).read(room) {
                Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
                Ok(read) => room = room.get_mut(read..).unwrap_or_default(),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// Another descriptor of the stream.
    pub(super) fn stream(&self) -> io::Result<OwnedFd> {
        Ok(self.0.try_clone()?.into())
    }

    /// The stream, which is open for as long as somebody has it.
    pub(super) fn into_stream(self) -> OwnedFd {
        self.0.into()
    }
}

/// Whether the process at the other end is still there: what it says is never read.
pub(super) fn is_there(stream: impl AsFd) -> bool {
    let flags = RecvFlags::PEEK | RecvFlags::DONTWAIT;
    match rustix::net::recv(stream, &mut [0; 1], flags) {
        Ok((0, _)) => false,
        Ok(_) | Err(rustix::io::Errno::AGAIN | rustix::io::Errno::INTR) => true,
        Err(_) => false,
    }
}

fn left(deadline: Instant) -> io::Result<Duration> {
    let left = deadline.saturating_duration_since(Instant::now());
    match left.is_zero() {
        true => Err(io::ErrorKind::TimedOut.into()),
        false => Ok(left),
    }
}

fn invalid(what: &'static str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what)
}
