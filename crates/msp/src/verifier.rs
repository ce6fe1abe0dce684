//! What gossip asks: whose identity is this, and is the signature right (spec/03 §6).

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, PoisonError, RwLock};

use crate::cache::Cache;
use crate::channel_config::ChannelBundle;
use crate::crypto::{HashFamily, SignatureError};
use crate::identity::{Identity, IdentityError, check_well_formed, parse, pki_id};
use crate::local::LocalMsp;
use crate::node_ou::NodeRole;
use crate::policy::PolicyError;
use crate::{PkiId, UnixSeconds};

/// What a valid identity says of itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IdentityClaims {
    /// Computed from the bytes.
    pub pki_id: PkiId,
    /// The organisation.
    pub msp_id: String,
    /// Whether that is the node's own organisation, accepted by the local MSP.
    pub own_organization: bool,
    /// The beginning of the certificate's validity. Nothing here compares it with a clock.
    pub not_before: UnixSeconds,
    /// The end of the certificate's validity. Nothing here compares it with a clock.
    pub expires_at: UnixSeconds,
    /// SHA-256 of the public key info: the same for all encodings of a certificate, of which there are unlimited ones, each
    /// with a PKI-ID of its own (spec/03 §12, 2 and 3).
    pub public_key_hash: [u8; 32],
    /// The role, where the organisation tells roles apart. Fabric accepts all of them as peers (spec/03 §12, 1).
    pub role: Option<NodeRole>,
    /// Whether these are the bytes that a Fabric peer with this certificate sends.
    pub canonical: bool,
}

/// Why a signature was not accepted.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum VerifyError {
    /// The identity is not accepted.
    #[error("{0}")]
    Identity(#[from] IdentityError),
    /// The signature is wrong.
    #[error("{0}")]
    Signature(#[from] SignatureError),
    /// The signature is right, but no channel's readers accept the signer: the verdict of the first channel.
    #[error("channel {channel}: {error}")]
    Readers {
        /// The channel.
        channel: String,
        /// What its policy says.
        error: PolicyError,
    },
    /// The node is not in this channel.
    #[error("channel {0:?} is not joined")]
    UnknownChannel(String),
}

impl VerifyError {
    /// A short label for counters.
    pub fn reason(&self) -> &'static str {
        match self {
            Self::Identity(error) => error.reason(),
            Self::Signature(error) => error.reason(),
            Self::Readers { .. } => "readers_refused",
            Self::UnknownChannel(_) => "channel_unknown",
        }
    }
}

/// How many verdicts on identities are kept, and the bytes of those identities. Refusals have a smaller cache of their
/// own, so that a flood of bad identities does not push out the good ones.
const ACCEPTED_COUNT_MAX: usize = 4096;
const ACCEPTED_BYTES_MAX: usize = 8 * 1024 * 1024;
const REFUSED_COUNT_MAX: usize = 256;
const REFUSED_BYTES_MAX: usize = 512 * 1024;

/// The message crypto service of a node: checks identities and signatures of gossip messages against the local MSP and the
/// channels that the node has joined.
///
/// Members of the own organisation are judged by the local MSP alone, all others by every channel that knows them, in the
/// order of the channels' names (Fabric takes an arbitrary one: spec/03 §12, 9). Verdicts on identities are cached and
/// bounded, so a repeated identity costs a look-up and a signature the bare verification (spec/03 §12, 15).
pub struct MessageVerifier {
    state: RwLock<State>,
    accepted: Cache<Arc<Accepted>>,
    refused: Cache<IdentityError>,
}

struct State {
    local: Arc<LocalMsp>,
    channels: BTreeMap<String, Arc<ChannelBundle>>,
    /// Rises with every change, so that a verdict made before is not kept after it.
    generation: u64,
}

/// An identity with everyone who accepts it.
#[derive(Debug)]
struct Accepted {
    claims: IdentityClaims,
    views: Vec<View>,
}

#[derive(Debug)]
struct View {
    identity: Arc<Identity>,
    /// None: the local MSP.
    channel: Option<Arc<ChannelBundle>>,
}

impl fmt::Debug for MessageVerifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = self.read();
        let channels: Vec<_> = state.channels.keys().collect();
        f.debug_struct("MessageVerifier").field("local", &state.local).field("channels", &channels).finish()
    }
}

impl MessageVerifier {
    /// A verifier that knows the node's own organisation only.
    pub fn new(local: Arc<LocalMsp>) -> Self {
        let state = State { local, channels: BTreeMap::new(), generation: 0 };
        Self {
            state: RwLock::new(state),
            accepted: Cache::new(ACCEPTED_COUNT_MAX, ACCEPTED_BYTES_MAX),
            refused: Cache::new(REFUSED_COUNT_MAX, REFUSED_BYTES_MAX),
        }
    }

    /// Replaces the local MSP, as after its folder was changed. Fabric needs a restart for that (spec/03 §12, 6).
    pub fn set_local(&self, local: Arc<LocalMsp>) {
        self.change(|state| state.local = local);
    }

    /// Adds a channel, or replaces its configuration. From then on identities are judged anew.
    pub fn set_channel(&self, channel: &str, bundle: Arc<ChannelBundle>) {
        self.change(|state| {
            state.channels.insert(channel.to_owned(), bundle);
        });
    }

    /// Forgets a channel.
    pub fn remove_channel(&self, channel: &str) {
        self.change(|state| {
            state.channels.remove(channel);
        });
    }

    /// The configuration of a channel in force.
    pub fn channel(&self, channel: &str) -> Option<Arc<ChannelBundle>> {
        self.read().channels.get(channel).map(Arc::clone)
    }

    /// The local MSP in force.
    pub fn local(&self) -> Arc<LocalMsp> {
        Arc::clone(&self.read().local)
    }

    /// Checks an identity as gossip does (spec/03 §6.2) and tells what it claims: it is well formed, and valid under the
    /// local MSP if that knows it, or else under a channel. Whether it has expired is for the caller's clock to say.
    ///
    /// # Errors
    ///
    /// Why it is not accepted; if several channels refuse it, the verdict of the first that knows its MSP.
    pub fn check_identity(&self, serialized: &[u8]) -> Result<IdentityClaims, IdentityError> {
        self.accept(serialized).map(|accepted| accepted.claims.clone())
    }

    /// Verifies the signature of a gossip message (spec/03 §6.3): of a member of the own organisation directly; of anyone
    /// else if the Readers policy of some channel that accepts the identity is satisfied, too. All such channels are
    /// tried. The signature is verified once.
    ///
    /// # Errors
    ///
    /// Why the message is not accepted.
    pub fn verify(&self, serialized: &[u8], message: &[u8], signature: &[u8]) -> Result<(), VerifyError> {
        let accepted = self.accept(serialized)?;
        let mut verified: Option<(HashFamily, Result<(), SignatureError>)> = None;
        let mut first_refusal = None;
        for view in &accepted.views {
            // the certificate is the same for all, but organisations may hash differently
            let family = view.identity.family;
            let verdict = match verified.take() {
                Some((by, verdict)) if by == family => verdict,
                _ => view.identity.verify(message, signature),
            };
            let refusal = match (&verdict, &view.channel) {
                (Err(error), _) => VerifyError::Signature(error.clone()),
                (Ok(()), None) => return Ok(()),
                (Ok(()), Some(bundle)) => match bundle.readers_accept_verified(&view.identity) {
                    Ok(()) => return Ok(()),
                    Err(error) => VerifyError::Readers { channel: bundle.channel_id().to_owned(), error },
                },
            };
            verified = Some((family, verdict));
            first_refusal.get_or_insert(refusal);
        }
        Err(first_refusal.unwrap_or(VerifyError::Identity(IdentityError::Empty)))
    }

    /// Verifies a signature against the Readers policy of one channel; the local MSP has no say (spec/03 §6).
    ///
    /// # Errors
    ///
    /// If the channel is not joined, or its policy refuses.
    pub fn verify_for_channel(
        &self,
        channel: &str,
        serialized: &[u8],
        message: &[u8],
        signature: &[u8],
    ) -> Result<(), VerifyError> {
        if serialized.is_empty() {
            return Err(IdentityError::Empty.into());
        }
        let bundle = self.channel(channel).ok_or_else(|| VerifyError::UnknownChannel(channel.to_owned()))?;
        bundle
            .readers_accept(serialized, message, signature)
            .map_err(|error| VerifyError::Readers { channel: channel.to_owned(), error })
    }

    fn accept(&self, serialized: &[u8]) -> Result<Arc<Accepted>, IdentityError> {
        if let Some(accepted) = self.accepted.find(serialized) {
            return Ok(accepted);
        }
        if let Some(error) = self.refused.find(serialized) {
            return Err(error);
        }
        let (local, channels, generation) = {
            let state = self.read();
            (Arc::clone(&state.local), state.channels.values().cloned().collect::<Vec<_>>(), state.generation)
        };
        let verdict = judge(serialized, &local, &channels).map(Arc::new);
        // a verdict by a configuration that was replaced meanwhile must not outlive it
        let state = self.read();
        if state.generation == generation {
            match &verdict {
                Ok(accepted) => self.accepted.insert(serialized, Arc::clone(accepted)),
                Err(error) => self.refused.insert(serialized, error.clone()),
            }
        }
        drop(state);
        verdict
    }

    fn change(&self, change: impl FnOnce(&mut State)) {
        let mut state = self.state.write().unwrap_or_else(PoisonError::into_inner);
        change(&mut state);
        state.generation += 1;
        self.accepted.clear();
        self.refused.clear();
    }

    fn read(&self) -> std::sync::RwLockReadGuard<'_, State> {
        self.state.read().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Spec/03 §6.2, with all channels that accept the identity instead of an arbitrary one.
fn judge(
    serialized: &[u8],
    local: &LocalMsp,
    channels: &[Arc<ChannelBundle>],
) -> Result<Accepted, IdentityError> {
    let parsed = parse(serialized)?;
    check_well_formed(&parsed.id_bytes)?;
    let mut first_error = None;
    let mut views = Vec::new();
    match local.msp().deserialize(serialized) {
        Ok(identity) => {
            // the local MSP's word on its own members is final
            identity.validity.clone()?;
            views.push(View { identity, channel: None });
        }
        Err(error) => {
            if !matches!(error, IdentityError::UnknownMsp(_)) {
                first_error = Some(error);
            }
            for bundle in channels {
                let identity = bundle.deserialize(serialized).and_then(|identity| {
                    identity.validity.clone()?;
                    Ok(identity)
                });
                match identity {
                    Ok(identity) => views.push(View { identity, channel: Some(Arc::clone(bundle)) }),
                    Err(IdentityError::UnknownMsp(_)) => {}
                    Err(error) => {
                        first_error.get_or_insert(error);
                    }
                }
            }
        }
    }
    let Some(first) = views.first() else {
        return Err(first_error.unwrap_or(IdentityError::UnknownMsp(parsed.mspid)));
    };
    let identity = &first.identity;
    let claims = IdentityClaims {
        pki_id: pki_id(serialized)?,
        msp_id: identity.msp_id().to_owned(),
        own_organization: first.channel.is_none(),
        not_before: identity.not_before(),
        expires_at: identity.expires_at(),
        public_key_hash: identity.public_key_hash(),
        role: identity.role(),
        canonical: identity.serialize() == serialized,
    };
    Ok(Accepted { claims, views })
}
