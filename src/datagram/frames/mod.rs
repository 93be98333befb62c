//! Datagrams in a stream, each in a frame: reading and writing by batches.

mod error;
mod reader;
mod writer;

pub(crate) use self::{
    error::{cut, malformed},
    reader::{FrameReader, Framed},
    writer::FrameWriter,
};
