//! Whom the user vouches for: configuration blocks and MSP folders given as flags.

use crate::failure::Failure;
use bytes::Bytes;
use clap::Args;
use selvedge_msp::{ChannelBundle, Identity, IdentityError, Msp};
use selvedge_proto::common;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// What signatures are checked against.
#[derive(Args, Debug, Default)]
pub(crate) struct TrustFlags {
    /// A channel's genesis or configuration block: its organisations' identities and, for blocks, its orderers and their
    /// policy are known. May be given several times; of one channel the configuration in force at a block counts
    #[arg(long = "config-block", value_name = "FILE")]
    config_blocks: Vec<PathBuf>,
    /// An MSP folder (cacerts, config.yaml, ...): the identities of that organisation are known. May be given several times
    #[arg(long = "msp", value_name = "MSPID=DIR", value_parser = parse_msp)]
    msps: Vec<(String, PathBuf)>,
}

fn parse_msp(text: &str) -> Result<(String, PathBuf), String> {
    match text.split_once('=') {
        Some((msp_id, folder)) if !msp_id.is_empty() && !folder.is_empty() => {
            Ok((msp_id.to_owned(), PathBuf::from(folder)))
        }
        _ => Err("expected MSPID=DIR, such as Org1MSP=./msp".to_owned()),
    }
}

impl TrustFlags {
    pub(crate) fn load(&self) -> Result<Trust, Failure> {
        let mut trust = Trust::default();
        for file in &self.config_blocks {
            trust.add_block(file)?;
        }
        for (msp_id, folder) in &self.msps {
            trust.msps.push(Arc::new(Msp::load_verifying(folder, msp_id)?));
        }
        Ok(trust)
    }
}

/// The outcome of a check.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// Right, and by whom.
    Good,
    /// Wrong, and why.
    Bad(String),
    /// It could not be checked, and why.
    Unknown(String),
}

impl Verdict {
    /// As JSON has it: true, false or null.
    pub(crate) fn ok(&self) -> Option<bool> {
        match self {
            Self::Good => Some(true),
            Self::Bad(_) => Some(false),
            Self::Unknown(_) => None,
        }
    }

    /// Why it is not good.
    pub(crate) fn reason(&self) -> Option<&str> {
        match self {
            Self::Good => None,
            Self::Bad(reason) | Self::Unknown(reason) => Some(reason),
        }
    }

    /// The worse of two.
    pub(crate) fn and(self, other: Self) -> Self {
        match (&self, &other) {
            (Self::Bad(_), _) | (Self::Unknown(_), Self::Good | Self::Unknown(_)) => self,
            _ => other,
        }
    }
}

/// A configuration given by its block.
#[derive(Debug)]
pub(crate) struct Configuration {
    /// Number of its block.
    pub(crate) number: u64,
    pub(crate) bundle: Arc<ChannelBundle>,
}

/// Everything that was given.
#[derive(Debug, Default)]
pub(crate) struct Trust {
    configurations: Vec<Configuration>,
    msps: Vec<Arc<Msp>>,
}

impl Trust {
    /// Adds the configuration of a block in a file.
    pub(crate) fn add_block(&mut self, file: &Path) -> Result<(), Failure> {
        let refused = |reason: String| Failure::because(format!("{}: {reason}", file.display()));
        let bytes = std::fs::read(file).map_err(|error| refused(error.to_string()))?;
        let block = selvedge_proto::decode::<common::Block>(Bytes::from(bytes))
            .map_err(|error| refused(format!("not a block: {error}")))?;
        self.add(&block).map_err(refused)
    }

    /// Adds the configuration of a block.
    pub(crate) fn add(&mut self, block: &common::Block) -> Result<(), String> {
        let bundle = ChannelBundle::from_config_block(block)
            .map_err(|error| format!("{error}; --config-block wants a genesis or configuration block"))?;
        let number = block.header.as_ref().map_or(0, |header| header.number);
        self.configurations.push(Configuration { number, bundle: Arc::new(bundle) });
        Ok(())
    }

    /// Adds an organisation.
    pub(crate) fn add_msp(&mut self, msp: Arc<Msp>) {
        self.msps.push(msp);
    }

    /// Whether nothing was given.
    pub(crate) fn is_empty(&self) -> bool {
        self.configurations.is_empty() && self.msps.is_empty()
    }

    /// All configurations.
    pub(crate) fn configurations(&self) -> &[Configuration] {
        &self.configurations
    }

    /// Names of the channels whose configurations were given.
    pub(crate) fn channels(&self) -> impl Iterator<Item = &str> {
        self.configurations.iter().map(|configuration| configuration.bundle.channel_id())
    }

    /// The newest given configuration of a channel that was made before block `number`.
    pub(crate) fn configuration_before(&self, channel: &str, number: u64) -> Option<&Configuration> {
        let of_channel = |found: &&Configuration| found.bundle.channel_id() == channel;
        let earlier = self.configurations.iter().filter(of_channel).filter(|found| found.number < number);
        earlier.max_by_key(|found| found.number)
    }

    /// Whoever knows the identity's MSP and accepts it; otherwise why nobody does.
    pub(crate) fn identity(&self, serialized: &[u8]) -> Result<Arc<Identity>, Verdict> {
        if self.is_empty() {
            return Err(Verdict::Unknown("neither --config-block nor --msp is given".to_owned()));
        }
        let by_msps = self.msps.iter().map(|msp| msp.deserialize(serialized));
        // the newest configuration first
        let bundles = self.configurations.iter().rev().map(|found| found.bundle.deserialize(serialized));
        let mut refusal = None;
        for found in by_msps.chain(bundles) {
            let verdict = match found {
                Ok(identity) => match identity.validate() {
                    Ok(()) => return Ok(identity),
                    Err(error) => Verdict::Bad(format!("the identity is not valid: {error}")),
                },
                Err(IdentityError::UnknownMsp(_)) => continue,
                Err(error) => Verdict::Bad(format!("the identity is not accepted: {error}")),
            };
            refusal.get_or_insert(verdict);
        }
        Err(refusal.unwrap_or_else(|| match crate::show::Claimed::read(serialized) {
            Some(claimed) => Verdict::Unknown(format!(
                "MSP {} is not among those given by --config-block and --msp",
                crate::show::clean(&claimed.msp_id)
            )),
            None => Verdict::Bad("the identity is not a serialized identity".to_owned()),
        }))
    }

    /// Whether an accepted identity signed the message. Policies of channels are not asked.
    pub(crate) fn verify(&self, serialized: &[u8], message: &[u8], signature: &[u8]) -> Verdict {
        match self.identity(serialized) {
            Ok(identity) => match identity.verify(message, signature) {
                Ok(()) => Verdict::Good,
                Err(error) => Verdict::Bad(error.to_string()),
            },
            Err(verdict) => verdict,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn msps_are_named_with_their_folder() {
        assert_eq!(parse_msp("Org1MSP=./a=b"), Ok(("Org1MSP".to_owned(), PathBuf::from("./a=b"))));
        assert!(parse_msp("./msp").is_err());
        assert!(parse_msp("=dir").is_err());
    }

    #[test]
    fn the_worse_verdict_counts() {
        let (bad, unknown) = (Verdict::Bad("b".to_owned()), Verdict::Unknown("u".to_owned()));
        assert_eq!(Verdict::Good.and(bad.clone()), bad);
        assert_eq!(unknown.clone().and(bad.clone()), bad);
        assert_eq!(bad.clone().and(unknown.clone()), bad);
        assert_eq!(unknown.clone().and(Verdict::Good), unknown);
        assert_eq!(Verdict::Good.and(Verdict::Good), Verdict::Good);
    }
}
