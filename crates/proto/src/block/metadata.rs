//! The slots beside a block, and what orderers sign (spec/07 §4, §5).

use bytes::Bytes;

use super::{BlockError, header_bytes};
use crate::common::{
    Block, BlockHeader, BlockMetadataIndex, LastConfig, Metadata, MetadataSignature, OrdererBlockMetadata,
};
use crate::wire::decode;

/// Slot 0: what the orderers signed beside the header, and their signatures.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct BlockSignatures {
    /// What was signed, exactly as received.
    pub value: Bytes,
    /// The signatures, in any number and order, none of them checked.
    pub entries: Vec<MetadataSignature>,
}

impl BlockSignatures {
    /// The value, decoded. Empty in chains older than Fabric 1.4.1.
    ///
    /// # Errors
    ///
    /// [`BlockError::MetadataUndecodable`].
    pub fn orderer_metadata(&self) -> Result<OrdererBlockMetadata, BlockError> {
        decode(self.value.clone()).map_err(|error| BlockError::MetadataUndecodable { slot: 0, error })
    }
}

/// Reads slot 0.
///
/// # Errors
///
/// [`BlockError::MetadataMissing`], [`BlockError::MetadataUndecodable`].
pub fn signatures(block: &Block) -> Result<BlockSignatures, BlockError> {
    let Metadata { value, signatures } = metadata_slot(block, BlockMetadataIndex::Signatures)?;
    Ok(BlockSignatures { value, entries: signatures })
}

/// The bytes that one signature covers: slot 0's value, the entry's signature header or identifier header, and the
/// block header as DER.
pub fn signed_bytes(value: &[u8], header_of_signature: &[u8], header: &BlockHeader) -> Vec<u8> {
    [value, header_of_signature, &header_bytes(header)].concat()
}

/// The number of the block with the configuration in force when this block was made. A configuration block names
/// itself.
///
/// # Errors
///
/// [`BlockError::MetadataMissing`], [`BlockError::MetadataUndecodable`]; [`BlockError::LastConfigMissing`] where
/// Fabric would crash.
pub fn last_config_index(block: &Block) -> Result<u64, BlockError> {
    let signatures = signatures(block)?;
    if !signatures.value.is_empty() {
        let metadata = signatures.orderer_metadata()?;
        return metadata.last_config.map(|last| last.index).ok_or(BlockError::LastConfigMissing);
    }
    // chains older than Fabric 1.4.1
    let slot = metadata_slot(block, BlockMetadataIndex::LastConfig)?;
    let last: LastConfig =
        decode(slot.value).map_err(|error| BlockError::MetadataUndecodable { slot: 1, error })?;
    Ok(last.index)
}

/// The validation codes of the peer that stored the block, one per transaction; empty as an orderer delivers it. Nobody
/// signed them.
pub fn transactions_filter(block: &Block) -> &[u8] {
    slot(block, BlockMetadataIndex::TransactionsFilter).map(Bytes::as_ref).unwrap_or_default()
}

fn slot(block: &Block, index: BlockMetadataIndex) -> Option<&Bytes> {
    block.metadata.as_ref()?.metadata.get(index as usize)
}

fn metadata_slot(block: &Block, index: BlockMetadataIndex) -> Result<Metadata, BlockError> {
    let number = index as usize;
    let bytes = slot(block, index).ok_or(BlockError::MetadataMissing { slot: number })?;
    decode(bytes.clone()).map_err(|error| BlockError::MetadataUndecodable { slot: number, error })
}
