//! What the workers compute for the core: signatures, identities, blocks.

use bytes::Bytes;
use selvedge_core::{
    ChannelId, IdentityClaims, Input, MspId, PkiId, Signed, Ticket, VerifiedBlock, WallTime,
};
use selvedge_msp::{MessageVerifier, NodeRole, Signer};
use selvedge_proto::{block, common};

/// The result of a check: an input for the core, and what the driver must remember of it.
#[derive(Debug)]
pub(crate) struct Checked {
    pub(crate) input: Input,
    pub(crate) block: Option<BlockCheck>,
}

/// How a block's check ended: under which configuration sequence it verified, if it did.
#[derive(Debug)]
pub(crate) struct BlockCheck {
    pub(crate) channel: ChannelId,
    pub(crate) number: u64,
    pub(crate) verified_under: Option<u64>,
}

impl From<Input> for Checked {
    fn from(input: Input) -> Self {
        Self { input, block: None }
    }
}

pub(crate) fn sign(signer: &Signer, ticket: Ticket, message: &[u8]) -> Checked {
    let signature = signer
        .sign(message)
        .inspect_err(
            |error| tracing::error!(target: "gossip.gossip", "signing failed, will be tried again: {error}"),
        )
        .ok();
    Input::Signed { ticket, signature }.into()
}

pub(crate) fn check_identity(
    verifier: &MessageVerifier,
    ticket: Ticket,
    identity: &[u8],
    require_peer_role: bool,
) -> Checked {
    let claims = verifier
        .check_identity(identity)
        .inspect_err(|error| tracing::debug!(target: "gossip.identity", "identity refused: {error}"))
        .ok()
        .filter(|claims| !require_peer_role || claims.role.is_none_or(|role| role == NodeRole::Peer))
        .map(|claims| IdentityClaims {
            pki_id: PkiId::new(claims.pki_id),
            org: MspId::from(claims.msp_id),
            expires_at: WallTime::from_seconds(u64::try_from(claims.expires_at).unwrap_or(0)),
            key_hash: claims.public_key_hash,
        });
    Input::IdentityChecked { ticket, claims }.into()
}

pub(crate) fn verify(
    verifier: &MessageVerifier,
    ticket: Ticket,
    identity: &[u8],
    signed: &Signed,
    secret: Option<&Signed>,
    readers_of: Option<&ChannelId>,
) -> Checked {
    let check = |signed: &Signed, readers_of: Option<&ChannelId>| match readers_of {
        Some(channel) => verifier.verify_for_channel(channel, identity, &signed.message, &signed.signature),
        None => verifier.verify(identity, &signed.message, &signed.signature),
    };
    let result = check(signed, readers_of).and_then(|()| secret.map_or(Ok(()), |secret| check(secret, None)));
    if let Err(error) = &result {
        tracing::debug!(target: "gossip.gossip", "signature refused: {error}");
    }
    Input::Verified { ticket, ok: result.is_ok() }.into()
}

pub(crate) fn verify_block(
    verifier: &MessageVerifier,
    ticket: Ticket,
    channel: &ChannelId,
    number: u64,
    bytes: &Bytes,
) -> Checked {
    let checked = check_block(verifier, channel, number, bytes);
    if let Err(reason) = &checked {
        tracing::warn!(target: "gossip.state", "[{channel}] block {number} refused: {reason}");
    }
    let block = checked.as_ref().ok().map(|(verified, _)| verified.clone());
    let verified_under = checked.ok().map(|(_, sequence)| sequence);
    Checked {
        input: Input::BlockVerified { ticket, block },
        block: Some(BlockCheck { channel: channel.clone(), number, verified_under }),
    }
}

fn check_block(
    verifier: &MessageVerifier,
    channel: &ChannelId,
    number: u64,
    bytes: &Bytes,
) -> Result<(VerifiedBlock, u64), String> {
    let bundle = verifier.channel(channel).ok_or("the channel is not joined")?;
    let block = selvedge_proto::decode::<common::Block>(bytes.clone()).map_err(|error| error.to_string())?;
    bundle.verify_block(number, &block).map_err(|error| error.to_string())?;
    Ok((VerifiedBlock { is_config: block::is_config_block(&block) }, bundle.sequence()))
}
