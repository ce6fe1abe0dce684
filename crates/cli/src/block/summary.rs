//! What there is to say of a block.

use super::checks;
use crate::show::{Claimed, common_name, hex};
use crate::trust::{Trust, Verdict};
use selvedge_msp::ChannelBundle;
use selvedge_proto::common::{self, BlockMetadataIndex, HeaderType};
use selvedge_proto::peer::{ChaincodeHeaderExtension, TxValidationCode};
use selvedge_proto::{block, decode};
use serde::Serialize;

/// A block in words; `--json` prints it as it stands here.
#[derive(Debug, Serialize)]
pub(crate) struct BlockSummary {
    pub(crate) number: u64,
    /// That of the first transaction.
    pub(crate) channel: Option<String>,
    pub(crate) size: usize,
    /// SHA-256 of the header's DER, in hexadecimal like all hashes here.
    pub(crate) header_hash: String,
    pub(crate) previous_hash: String,
    pub(crate) data_hash: String,
    /// Whether the data hash is that of the data.
    pub(crate) data_hash_ok: bool,
    pub(crate) is_config: bool,
    /// Number of the block whose configuration the orderers name.
    pub(crate) last_config: Option<u64>,
    pub(crate) transactions: Vec<Transaction>,
    pub(crate) signatures: Vec<OrdererSignature>,
    /// Header, data and signatures under the BlockValidation policy.
    pub(crate) signature_ok: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) reason: Option<String>,
    /// Number of the block whose configuration that was checked with.
    pub(crate) checked_with_config: Option<u64>,
    /// The storing peer's running hash over its state.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) commit_hash: Option<String>,
    /// What a configuration block configures.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) config: Option<ConfigSummary>,
    /// What is wrong with it, short of signatures.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) problems: Vec<String>,
}

/// One transaction; all but the validation code is what its creator says.
#[derive(Debug, Serialize)]
pub(crate) struct Transaction {
    pub(crate) index: usize,
    #[serde(rename = "type")]
    pub(crate) kind: String,
    pub(crate) tx_id: String,
    pub(crate) creator_msp_id: String,
    /// Common name of the creator's certificate.
    pub(crate) creator: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub(crate) chaincode: String,
    /// Seconds since 1970.
    pub(crate) timestamp: Option<i64>,
    /// Name of the code with which the storing peer flagged it; null as orderers deliver it.
    pub(crate) validation: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) problem: Option<String>,
}

/// One signature of the orderers.
#[derive(Debug, Serialize)]
pub(crate) struct OrdererSignature {
    pub(crate) msp_id: Option<String>,
    /// Common name of the certificate.
    pub(crate) name: Option<String>,
    /// Under BFT, the consenter's number.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) consenter: Option<u32>,
    pub(crate) signature_ok: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) reason: Option<String>,
}

/// What a configuration block says.
#[derive(Debug, Serialize)]
pub(crate) struct ConfigSummary {
    pub(crate) sequence: u64,
    pub(crate) consensus: String,
    /// MSP IDs of the organisations of the channel, each with its anchor peers.
    pub(crate) organizations: Vec<ConfigOrganization>,
    /// `host:port` of the orderers.
    pub(crate) orderers: Vec<String>,
}

/// An organisation of the channel.
#[derive(Debug, Serialize)]
pub(crate) struct ConfigOrganization {
    pub(crate) msp_id: String,
    pub(crate) anchor_peers: Vec<String>,
}

impl BlockSummary {
    /// Reads and checks a block of `size` bytes; an error if it has no header.
    pub(crate) fn of(block: &common::Block, size: usize, trust: &Trust) -> Result<Self, String> {
        let header = block.header.as_ref().ok_or("a block without header")?;
        let channel = block::channel_id(block).ok();
        let verdict = checks::check(block, header, channel.as_deref(), trust);
        let mut problems = Vec::new();
        problems.extend(block::transactions_are_well_formed(block::entries(block)).err());
        problems.extend(block::refuse_config_among_others(block::entries(block)).err());
        problems.extend(block::channel_id(block).err());
        let (config, config_problem) = config_of(block);
        let mut problems: Vec<String> = problems.iter().map(ToString::to_string).collect();
        problems.extend(config_problem);
        let signatures = checks::signatures(block, header, verdict.bundle.as_deref(), trust);
        Ok(Self {
            number: header.number,
            channel,
            size,
            header_hash: hex(&block::header_hash(header)),
            previous_hash: hex(&header.previous_hash),
            data_hash: hex(&header.data_hash),
            data_hash_ok: header.data_hash[..] == block::data_hash(block::entries(block)),
            is_config: block::is_config_block(block),
            last_config: block::last_config_index(block).ok(),
            transactions: transactions(block),
            signatures,
            signature_ok: verdict.verdict.ok(),
            reason: verdict.verdict.reason().map(str::to_owned),
            checked_with_config: verdict.configuration,
            commit_hash: commit_hash(block),
            config,
            problems,
        })
    }

    /// The verdict once more.
    pub(crate) fn verdict(&self) -> Verdict {
        let reason = || self.reason.clone().unwrap_or_default();
        match self.signature_ok {
            Some(true) => Verdict::Good,
            Some(false) => Verdict::Bad(reason()),
            None => Verdict::Unknown(reason()),
        }
    }
}

fn transactions(block: &common::Block) -> Vec<Transaction> {
    let flags = block::transactions_filter(block);
    let entries = block::entries(block).iter().enumerate();
    entries
        .map(|(index, entry)| {
            let mut transaction = match read_transaction(entry) {
                Ok(transaction) => transaction,
                Err(problem) => Transaction::unreadable(problem),
            };
            transaction.index = index;
            transaction.validation = flags.get(index).map(|&flag| validation_name(flag));
            transaction
        })
        .collect()
}

impl Transaction {
    fn unreadable(problem: String) -> Self {
        Self {
            index: 0,
            kind: "UNREADABLE".to_owned(),
            tx_id: String::new(),
            creator_msp_id: String::new(),
            creator: String::new(),
            chaincode: String::new(),
            timestamp: None,
            validation: None,
            problem: Some(problem),
        }
    }
}

fn read_transaction(entry: &bytes::Bytes) -> Result<Transaction, String> {
    let text = |error: selvedge_proto::WireError| error.to_string();
    let envelope: common::Envelope = decode(entry.clone()).map_err(text)?;
    let payload: common::Payload = decode(envelope.payload).map_err(text)?;
    let header = payload.header.ok_or("no header")?;
    let channel_header: common::ChannelHeader = decode(header.channel_header).map_err(text)?;
    let signature_header: common::SignatureHeader = decode(header.signature_header).map_err(text)?;
    let creator = Claimed::read(&signature_header.creator);
    let chaincode = decode::<ChaincodeHeaderExtension>(channel_header.extension)
        .ok()
        .and_then(|extension| extension.chaincode_id)
        .map(|chaincode| chaincode.name);
    Ok(Transaction {
        index: 0,
        kind: HeaderType::try_from(channel_header.r#type)
            .map_or_else(|_| channel_header.r#type.to_string(), |kind| kind.as_str_name().to_owned()),
        tx_id: channel_header.tx_id,
        creator: creator
            .as_ref()
            .and_then(|claimed| claimed.certificate.as_ref())
            .map_or_else(String::new, |certificate| common_name(&certificate.subject)),
        creator_msp_id: creator.map_or_else(String::new, |claimed| claimed.msp_id),
        chaincode: chaincode.unwrap_or_default(),
        timestamp: channel_header.timestamp.map(|at| at.seconds),
        validation: None,
        problem: None,
    })
}

fn validation_name(flag: u8) -> String {
    TxValidationCode::try_from(i32::from(flag))
        .map_or_else(|_| format!("CODE_{flag}"), |code| code.as_str_name().to_owned())
}

fn commit_hash(block: &common::Block) -> Option<String> {
    let slot = block.metadata.as_ref()?.metadata.get(BlockMetadataIndex::CommitHash as usize)?;
    let metadata: common::Metadata = decode(slot.clone()).ok()?;
    (!metadata.value.is_empty()).then(|| hex(&metadata.value))
}

/// What a configuration block configures, or why that cannot be said.
fn config_of(block: &common::Block) -> (Option<ConfigSummary>, Option<String>) {
    if !block::is_config_block(block) {
        return (None, None);
    }
    let bundle = match ChannelBundle::from_config_block(block) {
        Ok(bundle) => bundle,
        Err(error) => return (None, Some(format!("its configuration cannot be used: {error}"))),
    };
    let organizations = bundle.application_orgs().iter().map(|org| ConfigOrganization {
        msp_id: org.msp_id.clone(),
        anchor_peers: org.anchor_peers.iter().map(|peer| format!("{}:{}", peer.host, peer.port)).collect(),
    });
    let config = ConfigSummary {
        sequence: bundle.sequence(),
        consensus: bundle.consensus_type().to_owned(),
        organizations: organizations.collect(),
        orderers: bundle.orderer_endpoints().into_iter().map(|endpoint| endpoint.address).collect(),
    };
    (Some(config), None)
}
