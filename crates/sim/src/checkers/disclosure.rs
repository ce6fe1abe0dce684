//! What organisations may not learn of each other is not sent (spec/04 §11, spec/05 §6.4, §8.3, §11.2).

use super::{Checker, Rule, sent};
use crate::world::{HostId, World};
use selvedge_core::{MspId, Output, PkiId};
use selvedge_proto::envelope::{ContentKind, ElementList, EnvelopeView};
use selvedge_proto::gossip::{DataDigest, PeerIdentity};

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Disclosure;

/// A message on its way, as far as disclosure goes.
struct Sent<'a> {
    world: &'a World,
    own_org: &'a MspId,
    receiver: HostId,
    org: &'a MspId,
}

impl Checker for Disclosure {
    fn rule(&self) -> Rule {
        Rule::Disclosure
    }

    fn on_output(&mut self, world: &World, host: HostId, output: &Output) -> Result<(), String> {
        let Some((receiver, view)) = sent(world, host, output) else { return Ok(()) };
        let sent = Sent { world, own_org: world.org(host), receiver, org: world.org(receiver) };
        sent.check(host, &view).map_err(|what| format!("{what}, to {} of {}", world.name(receiver), sent.org))
    }
}

impl Sent<'_> {
    fn check(&self, host: HostId, view: &EnvelopeView) -> Result<(), String> {
        let is_foreign = self.own_org != self.org;
        let is_pull = matches!(
            view.kind(),
            ContentKind::Hello | ContentKind::DataDig | ContentKind::DataReq | ContentKind::DataUpdate
        );
        if is_foreign && (view.kind() == ContentKind::DataMsg || is_pull && !view.channel().is_empty()) {
            return Err(format!("{} of a channel leaves the organisation", view.kind()));
        }
        if is_foreign && matches!(view.kind(), ContentKind::MemReq | ContentKind::MemRes) && !self.shows(host)
        {
            return Err(format!(
                "{} of a peer without external endpoint leaves the organisation",
                view.kind()
            ));
        }
        self.check_secret(view)?;
        match view.kind() {
            ContentKind::AliveMsg => self.check_pushed(view)?,
            ContentKind::StateInfo => self.check_state_info(view)?,
            ContentKind::DataDig if view.channel().is_empty() => self.check_digest(view)?,
            _ => {}
        }
        for element in view.elements().flatten() {
            let Ok(inner) = EnvelopeView::parse(element.envelope) else { continue };
            self.check_secret(&inner)?;
            match element.list {
                ElementList::Alive | ElementList::Dead => self.check_told(&inner)?,
                ElementList::Snapshot => self.check_state_info(&inner)?,
                ElementList::Data => self.check_identity(&inner)?,
                ElementList::SelfInformation => {}
            }
        }
        Ok(())
    }

    /// Whether a host publishes an external endpoint. A Byzantine one may say this and that.
    fn shows(&self, host: HostId) -> bool {
        !self.world.external_endpoint(host).is_empty() || !self.world.is_honest(host)
    }

    fn origin(&self, pki_id: &[u8]) -> Result<HostId, String> {
        let host = PkiId::from_wire(pki_id).and_then(|pki_id| self.world.host_of(&pki_id));
        host.ok_or_else(|| "something of nobody".to_owned())
    }

    fn check_secret(&self, view: &EnvelopeView) -> Result<(), String> {
        if view.secret().is_some() && self.own_org != self.org {
            return Err(format!("a secret in a {}", view.kind()));
        }
        Ok(())
    }

    /// An alive message that is pushed: spec/04 §11.3.
    fn check_pushed(&self, view: &EnvelopeView) -> Result<(), String> {
        let Some(key) = view.alive_key() else { return Ok(()) };
        let origin = self.origin(key.pki_id)?;
        let origin_org = self.world.org(origin);
        let may = if origin_org == self.own_org {
            self.shows(origin) || self.org == self.own_org
        } else {
            (self.org == self.own_org || self.org == origin_org) && self.shows(self.receiver)
        };
        if may { Ok(()) } else { Err(format!("pushes that {} is alive", self.world.name(origin))) }
    }

    /// An alive message in an answer: spec/04 §11.1.
    fn check_told(&self, view: &EnvelopeView) -> Result<(), String> {
        let Some(key) = view.alive_key() else { return Ok(()) };
        let origin = self.origin(key.pki_id)?;
        let origin_org = self.world.org(origin);
        let may = origin_org == self.org
            || origin_org == self.own_org && self.shows(origin) && self.shows(self.receiver);
        if may { Ok(()) } else { Err(format!("tells of {} in an answer", self.world.name(origin))) }
    }

    /// A StateInfo, pushed or in a snapshot: spec/05 §6.4, §8.3.
    fn check_state_info(&self, view: &EnvelopeView) -> Result<(), String> {
        let Some(key) = view.state_info_key() else { return Ok(()) };
        let origin = self.origin(key.pki_id)?;
        if self.org == self.own_org || self.shows(origin) || self.world.org(origin) == self.org {
            return Ok(());
        }
        Err(format!("tells the height of {}", self.world.name(origin)))
    }

    /// Digests and items of identities: spec/05 §11.2.
    fn check_identity_of(&self, pki_id: &[u8]) -> Result<(), String> {
        if self.org == self.own_org {
            return Ok(());
        }
        let origin = self.origin(pki_id)?;
        let org = self.world.org(origin);
        if self.shows(origin) && (org == self.own_org || org == self.org) {
            return Ok(());
        }
        Err(format!("offers the identity of {}", self.world.name(origin)))
    }

    fn check_digest(&self, view: &EnvelopeView) -> Result<(), String> {
        let Ok(digest) = view.content_as::<DataDigest>() else { return Ok(()) };
        digest.digests.iter().try_for_each(|pki_id| self.check_identity_of(pki_id))
    }

    fn check_identity(&self, view: &EnvelopeView) -> Result<(), String> {
        if view.kind() != ContentKind::PeerIdentity {
            return Ok(());
        }
        view.content_as::<PeerIdentity>().map_or(Ok(()), |identity| self.check_identity_of(&identity.pki_id))
    }
}
