//! The chain of a channel: which block may come next, and under which configuration.
//!
//! One set of rules for blocks that arrive (the committer), that are read back (`ledger verify`) and that come from files
//! (`ledger import`): number, previous hash, data hash, well-formedness, the orderers' signatures under the configuration
//! in force at that block (spec/07 §6), and what a configuration block changes (spec/07 §10). A damaged block that is put back
//! is judged by the same rules, under the configuration of its time.

use bytes::Bytes;
use selvedge_ledger::{Ledger, LedgerError, NewBlock, ReadError, Reader};
use selvedge_msp::{ChannelBundle, ConfigError, Followed};
use selvedge_proto::{block, common};
use std::sync::Arc;

/// Where a channel's chain stands.
#[derive(Clone, Debug)]
pub struct Chain {
    bundle: Arc<ChannelBundle>,
    height: u64,
    last_hash: Option<[u8; 32]>,
}

/// A block that may be appended.
#[derive(Clone, Debug)]
pub struct CheckedBlock {
    bytes: Bytes,
    number: u64,
    header_hash: [u8; 32],
    previous_hash: Bytes,
    next_bundle: Option<Arc<ChannelBundle>>,
}

/// Why a block is not the next of its chain.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum ChainError {
    /// The bytes are no block.
    #[error("not a block: {0}")]
    Unparsable(selvedge_proto::WireError),
    /// The first block of a chain must be block 0 and have no previous hash (spec/07 §17).
    #[error("not a genesis block: it has number {number} and {previous_hash_bytes} bytes of previous hash")]
    NotGenesis {
        /// The number in its header.
        number: u64,
        /// Length of its previous hash.
        previous_hash_bytes: usize,
    },
    /// The header's previous hash is not the hash of the last block.
    #[error("previous hash {given} is not the hash {expected} of the block before")]
    WrongLink {
        /// Hash of the last block, in hex.
        expected: String,
        /// What the header says, in hex.
        given: String,
    },
    /// Header, data or signatures are wrong under the configuration in force.
    #[error("{0}")]
    Invalid(selvedge_msp::BlockError),
    /// It carries a configuration that cannot follow the present one.
    #[error("configuration: {0}")]
    Config(ConfigError),
    /// A ledger holds no configuration that is in force at a block.
    #[error("no configuration block lies below block {0}: join the channel again")]
    NoConfig(u64),
    /// A ledger's last block cannot be read, so that nobody knows which configuration is in force.
    #[error(
        "block {number}, the last, says which configuration is in force and cannot be read: {reason}; fetch it from another \
         peer (`peer channel fetch {number}`) and put it back with `selvedge ledger import FILE`, the node stopped"
    )]
    LastUnreadable {
        /// The block's number.
        number: u64,
        /// What is wrong with it, and where.
        reason: String,
    },
    /// A ledger's configuration block cannot be read.
    #[error(
        "configuration block {number} is needed and cannot be read: {reason}; fetch it from another peer (`peer channel fetch \
         {number}`) and put it back with `selvedge ledger import FILE`, the node stopped"
    )]
    ConfigUnreadable {
        /// The block's number.
        number: u64,
        /// What is wrong with it, and where.
        reason: String,
    },
}

/// Why a damaged block is not put back.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum MendError {
    /// What was obtained is not the block.
    #[error(transparent)]
    Chain(#[from] ChainError),
    /// Block 0 bears no signatures, and nothing else says that it is the one.
    #[error(
        "block 0 is taken from nobody while block 1, which names it, cannot be read: put both back with `selvedge ledger import \
         FILE...`, the node stopped"
    )]
    GenesisUnproven,
    /// The blocks around it say that it is another, or it cannot be written.
    #[error(transparent)]
    Ledger(#[from] LedgerError),
}

impl Chain {
    /// Starts a chain with its genesis block, which is trusted as given.
    pub fn genesis(bytes: &Bytes) -> Result<(Self, CheckedBlock), ChainError> {
        let block = decode(bytes)?;
        let header = block::check_header(&block, 0).map_err(|_| not_genesis(&block))?;
        if !header.previous_hash.is_empty() {
            return Err(not_genesis(&block));
        }
        block::check_data(&block).map_err(|error| ChainError::Invalid(error.into()))?;
        let bundle = Arc::new(ChannelBundle::from_config_block(&block).map_err(ChainError::Config)?);
        let checked = CheckedBlock::new(bytes, header, Some(Arc::clone(&bundle)));
        let chain = Self { bundle, height: 1, last_hash: Some(checked.header_hash) };
        Ok((chain, checked))
    }

    /// Takes up the chain at the end of a ledger.
    pub fn of(ledger: &Ledger) -> Result<Self, ChainError> {
        let (reader, height) = (ledger.reader(), ledger.height());
        let number = config_number_before(&reader, height)?;
        // it may hold a configuration itself, and names the one in force if it does not
        let last = height.saturating_sub(1);
        reader
            .read(last)
            .map_err(|error| ChainError::LastUnreadable { number: last, reason: error.to_string() })?;
        Ok(Self::resume(bundle_of(&reader, number)?, height, ledger.last_hash()))
    }

    /// Goes on with a chain: `bundle` is the configuration in force after its last block.
    pub const fn resume(bundle: Arc<ChannelBundle>, height: u64, last_hash: Option<[u8; 32]>) -> Self {
        Self { bundle, height, last_hash }
    }

    /// The configuration in force for the next block.
    pub const fn bundle(&self) -> &Arc<ChannelBundle> {
        &self.bundle
    }

    /// Number of blocks, which is the number of the next one.
    pub const fn height(&self) -> u64 {
        self.height
    }

    /// Header hash of the last block.
    pub const fn last_hash(&self) -> Option<[u8; 32]> {
        self.last_hash
    }

    /// Checks that `bytes` are the next block.
    ///
    /// `verified_under` names the configuration sequence under which header, data and signatures were verified before; they are
    /// verified again only if another configuration is in force now. The link to the block before is always checked.
    pub fn check(&self, bytes: &Bytes, verified_under: Option<u64>) -> Result<CheckedBlock, ChainError> {
        let block = decode(bytes)?;
        if verified_under != Some(self.bundle.sequence()) {
            self.bundle.verify_block(self.height, &block).map_err(ChainError::Invalid)?;
        }
        let header =
            block::check_header(&block, self.height).map_err(|error| ChainError::Invalid(error.into()))?;
        if let Some(last_hash) = &self.last_hash
            && header.previous_hash[..] != last_hash[..]
        {
            return Err(ChainError::WrongLink {
                expected: hex(last_hash),
                given: hex(&header.previous_hash),
            });
        }
        let next_bundle = if block::is_config_block(&block) {
            match self.bundle.follow(&block).map_err(ChainError::Config)? {
                Followed::New(bundle) => Some(Arc::from(bundle)),
                Followed::NotConfig | Followed::Flagged { .. } => None,
            }
        } else {
            None
        };
        Ok(CheckedBlock::new(bytes, header, next_bundle))
    }

    /// Takes a checked block as the last of the chain.
    pub fn advance(&mut self, block: &CheckedBlock) {
        debug_assert_eq!(block.number, self.height);
        self.height = block.number + 1;
        self.last_hash = Some(block.header_hash);
        if let Some(bundle) = &block.next_bundle {
            self.bundle = Arc::clone(bundle);
        }
    }
}

impl CheckedBlock {
    fn new(bytes: &Bytes, header: &common::BlockHeader, next_bundle: Option<Arc<ChannelBundle>>) -> Self {
        Self {
            bytes: bytes.clone(),
            number: header.number,
            header_hash: block::header_hash(header),
            previous_hash: header.previous_hash.clone(),
            next_bundle,
        }
    }

    /// Its number.
    pub const fn number(&self) -> u64 {
        self.number
    }

    /// The configuration it puts in force, if any.
    pub const fn next_bundle(&self) -> Option<&Arc<ChannelBundle>> {
        self.next_bundle.as_ref()
    }

    /// As the ledger takes it.
    pub fn as_new_block(&self) -> NewBlock<'_> {
        NewBlock {
            number: self.number,
            header_hash: self.header_hash,
            previous_hash: &self.previous_hash,
            // a configuration that was flagged invalid is in the chain but never in force
            is_config: self.next_bundle.is_some(),
            bytes: &self.bytes,
        }
    }
}

/// Puts a block back that is damaged in a ledger, if it is the one: by the rules of the chain under the configuration of its
/// time, and by the hashes of its neighbours; block 0, which nobody signed, only if block 1 names it. Durable on return. Of
/// several in a row the lowest must come first.
pub fn mend(ledger: &mut Ledger, number: u64, bytes: &Bytes) -> Result<(), MendError> {
    if number == 0 && ledger.height() > 1 && !matches!(ledger.reader().read(1), Ok(Some(_))) {
        return Err(MendError::GenesisUnproven);
    }
    mend_given(ledger, number, bytes)
}

/// As [`mend`], but block 0 is trusted as given unless block 1 says that it is another: the operator gives it, as when the
/// channel was joined.
pub fn mend_given(ledger: &mut Ledger, number: u64, bytes: &Bytes) -> Result<(), MendError> {
    let block = if number == 0 {
        Chain::genesis(bytes)?.1
    } else {
        let reader = ledger.reader();
        let bundle = bundle_of(&reader, config_number_before(&reader, number)?)?;
        // the ledger knows the neighbours' hashes, as far as they can be read
        Chain::resume(bundle, number, None).check(bytes, None)?
    };
    Ok(ledger.mend(block.as_new_block())?)
}

/// Number of the block whose configuration is in force for block `height`, as far as the block before it can be read.
fn config_number_before(reader: &Reader, height: u64) -> Result<u64, ChainError> {
    let last = height.checked_sub(1).ok_or(ChainError::NoConfig(height))?;
    let known = reader.last_config_at_or_below(last);
    // a damaged block cannot say itself that it holds a configuration, but those after it name it
    let named = reader.read(last).ok().flatten();
    let named = named.and_then(|bytes| block::last_config_index(&decode(&bytes).ok()?).ok());
    if let Some(number) = named.filter(|named| *named < height && known.is_none_or(|known| *named > known))
        && let Err(ReadError::Damaged(damage)) = reader.read(number)
    {
        return Err(ChainError::ConfigUnreadable { number, reason: damage.to_string() });
    }
    known.ok_or_else(|| match reader.damage().first() {
        // a ledger begins with a configuration, or keeps one of those that were pruned
        Some(damage) if damage.first < height => {
            ChainError::ConfigUnreadable { number: damage.first, reason: damage.to_string() }
        }
        _ => ChainError::NoConfig(height),
    })
}

/// The configuration in a ledger's block.
fn bundle_of(reader: &Reader, number: u64) -> Result<Arc<ChannelBundle>, ChainError> {
    let unreadable = |reason: String| ChainError::ConfigUnreadable { number, reason };
    let bytes = reader.read(number).map_err(|error| unreadable(error.to_string()))?;
    let block = decode(&bytes.ok_or_else(|| unreadable("it is missing".to_owned()))?)?;
    ChannelBundle::from_config_block(&block).map(Arc::new).map_err(ChainError::Config)
}

fn decode(bytes: &Bytes) -> Result<common::Block, ChainError> {
    selvedge_proto::decode::<common::Block>(bytes.clone()).map_err(ChainError::Unparsable)
}

fn not_genesis(block: &common::Block) -> ChainError {
    let header = block.header.as_ref();
    ChainError::NotGenesis {
        number: header.map_or(0, |header| header.number),
        previous_hash_bytes: header.map_or(0, |header| header.previous_hash.len()),
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
