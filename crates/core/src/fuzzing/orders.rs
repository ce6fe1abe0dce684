//! What the peer ordered and nobody has answered yet.

use super::harness::{START, genuine, me};
use crate::testing::crypto::{self, NEVER};
use crate::{
    ChannelId, ConnectionId, IdentityClaims, Input, Output, PkiId, Signed, Ticket, VerifiedBlock, WallTime,
};
use bytes::Bytes;
use selvedge_proto::common::Block;
use selvedge_proto::decode;
use std::collections::BTreeMap;

/// Blocks in every ledger at the beginning.
const HEIGHT: u64 = 5;

/// See the module.
#[derive(Default)]
pub(super) struct Orders {
    open: Vec<Output>,
    heights: BTreeMap<ChannelId, u64>,
}

/// An answer, with what else must be known of it.
pub(super) enum Answered {
    Dialed(ConnectionId),
    NotDialed(ConnectionId),
    Refused { channel: ChannelId, number: u64 },
    Identity { input: Input, identity: Bytes },
    Block { input: Input, channel: ChannelId, number: u64, block: Bytes },
    Input(Input),
}

impl Orders {
    pub(super) fn add(&mut self, output: Output) {
        match output {
            Output::Send { .. } | Output::Close { .. } | Output::HoldDelivery { .. } | Output::Event(_) => {}
            order => self.open.push(order),
        }
    }

    /// A dial that nobody waits for any more.
    pub(super) fn forget_dial(&mut self, of: ConnectionId) {
        self.open.retain(|order| !matches!(order, Output::Dial { connection, .. } if *connection == of));
    }

    /// Number of durable blocks in a ledger.
    pub(super) fn height(&self, channel: &ChannelId) -> u64 {
        self.heights.get(channel).copied().unwrap_or(HEIGHT)
    }

    /// Whether the ledger has blocks to write.
    pub(super) fn has_commits(&self, of: &ChannelId) -> bool {
        self.open.iter().any(|order| matches!(order, Output::Commit { channel, .. } if channel == of))
    }

    /// Answers the order in this place, counted round: with 0 as it should be, with 1 in the negative, with 2 in the
    /// affirmative, and with everything else as with 0 or 1.
    pub(super) fn answer(&mut self, place: usize, how: u8) -> Option<Answered> {
        let place = place.checked_rem(self.open.len())?;
        let order = self.open.remove(place);
        let (refuse, believe) = (how % 8 == 1, how % 8 == 2);
        Some(match order {
            Output::Dial { connection, .. } if refuse => Answered::NotDialed(connection),
            Output::Dial { connection, .. } => Answered::Dialed(connection),
            Output::Sign { ticket, message } => {
                let signature = (!refuse).then(|| crypto::sign(&me(), &message));
                Answered::Input(Input::Signed { ticket, signature })
            }
            Output::Verify { ticket, identity, signed, secret, .. } => {
                let holds = |it: &Signed| crypto::holds(&identity, &it.message, &it.signature);
                let right = holds(&signed) && secret.as_ref().is_none_or(holds);
                Answered::Input(Input::Verified { ticket, ok: believe || !refuse && right })
            }
            Output::CheckIdentity { ticket, identity } => match claims(&identity).filter(|_| !refuse) {
                Some(claims) => {
                    let input = Input::IdentityChecked { ticket, claims: Some(claims) };
                    Answered::Identity { input, identity }
                }
                None => Answered::Input(Input::IdentityChecked { ticket, claims: None }),
            },
            Output::VerifyBlock { ticket, channel, number, block } => {
                let right = is_genuine(number, &block);
                if believe || !refuse && right {
                    let verified = Some(VerifiedBlock { is_config: number % 7 == 0 });
                    let input = Input::BlockVerified { ticket, block: verified };
                    Answered::Block { input, channel, number, block }
                } else {
                    Answered::Input(Input::BlockVerified { ticket, block: None })
                }
            }
            Output::ReadBlocks { ticket, first, last, .. } => {
                let last = if refuse { first } else { last };
                let blocks = (first..=last).take(20).map(|number| (number, genuine(number, 50))).collect();
                Answered::Input(Input::BlocksRead { ticket, blocks })
            }
            Output::Commit { channel, number, .. } if refuse => {
                self.forget_commits(&channel, |it| it >= number);
                Answered::Refused { channel, number }
            }
            Output::Commit { channel, number, .. } => {
                self.forget_commits(&channel, |it| it <= number);
                self.heights.insert(channel.clone(), number + 1);
                Answered::Input(Input::Committed { channel, height: number + 1 })
            }
            Output::Mend { channel, number, .. } => {
                Answered::Input(Input::Mended { channel, number, ok: !refuse })
            }
            Output::Send { .. } | Output::Close { .. } | Output::HoldDelivery { .. } | Output::Event(_) => {
                return None;
            }
        })
    }

    fn forget_commits(&mut self, of: &ChannelId, which: impl Fn(u64) -> bool) {
        self.open.retain(|order| {
            !matches!(order, Output::Commit { channel, number, .. } if channel == of && which(*number))
        });
    }
}

/// What an identity proves to be; one whose name begins with `expired` has expired.
fn claims(identity: &Bytes) -> Option<IdentityClaims> {
    let has_expired = identity.windows(8).any(|part| part == b"|expired");
    let soon = WallTime::from_nanos(START.as_nanos() + 60_000_000_000);
    let ends_soon = identity.windows(5).any(|part| part == b"|soon");
    let expires_at = match (has_expired, ends_soon) {
        (true, _) => WallTime::from_seconds(1),
        (_, true) => soon,
        _ => NEVER,
    };
    crypto::claims(identity, expires_at)
}

/// Whether it has the number and the data that its header names.
fn is_genuine(number: u64, block: &Bytes) -> bool {
    let Ok(Block { header: Some(header), data: Some(data), .. }) = decode::<Block>(block.clone()) else {
        return false;
    };
    header.number == number
        && matches!(&data.data[..], [entry] if crypto::digest(&[entry]) == header.data_hash[..])
}

/// An answer to a question that was perhaps never asked.
pub(super) fn stray(ticket: u64, kind: u8) -> Input {
    let ticket = Ticket(ticket);
    match kind % 7 {
        0 => Input::Signed { ticket, signature: Some(Bytes::from_static(b"signature")) },
        1 => Input::Signed { ticket, signature: None },
        2 => Input::IdentityChecked { ticket, claims: None },
        3 => {
            // one that is open would be answered with what nobody is
            let ticket = Ticket(ticket.0 + 1_000_000);
            let (pki_id, key_hash) = (PkiId::new([kind; 32]), [kind; 32]);
            let claims = IdentityClaims { pki_id, org: "Org1MSP".into(), expires_at: NEVER, key_hash };
            Input::IdentityChecked { ticket, claims: Some(claims) }
        }
        4 => Input::Verified { ticket, ok: kind & 8 == 0 },
        5 => Input::BlockVerified { ticket, block: None },
        _ => Input::BlocksRead { ticket, blocks: vec![(u64::from(kind), genuine(u64::from(kind), 10))] },
    }
}
