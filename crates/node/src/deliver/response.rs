//! What comes back: a status, or a block whose bytes are kept as they are.

use super::EndReason;
use bytes::{Buf as _, Bytes};
use prost::Message;
use selvedge_proto::common::{BlockHeader, Envelope};
use tonic::Status;
use tonic::codec::{BufferSettings, Codec, DecodeBuf, Decoder};
use tonic_prost::ProstEncoder;

/// `orderer.DeliverResponse` with its block left marshalled. Repeated, so that a second one does not go unnoticed.
#[derive(Clone, PartialEq, Message)]
struct RawResponse {
    #[prost(int32, optional, tag = "1")]
    status: Option<i32>,
    #[prost(bytes = "bytes", repeated, tag = "2")]
    block: Vec<Bytes>,
}

/// `common.Block` with its header left marshalled, and all else skipped.
#[derive(Clone, PartialEq, Message)]
struct RawBlock {
    #[prost(bytes = "bytes", repeated, tag = "1")]
    header: Vec<Bytes>,
}

/// One response.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Response {
    /// The end, and why.
    Status(i32),
    /// A block, with the number its header claims.
    Block {
        /// From the header.
        number: u64,
        /// The marshalled block, a slice of the response.
        bytes: Bytes,
    },
}

/// Reads a marshalled `DeliverResponse`.
pub(crate) fn read(response: Bytes) -> Result<Response, EndReason> {
    let response = RawResponse::decode(response).map_err(|_| EndReason::Malformed)?;
    match (response.status, response.block.as_slice()) {
        (Some(status), []) => Ok(Response::Status(status)),
        (None, [block]) => {
            let header = RawBlock::decode(block.clone()).map_err(|_| EndReason::Malformed)?.header;
            let header = match header.as_slice() {
                [header] => BlockHeader::decode(header.clone()).map_err(|_| EndReason::Malformed)?,
                [] => return Err(EndReason::NoHeader),
                _ => return Err(EndReason::Malformed),
            };
            Ok(Response::Block { number: header.number, bytes: block.clone() })
        }
        _ => Err(EndReason::Malformed),
    }
}

/// gRPC codec of `AtomicBroadcast.Deliver` that leaves responses marshalled.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct RawCodec;

impl Codec for RawCodec {
    type Encode = Envelope;
    type Decode = Bytes;
    type Encoder = ProstEncoder<Envelope>;
    type Decoder = RawDecoder;

    fn encoder(&mut self) -> Self::Encoder {
        ProstEncoder::new(BufferSettings::default())
    }

    fn decoder(&mut self) -> Self::Decoder {
        RawDecoder
    }
}

/// Hands on each message's bytes.
#[derive(Clone, Copy, Debug)]
pub(super) struct RawDecoder;

impl Decoder for RawDecoder {
    type Item = Bytes;
    type Error = Status;

    fn decode(&mut self, message: &mut DecodeBuf<'_>) -> Result<Option<Bytes>, Status> {
        Ok(Some(message.copy_to_bytes(message.remaining())))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use selvedge_proto::common::{Block, BlockData};
    use selvedge_proto::orderer::{DeliverResponse, deliver_response::Type};

    fn block(number: u64) -> Block {
        let header =
            BlockHeader { number, previous_hash: Bytes::new(), data_hash: Bytes::from_static(b"hash") };
        let data = BlockData { data: vec![Bytes::from_static(b"entry")] };
        Block { header: Some(header), data: Some(data), metadata: None }
    }

    fn response(r#type: Type) -> Bytes {
        DeliverResponse { r#type: Some(r#type) }.encode_to_vec().into()
    }

    #[test]
    fn a_block_keeps_its_bytes() {
        let marshalled = Bytes::from(block(7).encode_to_vec());
        let read = read(response(Type::Block(block(7)))).unwrap();
        assert_eq!(read, Response::Block { number: 7, bytes: marshalled });
    }

    #[test]
    fn fields_unknown_to_us_stay_in_the_block() {
        let mut marshalled = block(7).encode_to_vec();
        marshalled.extend([0x22, 3, 1, 2, 3]);
        let mut framed = vec![0x12, u8::try_from(marshalled.len()).unwrap()];
        framed.extend(&marshalled);
        let read = read(framed.into()).unwrap();
        assert_eq!(read, Response::Block { number: 7, bytes: marshalled.into() });
    }

    #[test]
    fn a_status_is_a_status() {
        assert_eq!(read(response(Type::Status(404))), Ok(Response::Status(404)));
    }

    #[test]
    fn what_would_crash_or_mislead_is_refused() {
        assert_eq!(read(Bytes::new()), Err(EndReason::Malformed));
        assert_eq!(read(Bytes::from_static(&[0x12, 0])), Err(EndReason::NoHeader));
        let headless = Block { header: None, ..block(7) };
        assert_eq!(read(response(Type::Block(headless))), Err(EndReason::NoHeader));
        let two = [response(Type::Block(block(7))), response(Type::Block(block(8)))].concat();
        assert_eq!(read(two.into()), Err(EndReason::Malformed));
        let both = [response(Type::Block(block(7))), response(Type::Status(200))].concat();
        assert_eq!(read(both.into()), Err(EndReason::Malformed));
        let two_headers = [block(7).encode_to_vec(), block(8).encode_to_vec()].concat();
        let framed = [&[0x12, u8::try_from(two_headers.len()).unwrap()][..], &two_headers].concat();
        assert_eq!(read(framed.into()), Err(EndReason::Malformed));
    }

    proptest! {
        #[test]
        fn anything_yields_a_response_or_a_reason(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = read(bytes.into());
        }
    }
}
