//! What a record is, when the user does not say.

use bytes::Bytes;
use clap::ValueEnum;
use selvedge_proto::envelope::{ContentKind, EnvelopeView};
use selvedge_proto::{common, decode, gossip};

/// What records are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum As {
    /// gossip.Envelope, as it travels
    Envelope,
    /// gossip.GossipMessage, as it stands in an envelope's payload
    Message,
    /// common.Block
    Block,
}

/// The three are told apart by what their fields 1 to 3 hold. Damage may hide that; then it is an envelope that does not
/// parse, most probably.
pub(crate) fn guess(bytes: &Bytes) -> As {
    if is_block(bytes) {
        return As::Block;
    }
    let is_envelope = EnvelopeView::parse(bytes.clone())
        .is_ok_and(|view| view.kind() != ContentKind::None && !view.payload().is_empty());
    if !is_envelope && is_message(bytes) { As::Message } else { As::Envelope }
}

/// A header with hashes: in a gossip message, field 3 is a number.
fn is_block(bytes: &Bytes) -> bool {
    let Ok(block) = decode::<common::Block>(bytes.clone()) else { return false };
    block.header.is_some_and(|header| {
        !header.data_hash.is_empty() && (header.data_hash.len() == 32 || header.previous_hash.len() == 32)
    })
}

fn is_message(bytes: &Bytes) -> bool {
    decode::<gossip::GossipMessage>(bytes.clone()).is_ok_and(|message| message.content.is_some())
}

#[cfg(test)]
mod tests {
    use super::*;
    use prost::Message as _;
    use selvedge_proto::envelope::{payload_of, seal_unsigned};
    use selvedge_proto::gossip::gossip_message::Content;
    use selvedge_proto::gossip::{Acknowledgement, GossipMessage};

    #[test]
    fn the_three_are_told_apart() {
        let ack = Content::Ack(Acknowledgement::default());
        let message =
            GossipMessage { nonce: 7, channel: "ch".into(), content: Some(ack), ..Default::default() };
        assert_eq!(guess(&seal_unsigned(&message)), As::Envelope);
        assert_eq!(guess(&payload_of(&message)), As::Message);
        let header =
            common::BlockHeader { number: 0, previous_hash: Bytes::new(), data_hash: vec![7; 32].into() };
        let block = common::Block { header: Some(header), ..Default::default() };
        assert_eq!(guess(&block.encode_to_vec().into()), As::Block);
    }

    #[test]
    fn garbage_is_taken_for_an_envelope() {
        assert_eq!(guess(&Bytes::from_static(b"no protobuf at all")), As::Envelope);
        assert_eq!(guess(&Bytes::new()), As::Envelope);
    }
}
