//! Which orderer is asked next.

use crate::config::AddressOverride;
use bytes::Bytes;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use selvedge_msp::OrdererEndpoint;
use std::collections::BTreeSet;
use std::path::Path;

/// An entry of `peer.deliveryclient.addressOverrides` (spec/07 §12.3).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EndpointOverride {
    /// Address in the channel configuration.
    pub from: String,
    /// Address to dial instead.
    pub to: String,
    /// DER of the CA certificates to trust there, instead of those in the configuration.
    pub tls_roots: Vec<Bytes>,
}

/// Reads the CA files of `peer.deliveryclient.addressOverrides`. An override whose file cannot be read or holds no
/// certificate is left out; the second result says so in one line each. One without a file trusts nobody, where Fabric
/// falls back to the system's roots: with TLS on, its orderer is reported as unreachable ([`EndReason::NoTlsRoots`]).
///
/// [`EndReason::NoTlsRoots`]: super::EndReason::NoTlsRoots
pub fn load_overrides(overrides: &[AddressOverride]) -> (Vec<EndpointOverride>, Vec<String>) {
    let mut loaded = Vec::new();
    let mut warnings = Vec::new();
    for AddressOverride { from, to, ca_certs_file } in overrides {
        let roots = ca_certs_file.as_deref().map_or(Ok(Vec::new()), roots_from_file);
        match roots {
            Ok(tls_roots) => loaded.push(EndpointOverride { from: from.clone(), to: to.clone(), tls_roots }),
            Err(reason) => {
                warnings.push(format!("the override of the orderer address {from} is ignored: {reason}"));
            }
        }
    }
    (loaded, warnings)
}

fn roots_from_file(file: &Path) -> Result<Vec<Bytes>, String> {
    let text = std::fs::read(file).map_err(|error| format!("cannot read {}: {error}", file.display()))?;
    let certificates = CertificateDer::pem_slice_iter(&text);
    let roots =
        certificates.filter_map(Result::ok).map(|der| Bytes::copy_from_slice(&der)).collect::<Vec<_>>();
    if roots.is_empty() {
        return Err(format!("{} holds no certificate", file.display()));
    }
    Ok(roots)
}

/// The endpoints of a channel configuration after overrides. The first override that fits an address is used.
pub fn apply_overrides(
    endpoints: &[OrdererEndpoint],
    overrides: &[EndpointOverride],
) -> Vec<OrdererEndpoint> {
    let replace = |endpoint: &OrdererEndpoint| {
        let replacement = overrides.iter().find(|candidate| candidate.from == endpoint.address)?;
        Some(OrdererEndpoint { address: replacement.to.clone(), tls_roots: replacement.tls_roots.clone() })
    };
    endpoints.iter().map(|endpoint| replace(endpoint).unwrap_or_else(|| endpoint.clone())).collect()
}

/// The orderers in random order, gone through one after the other: random choice alone may hit the same dead one again
/// and again (spec/07 §13.3).
#[derive(Debug)]
pub(super) struct Rotation {
    endpoints: Vec<OrdererEndpoint>,
    position: usize,
    random: fastrand::Rng,
}

impl Rotation {
    pub(super) fn new(seed: u64) -> Self {
        Self { endpoints: Vec::new(), position: 0, random: fastrand::Rng::with_seed(seed) }
    }

    /// Puts other endpoints in the place of the present ones, newly shuffled. False, and nothing done, if they are the same
    /// in whatever order.
    pub(super) fn replace(&mut self, endpoints: Vec<OrdererEndpoint>) -> bool {
        fn set(endpoints: &[OrdererEndpoint]) -> BTreeSet<(&String, &Vec<Bytes>)> {
            endpoints.iter().map(|endpoint| (&endpoint.address, &endpoint.tls_roots)).collect()
        }
        if set(&endpoints) == set(&self.endpoints) {
            return false;
        }
        self.endpoints = endpoints;
        self.random.shuffle(&mut self.endpoints);
        self.position = 0;
        true
    }

    /// The endpoint whose turn it is.
    pub(super) fn current(&self) -> Option<&OrdererEndpoint> {
        self.endpoints.get(self.position)
    }

    /// All the others, each address once.
    pub(super) fn others(&self) -> Vec<OrdererEndpoint> {
        let current = self.current().map(|endpoint| &endpoint.address);
        let mut seen = BTreeSet::from_iter(current);
        self.endpoints.iter().filter(|endpoint| seen.insert(&endpoint.address)).cloned().collect()
    }

    /// Turns to the next one.
    pub(super) fn advance(&mut self) {
        self.position = (self.position + 1).checked_rem(self.endpoints.len()).unwrap_or(0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn endpoints(addresses: &[&str]) -> Vec<OrdererEndpoint> {
        let endpoint = |address: &&str| OrdererEndpoint {
            address: (*address).to_owned(),
            tls_roots: vec![Bytes::from_static(b"root")],
        };
        addresses.iter().map(endpoint).collect()
    }

    fn round(rotation: &mut Rotation, count: usize) -> Vec<String> {
        let mut seen = Vec::new();
        for _ in 0..count {
            seen.push(rotation.current().unwrap().address.clone());
            rotation.advance();
        }
        seen
    }

    #[test]
    fn every_orderer_has_its_turn_before_one_comes_again() {
        let mut rotation = Rotation::new(1);
        assert!(rotation.replace(endpoints(&["a:1", "b:1", "c:1", "d:1"])));
        let first = round(&mut rotation, 4);
        assert_eq!(BTreeSet::from_iter(&first).len(), 4);
        assert_eq!(round(&mut rotation, 4), first);
    }

    #[test]
    fn seeds_differ_in_order() {
        let orders: BTreeSet<_> = (0..20)
            .map(|seed| {
                let mut rotation = Rotation::new(seed);
                rotation.replace(endpoints(&["a:1", "b:1", "c:1"]));
                round(&mut rotation, 3)
            })
            .collect();
        assert!(orders.len() > 3, "{orders:?}");
    }

    #[test]
    fn the_same_endpoints_in_another_order_change_nothing() {
        let mut rotation = Rotation::new(1);
        rotation.replace(endpoints(&["a:1", "b:1"]));
        rotation.advance();
        let before = rotation.current().cloned();
        assert!(!rotation.replace(endpoints(&["b:1", "a:1"])));
        assert_eq!(rotation.current().cloned(), before);
        let mut other_roots = endpoints(&["a:1", "b:1"]);
        other_roots[0].tls_roots = Vec::new();
        assert!(rotation.replace(other_roots));
    }

    #[test]
    fn the_others_are_all_but_the_present_one_each_once() {
        let mut rotation = Rotation::new(1);
        assert_eq!(rotation.others(), []);
        rotation.replace(endpoints(&["a:1", "b:1", "b:1", "a:1", "c:1"]));
        for _ in 0..5 {
            let present = rotation.current().unwrap().address.clone();
            let mut others: Vec<_> = rotation.others().into_iter().map(|endpoint| endpoint.address).collect();
            others.sort();
            let expected: Vec<_> =
                ["a:1", "b:1", "c:1"].into_iter().filter(|other| *other != present).collect();
            assert_eq!(others, expected);
            rotation.advance();
        }
    }

    #[test]
    fn an_empty_list_has_no_turn() {
        let mut rotation = Rotation::new(1);
        rotation.replace(endpoints(&["a:1"]));
        assert!(rotation.replace(Vec::new()));
        rotation.advance();
        assert_eq!(rotation.current(), None);
    }

    #[test]
    fn overrides_without_readable_certificates_are_left_out_with_a_reason() {
        let folder = tempfile::tempdir().unwrap();
        let file = |name: &str, content: &str| {
            let path = folder.path().join(name);
            std::fs::write(&path, content).unwrap();
            Some(path)
        };
        let pem = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap().cert.pem();
        let entry = |from: &str, ca_certs_file| AddressOverride {
            from: from.to_owned(),
            to: "x:1".to_owned(),
            ca_certs_file,
        };
        let (loaded, warnings) = load_overrides(&[
            entry("good:1", file("good.pem", &format!("{pem}{pem}"))),
            entry("none:1", None),
            entry("empty:1", file("empty.pem", "nothing")),
            entry("missing:1", Some(folder.path().join("missing.pem"))),
        ]);
        let kept: Vec<_> = loaded.iter().map(|entry| (entry.from.as_str(), entry.tls_roots.len())).collect();
        assert_eq!(kept, [("good:1", 2), ("none:1", 0)]);
        assert!(
            warnings[0].contains("empty:1") && warnings[0].contains("holds no certificate"),
            "{warnings:?}"
        );
        assert!(warnings[1].contains("missing.pem"), "{warnings:?}");
    }

    #[test]
    fn an_override_replaces_address_and_roots() {
        let overrides = [EndpointOverride {
            from: "a:1".to_owned(),
            to: "x:2".to_owned(),
            tls_roots: vec![Bytes::from_static(b"other")],
        }];
        let replaced = apply_overrides(&endpoints(&["a:1", "b:1"]), &overrides);
        assert_eq!(replaced[0].address, "x:2");
        assert_eq!(replaced[0].tls_roots, overrides[0].tls_roots);
        assert_eq!(replaced[1], endpoints(&["b:1"])[0]);
    }
}
