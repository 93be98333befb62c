//! The socket inside a stream of any type.

use std::{any::Any, io, time::Duration};

use tokio::{
    io::{AsyncWrite, AsyncWriteExt},
    time::{sleep, timeout},
};

use super::{
    BoxStream, MeteredStream, PrefixedStream,
    raw::{Raw, bare},
};

impl<'a> Raw<'a> {
    /// Returns the socket inside `io`, if there is one.
    ///
    /// A relay asks whenever it is polled. The type is known here, and in the first box: all comparisons but that of the box
    /// are made by the compiler.
    #[inline]
    pub(crate) fn of<Io: 'static>(io: &'a Io) -> Option<Self> {
        let any: &dyn Any = io;
        let boxed: Option<&BoxStream> = any.downcast_ref();
        match boxed.or_else(|| any.downcast_ref().and_then(MeteredStream::unmetered)) {
            Some(boxed) => boxed.bare().or_else(|| bare(unboxed(boxed.inner()))),
            None => bare(any),
        }
    }

    /// Returns the socket inside `io`, also behind bytes that were read ahead, and beneath TLS or another
    /// encapsulation: to close, and not to read.
    pub(crate) fn beneath<Io: 'static>(io: &'a Io) -> Option<Self> {
        let mut io: &dyn Any = io;
        while let Some(inner) = layer_below(io) {
            io = inner;
        }
        #[cfg(unix)]
        if let Some(socket) = behind(io) {
            return Some(Self::Unix(socket));
        }
        behind(io).map(Self::Tcp)
    }

    /// Takes the error that the socket has, if there is one.
    pub(crate) fn take_error(self) -> io::Result<Option<io::Error>> {
        match self {
            Self::Tcp(socket) => socket.take_error(),
            #[cfg(unix)]
            Self::Unix(socket) => socket.take_error(),
        }
    }

    /// Bounds the octets that the system takes before it has sent those in front of them, where it can. What is in
    /// flight does not count, so that nothing gets slower by it.
    #[cfg_attr(
        not(any(target_os = "linux", target_os = "android")),
        expect(unused_variables)
    )]
    pub(crate) fn bound_unsent(self, octets: u32) -> io::Result<()> {
        match self {
            #[cfg(any(target_os = "linux", target_os = "android"))]
            Self::Tcp(socket) => socket2::SockRef::from(socket).set_tcp_notsent_lowat(octets),
            #[cfg(not(any(target_os = "linux", target_os = "android")))]
            Self::Tcp(_) => Ok(()),
            // Its buffer is small.
            #[cfg(unix)]
            Self::Unix(_) => Ok(()),
        }
    }

    /// Makes the end of the connection a reset, so that it does not look like a complete one.
    pub(crate) fn reset(self) -> io::Result<()> {
        match self {
            Self::Tcp(socket) => socket.set_zero_linger(),
            // It has no reset; the peer sees the end.
            #[cfg(unix)]
            Self::Unix(_) => Ok(()),
        }
    }
}

/// Sees through boxes, also those in boxes, as of a connector that is the transport of another.
fn unboxed(mut io: &dyn Any) -> &dyn Any {
    loop {
        let metered = || io.downcast_ref().and_then(MeteredStream::unmetered);
        match io.downcast_ref().or_else(metered) {
            Some(boxed) => io = BoxStream::inner(boxed),
            None => return io,
        }
    }
}

/// Sees through a box, an encapsulation in one, and TLS.
fn layer_below(io: &dyn Any) -> Option<&dyn Any> {
    let boxed = io
        .downcast_ref()
        .or_else(|| io.downcast_ref().map(MeteredStream::boxed));
    match boxed {
        Some(boxed) => boxed.beneath().or_else(|| Some(boxed.inner())),
        None => transport(io).map(BoxStream::inner),
    }
}

/// Sees through TLS.
#[cfg(feature = "tls")]
fn transport(io: &dyn Any) -> Option<&BoxStream> {
    behind(io).map(super::TlsStream::transport)
}

#[cfg(not(feature = "tls"))]
const fn transport(_: &dyn Any) -> Option<&BoxStream> {
    None
}

/// Sees through one or two [`PrefixedStream`]s, whatever they have.
fn behind<T: 'static>(io: &dyn Any) -> Option<&T> {
    fn within<T: 'static>(io: &dyn Any) -> Option<&T> {
        io.downcast_ref().map(PrefixedStream::get_ref)
    }
    let socket = io.downcast_ref().or_else(|| within(io));
    socket.or_else(|| within::<PrefixedStream<T>>(io).and_then(|inner| within(inner)))
}

/// Waits until a socket has sent what was written to it or to the stream around it, for no longer than `limit`.
/// Of what has no TCP socket beneath it nothing is known beyond the flush.
pub(crate) async fn sent<Io: AsyncWrite + Unpin + 'static>(io: &mut Io, limit: Duration) {
    const FIRST: Duration = Duration::from_millis(5);
    const LONGEST: Duration = Duration::from_millis(500);

    let wait = async move {
        if io.flush().await.is_err() {
            return;
        }
        let mut pause = FIRST;
        while Raw::beneath(&*io).is_some_and(Raw::has_unsent) {
            sleep(pause).await;
            pause = (pause * 2).min(LONGEST);
        }
    };
    // What is unsent by then is lost.
    let _ = timeout(limit, wait).await;
}

#[cfg(not(target_os = "linux"))]
impl Raw<'_> {
    const fn has_unsent(self) -> bool {
        false
    }
}

#[cfg(target_os = "linux")]
impl Raw<'_> {
    /// Whether there is something that the peer has not made room for. What is on its journey counts
    /// as sent.
    fn has_unsent(self) -> bool {
        use rustix::event::{PollFd, PollFlags, Timespec, poll};

        let Self::Tcp(socket) = self else {
            return false;
        };
        // Makes it writable when nothing is left, or when it is broken.
        if socket2::SockRef::from(socket)
            .set_tcp_notsent_lowat(1)
            .is_err()
        {
            return false;
        }
        let mut socket = [PollFd::new(socket, PollFlags::OUT)];
        poll(&mut socket, Some(&Timespec::default())) == Ok(0)
    }
}
