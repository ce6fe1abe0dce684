//! Keys that Fabric's peer reads and a Selvedge node has no use for: they are passed over without a warning.

/// Sections of Fabric that are passed over whole, in lower case.
const SECTIONS: [&str; 11] = [
    "chaincode",
    "ledger",
    "peer.authentication",
    "peer.bccsp",
    "peer.client",
    "peer.discovery",
    "peer.gateway",
    "peer.handlers",
    "peer.limits",
    "peer.profile",
    "vm",
];

/// Single keys of Fabric that are passed over, in lower case. The two of gossip have no effect in Fabric
/// either.
const KEYS: [&str; 9] = [
    "orderer.address",
    "peer.chaincodeaddress",
    "peer.chaincodelistenaddress",
    "peer.gossip.skipblockverification",
    "peer.gossip.stateinforetentioninterval",
    "peer.localmsptype",
    "peer.networkid",
    "peer.tls.serverhostoverride",
    "peer.validatorpoolsize",
];

/// Whether a key (in lower case) is one of Fabric's that is passed over.
pub(super) fn ignored(key: &str) -> bool {
    let in_section = |section: &str| {
        key.strip_prefix(section).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
    };
    KEYS.contains(&key) || SECTIONS.into_iter().any(in_section)
}

/// Whether a variable `CORE_...` overrides a key that is passed over.
pub(super) fn ignored_variable(name: &str) -> bool {
    let key = name.strip_prefix(super::Environment::PREFIX).unwrap_or(name).to_lowercase();
    let below = |section: &str| {
        let section = section.replace('.', "_");
        key.strip_prefix(&section).is_some_and(|rest| rest.is_empty() || rest.starts_with('_'))
    };
    KEYS.iter().any(|known| known.replace('.', "_") == key) || SECTIONS.into_iter().any(below)
}

/// The known key that a misspelt one (in lower case) probably stands for: at most two letters away, or the
/// same last word in another section.
pub(super) fn nearest<'a>(lower: &str, known: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let last = |key: &str| key.rsplit('.').next().unwrap_or_default().to_lowercase();
    let candidates = known.map(|key| {
        let distance = distance(lower, &key.to_lowercase());
        (if last(key) == last(lower) { distance.min(2) } else { distance }, key)
    });
    candidates
        .filter(|(distance, _)| *distance <= 2)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, key)| key)
}

/// How many letters must be changed, added or removed; counts to 3 at most where the lengths differ by more.
fn distance(a: &str, b: &str) -> usize {
    if a.len().abs_diff(b.len()) > 2 {
        return 3;
    }
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, from) in a.chars().enumerate() {
        let mut diagonal = i;
        let mut left = i + 1;
        let mut next = vec![left];
        for (to, above) in b.iter().zip(row.iter().skip(1)) {
            let changed = diagonal + usize::from(from != *to);
            left = changed.min(above + 1).min(left + 1);
            diagonal = *above;
            next.push(left);
        }
        row = next;
    }
    row.last().copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sections_and_keys_of_fabric_are_passed_over() {
        for key in
            ["chaincode", "chaincode.mode", "vm.docker.tls.enabled", "peer.networkid", "peer.bccsp.sw.hash"]
        {
            assert!(ignored(key), "{key}");
        }
        for key in ["chaincodes.mode", "peer", "peer.gossip.typo", "peer.networkid.x"] {
            assert!(!ignored(key), "{key}");
        }
        assert!(ignored_variable("CORE_VM_ENDPOINT"));
        assert!(ignored_variable("CORE_PEER_BCCSP_PKCS11_PIN"));
        assert!(ignored_variable("CORE_PEER_NETWORKID"));
        assert!(!ignored_variable("CORE_PEER_GOSIP_BOOTSTRAP"));
    }

    #[test]
    fn misspelt_keys_find_their_neighbour() {
        let known = ["peer.gossip.bootstrap", "peer.gossip.pullInterval", "peer.tls.enabled"];
        let nearest = |key| nearest(key, known.into_iter());
        assert_eq!(nearest("peer.gossip.boostrap"), Some("peer.gossip.bootstrap"));
        assert_eq!(nearest("peer.gossip.pullintervall"), Some("peer.gossip.pullInterval"));
        assert_eq!(nearest("peer.pullinterval"), Some("peer.gossip.pullInterval"));
        assert_eq!(nearest("peer.gossip.nothing"), None);
        assert_eq!(distance("kitten", "sitting"), 3);
        assert_eq!(distance("", ""), 0);
        assert_eq!(distance("ab", ""), 2);
    }
}
