//! Datagrams in a stream, each in a frame: reading and writing by batches.

mod reader;
mod writer;

pub(crate) use self::{
    reader::{FrameReader, Framed},
    writer::FrameWriter,
};
