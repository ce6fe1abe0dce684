//! Who may learn of whom (spec/04 §11).

use crate::ids::MspId;

/// A peer as far as disclosure goes.
#[derive(Clone, Copy, Debug)]
pub(super) struct Party<'a> {
    pub(super) org: &'a MspId,
    /// Whether it publishes a non-empty external endpoint.
    pub(super) is_external: bool,
}

/// Whether a node of organisation `own` may tell `requester` of `origin` (spec/04 §11.1). For the node itself as origin, a
/// refusal means that the requester gets nothing at all.
pub(super) fn may_disclose(own: &MspId, origin: Party<'_>, requester: Party<'_>) -> bool {
    if origin.org == requester.org {
        true
    } else if origin.org == own {
        origin.is_external && requester.is_external
    } else {
        false
    }
}

/// Whether a receiver may see internal endpoints: only if its organisation is known to be the own one (spec/04 W-16).
pub(super) fn may_see_secrets(own: &MspId, receiver: Option<&MspId>) -> bool {
    receiver == Some(own)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The table of spec/04 §11.1: organisation and external endpoint of origin, then of requester.
    #[test]
    fn the_sieve_is_that_of_the_spec() {
        let rows = [
            ("S", true, "S", true, true),
            ("S", false, "S", false, true),
            ("S", true, "R", true, true),
            ("S", true, "R", false, false),
            ("S", false, "R", true, false),
            ("S", false, "R", false, false),
            ("R", true, "R", true, true),
            ("R", false, "R", false, true),
            ("R", true, "S", true, false),
            ("O", true, "R", true, false),
            ("O", true, "S", true, false),
        ];
        let own = MspId::from("S");
        for (origin_org, origin_external, requester_org, requester_external, expected) in rows {
            let (origin_org, requester_org) = (MspId::from(origin_org), MspId::from(requester_org));
            let origin = Party { org: &origin_org, is_external: origin_external };
            let requester = Party { org: &requester_org, is_external: requester_external };
            assert_eq!(may_disclose(&own, origin, requester), expected, "{origin:?} to {requester:?}");
        }
    }

    /// Spec/04 §11.2, but for the row of the unknown organisation, which is W-16.
    #[test]
    fn w16_secrets_go_to_the_own_organisation_only() {
        let own = MspId::from("S");
        assert!(may_see_secrets(&own, Some(&own)));
        assert!(!may_see_secrets(&own, Some(&MspId::from("R"))));
        assert!(!may_see_secrets(&own, None));
    }
}
