use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpStream,
};

use super::{BoxStream, ClientStream, PrefixedStream};

/// Brings the streams of two authentication methods together that stand in one tuple: those of one type as they
/// are, and one that is boxed with one that is not in a box.
///
/// Most methods leave the stream as it is. One that may encapsulate it has a [`BoxStream`], and then the stream is
/// boxed whichever method is used: an allocation, and a call by a pointer for each read. Relays see through it.
#[diagnostic::on_unimplemented(
    message = "the methods of a tuple have the streams `{Self}` and `{Other}`, which are not joined",
    note = "streams of one type are, and a `BoxStream` with a `PrefixedStream`, a `TcpStream` or a `TlsStream`: box \
            any other before, with `BoxStream::new`"
)]
pub trait Join<Other> {
    /// The stream of both.
    type Stream;

    /// Turns the stream of the first method into it.
    fn first(self) -> Self::Stream;

    /// Turns the stream of the second method into it.
    fn second(other: Other) -> Self::Stream;
}

impl<Io> Join<Io> for Io {
    type Stream = Io;

    fn first(self) -> Io {
        self
    }

    fn second(other: Io) -> Io {
        other
    }
}

macro_rules! boxed {
    ($stream:ty, [$($io:ident)?], $boxed:expr) => {
        impl$(<$io: AsyncRead + AsyncWrite + Unpin + Send + 'static>)? Join<BoxStream> for $stream {
            type Stream = BoxStream;

            fn first(self) -> BoxStream {
                $boxed(self)
            }

            fn second(other: BoxStream) -> BoxStream {
                other
            }
        }

        impl$(<$io: AsyncRead + AsyncWrite + Unpin + Send + 'static>)? Join<$stream> for BoxStream {
            type Stream = Self;

            fn first(self) -> Self {
                self
            }

            fn second(other: $stream) -> Self {
                $boxed(other)
            }
        }
    };
}

boxed! { PrefixedStream<Io>, [Io], ClientStream::boxed }
boxed! { TcpStream, [], BoxStream::new }
#[cfg(unix)]
boxed! { tokio::net::UnixStream, [], BoxStream::new }
#[cfg(feature = "tls")]
boxed! { super::TlsStream, [], BoxStream::new }
