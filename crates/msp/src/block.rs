//! Who ordered a block (spec/07 §5 and §6).

use prost::Message;
use selvedge_proto::WireError;
use selvedge_proto::block::{self, BlockError as Malformed, BlockSignatures};
use selvedge_proto::common::{Block, BlockHeader, IdentifierHeader, MetadataSignature, SignatureHeader};
use selvedge_proto::msp::SerializedIdentity;

use crate::channel_config::{BLOCK_VALIDATION, ChannelBundle};
use crate::policy::{PolicyError, SignedData};

/// Why a block was refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BlockError {
    /// Something is missing, does not parse, or does not fit together; or a configuration stands among other
    /// transactions.
    #[error("{0}")]
    Malformed(#[from] Malformed),
    /// The block is of another channel.
    #[error("the block is of channel {0:?}")]
    Channel(String),
    /// No orderer makes so many signatures: each would cost a verification.
    #[error("the block has {count} signatures, more than {max}")]
    TooManySignatures {
        /// How many there are.
        count: usize,
        /// How many are looked at.
        max: usize,
    },
    /// The header of a signature does not parse, which makes the whole block invalid.
    #[error("the header of signature {index} does not parse")]
    SignatureHeader {
        /// Its place in the list.
        index: usize,
    },
    /// The signatures are not enough.
    #[error("{0}")]
    Policy(#[from] PolicyError),
}

impl BlockError {
    /// A short label for counters.
    pub fn reason(&self) -> &'static str {
        match self {
            Self::Malformed(error) => match error {
                Malformed::NumberMismatch { .. } => "block_number",
                Malformed::DataHashMismatch => "block_data_hash",
                Malformed::EntryMalformed { .. } => "block_not_well_formed",
                Malformed::ConfigAmongOthers { .. } => "block_config_among_others",
                _ => "block_malformed",
            },
            Self::Channel(_) => "block_channel",
            Self::TooManySignatures { .. } => "block_signature_count",
            Self::SignatureHeader { .. } => "block_signature_header",
            Self::Policy(_) => "block_signatures",
        }
    }
}

/// How many signatures of a block are looked at where the channel has few consenters; otherwise twice their number. Raft
/// makes one signature, BFT at most one for each consenter.
const SIGNATURE_COUNT_MIN: usize = 16;

impl ChannelBundle {
    /// Verifies a block from a peer or an orderer under this configuration: its number, its channel, that its data are
    /// well formed and hash to the header's data hash, and that orderers' signatures satisfy
    /// `/Channel/Orderer/BlockValidation` (spec/07 §6.1). A configuration among other transactions is refused, and too
    /// many signatures are (§6.4).
    ///
    /// Not checked here: the hash of the block before, which only the ledger knows. Metadata other than slot 0 are not
    /// protected by anything.
    ///
    /// # Errors
    ///
    /// The first check that fails.
    pub fn verify_block(&self, number: u64, block: &Block) -> Result<(), BlockError> {
        let header = block::check_header(block, number)?;
        let channel = block::channel_id(block)?;
        if channel != self.channel_id() {
            return Err(BlockError::Channel(channel));
        }
        let signatures = self.signatures(block)?;
        block::refuse_config_among_others(block::entries(block))?;
        block::check_data(block)?;
        self.check_signatures(header, &signatures)
    }

    /// Verifies the header and the orderers' signatures of a block that came without its data (spec/07 §6.3). It says
    /// nothing about data that may be there.
    ///
    /// # Errors
    ///
    /// The first check that fails.
    pub fn verify_attestation(&self, number: u64, block: &Block) -> Result<(), BlockError> {
        let header = block::check_header(block, number)?;
        self.check_signatures(header, &self.signatures(block)?)
    }

    /// Slot 0, if its list of signatures is not absurd.
    fn signatures(&self, block: &Block) -> Result<BlockSignatures, BlockError> {
        let signatures = block::signatures(block)?;
        let max = SIGNATURE_COUNT_MIN.max(self.consenters().len().saturating_mul(2));
        let count = signatures.entries.len();
        if count > max { Err(BlockError::TooManySignatures { count, max }) } else { Ok(signatures) }
    }

    fn check_signatures(&self, header: &BlockHeader, signatures: &BlockSignatures) -> Result<(), BlockError> {
        let mut signed = Vec::with_capacity(signatures.entries.len());
        for (index, entry) in signatures.entries.iter().enumerate() {
            let signer = self.signer(entry).map_err(|_| BlockError::SignatureHeader { index })?;
            let Some(Signer { signed_header, identity }) = signer else { continue };
            signed.push(SignedData {
                data: block::signed_bytes(&signatures.value, signed_header, header).into(),
                identity: identity.into(),
                signature: (&entry.signature[..]).into(),
            });
        }
        Ok(self.evaluate(BLOCK_VALIDATION, &signed)?)
    }

    /// Who is said to have made a signature; None if that is a consenter nobody knows.
    fn signer<'a>(&self, entry: &'a MetadataSignature) -> Result<Option<Signer<'a>>, WireError> {
        let is_bft = self.capabilities().bft_signatures()
            && entry.signature_header.is_empty()
            && !entry.identifier_header.is_empty();
        if !is_bft {
            let header: SignatureHeader = selvedge_proto::decode(entry.signature_header.clone())?;
            return Ok(Some(Signer {
                signed_header: &entry.signature_header,
                identity: header.creator.to_vec(),
            }));
        }
        let header: IdentifierHeader = selvedge_proto::decode(entry.identifier_header.clone())?;
        let consenter = self.consenters().iter().find(|consenter| consenter.id == header.identifier);
        Ok(consenter.map(|consenter| {
            let identity =
                SerializedIdentity { mspid: consenter.msp_id.clone(), id_bytes: consenter.identity.clone() };
            Signer { signed_header: &entry.identifier_header, identity: identity.encode_to_vec() }
        }))
    }
}

/// Who is said to have made a signature, and the header that it covers.
struct Signer<'a> {
    signed_header: &'a [u8],
    /// Serialized.
    identity: Vec<u8>,
}
