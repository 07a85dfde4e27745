//! Frames of the contract as bytes: encoded once, and written as they are to all who are
//! shown the same.

use bytes::{BufMut, Bytes};
use gochat_proto::notifier::{SubscribeRequest, SubscribeResponse, subscribe_response::Frame};
use prost::Message;
use tonic::{
    Status,
    codec::{BufferSettings, Codec, EncodeBuf, Encoder},
};
use tonic_prost::{ProstCodec, ProstDecoder};

/// A stream that waits holds a buffer of this size; a frame that is larger makes it grow.
const BUFFER: usize = 512;
/// Frames that are ready together are written together, up to so many bytes.
const TOGETHER: usize = 32 * 1024;

/// An encoded `SubscribeResponse`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Ready(Bytes);

impl Ready {
    pub(crate) fn of(frame: Frame) -> Self {
        Self(SubscribeResponse { frame: Some(frame) }.encode_to_vec().into())
    }

    /// In bytes.
    #[cfg(test)]
    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    #[cfg(test)]
    pub(crate) fn frame(&self) -> Frame {
        SubscribeResponse::decode(self.0.clone()).unwrap().frame.unwrap()
    }
}

/// Reads requests as usual, and writes frames that are bytes already.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct ReadyCodec;

impl Codec for ReadyCodec {
    type Encode = Ready;
    type Decode = SubscribeRequest;
    type Encoder = ReadyEncoder;
    type Decoder = ProstDecoder<SubscribeRequest>;

    fn encoder(&mut self) -> ReadyEncoder {
        ReadyEncoder
    }

    fn decoder(&mut self) -> Self::Decoder {
        ProstCodec::<SubscribeResponse, SubscribeRequest>::default().decoder()
    }
}

/// Copies bytes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ReadyEncoder;

impl Encoder for ReadyEncoder {
    type Item = Ready;
    type Error = Status;

    fn encode(&mut self, item: Ready, buffer: &mut EncodeBuf<'_>) -> Result<(), Status> {
        buffer.put(item.0);
        Ok(())
    }

    fn buffer_settings(&self) -> BufferSettings {
        BufferSettings::new(BUFFER, TOGETHER)
    }
}
