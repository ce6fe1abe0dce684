//! Whether a block is the orderers' block, and which of their signatures are right.

use super::summary::OrdererSignature;
use crate::show::{Claimed, common_name};
use crate::trust::{Trust, Verdict};
use prost::Message as _;
use selvedge_msp::{BlockError, ChannelBundle};
use selvedge_proto::common::{Block, BlockHeader, IdentifierHeader, MetadataSignature, SignatureHeader};
use selvedge_proto::msp::SerializedIdentity;
use selvedge_proto::{block, decode};
use std::sync::Arc;

/// More signatures than any channel has consenters are not looked at.
const SIGNATURE_COUNT_MAX: usize = 256;

/// What became of the check, and with which configuration it was made.
pub(super) struct Checked {
    pub(super) verdict: Verdict,
    pub(super) bundle: Option<Arc<ChannelBundle>>,
    /// Number of its block.
    pub(super) configuration: Option<u64>,
}

/// Checks number, data and signatures under the newest given configuration from before the block.
pub(super) fn check(block: &Block, header: &BlockHeader, channel: Option<&str>, trust: &Trust) -> Checked {
    let without = |verdict| Checked { verdict, bundle: None, configuration: None };
    if let Err(error) = block::check_data(block) {
        return without(Verdict::Bad(error.to_string()));
    }
    let Some(channel) = channel else {
        return without(Verdict::Bad("nothing says which channel it is of".to_owned()));
    };
    if header.number == 0 {
        let reason = "a genesis block is not signed: whoever joins with it trusts it as given";
        return without(Verdict::Unknown(reason.to_owned()));
    }
    let Some(found) = trust.configuration_before(channel, header.number) else {
        let reason = "no configuration of its channel from before it is given with --config-block";
        return without(Verdict::Unknown(reason.to_owned()));
    };
    let verdict = match found.bundle.verify_block(header.number, block) {
        Ok(()) => Verdict::Good,
        Err(error) => refusal(block, &error, found.number),
    };
    Checked { verdict, bundle: Some(Arc::clone(&found.bundle)), configuration: Some(found.number) }
}

/// A refusal by an outdated configuration says nothing.
fn refusal(block: &Block, error: &BlockError, configuration: u64) -> Verdict {
    let is_outdated = block::last_config_index(block)
        .is_ok_and(|named| named > configuration && !block::is_config_block(block));
    if is_outdated && matches!(error, BlockError::Policy(_)) {
        let named = block::last_config_index(block).unwrap_or_default();
        return Verdict::Unknown(format!(
            "under the configuration of block {configuration}: {error}; it was made under that of block {named}: give \
             it with --config-block"
        ));
    }
    Verdict::Bad(error.to_string())
}

/// The signatures, one by one.
pub(super) fn signatures(
    block: &Block,
    header: &BlockHeader,
    bundle: Option<&ChannelBundle>,
    trust: &Trust,
) -> Vec<OrdererSignature> {
    let Ok(signatures) = block::signatures(block) else { return Vec::new() };
    let entries = signatures.entries.iter().take(SIGNATURE_COUNT_MAX);
    entries.map(|entry| check_one(entry, &signatures.value, header, bundle, trust)).collect()
}

fn check_one(
    entry: &MetadataSignature,
    value: &[u8],
    header: &BlockHeader,
    bundle: Option<&ChannelBundle>,
    trust: &Trust,
) -> OrdererSignature {
    let (consenter, signed_header, identity) = match signer(entry, bundle) {
        Ok(signer) => signer,
        Err((consenter, verdict)) => return OrdererSignature::of(None, consenter, &verdict),
    };
    let signed = block::signed_bytes(value, signed_header, header);
    let verdict = trust.verify(&identity, &signed, &entry.signature);
    OrdererSignature::of(Claimed::read(&identity), consenter, &verdict)
}

/// The consenter's number under BFT, the header that was signed, and the identity that is said to have signed.
type Signer<'a> = (Option<u32>, &'a [u8], Vec<u8>);

fn signer<'a>(
    entry: &'a MetadataSignature,
    bundle: Option<&ChannelBundle>,
) -> Result<Signer<'a>, (Option<u32>, Verdict)> {
    if !entry.signature_header.is_empty() || entry.identifier_header.is_empty() {
        let header: SignatureHeader = decode(entry.signature_header.clone())
            .map_err(|error| (None, Verdict::Bad(format!("its header: {error}"))))?;
        return Ok((None, &entry.signature_header, header.creator.to_vec()));
    }
    let header: IdentifierHeader = decode(entry.identifier_header.clone())
        .map_err(|error| (None, Verdict::Bad(format!("its header: {error}"))))?;
    let number = Some(header.identifier);
    let Some(bundle) = bundle else {
        let reason = "who the consenter is, is in the channel's configuration: give it with --config-block";
        return Err((number, Verdict::Unknown(reason.to_owned())));
    };
    let consenter = bundle.consenters().iter().find(|consenter| consenter.id == header.identifier);
    let consenter = consenter
        .ok_or_else(|| (number, Verdict::Bad("the configuration has no such consenter".to_owned())))?;
    let identity =
        SerializedIdentity { mspid: consenter.msp_id.clone(), id_bytes: consenter.identity.clone() };
    Ok((number, &entry.identifier_header, identity.encode_to_vec()))
}

impl OrdererSignature {
    fn of(claimed: Option<Claimed>, consenter: Option<u32>, verdict: &Verdict) -> Self {
        let name = claimed.as_ref().and_then(|claimed| claimed.certificate.as_ref());
        Self {
            name: name.map(|certificate| common_name(&certificate.subject)),
            msp_id: claimed.map(|claimed| claimed.msp_id),
            consenter,
            signature_ok: verdict.ok(),
            reason: verdict.reason().map(str::to_owned),
        }
    }
}
