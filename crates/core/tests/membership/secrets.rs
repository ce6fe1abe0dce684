//! Endpoints that only the own organisation may know.

use crate::support::*;
use core::time::Duration;
use selvedge_core::testing::messages::membership_request;
use selvedge_core::testing::{Cluster, crypto};
use selvedge_proto::envelope::{ElementList, EnvelopeView, seal};

#[test]
fn w11_a_secret_that_comes_later_is_taken_up() {
    let (mut cluster, peer, puppet, stream) = peer_and_puppet();
    let whole = stranger(1).with_identity().with_secret("10.0.0.1:7051");
    let stripped = EnvelopeView::parse(whole.seal()).unwrap().without_secret();
    let endpoint = |cluster: &Cluster| {
        let pki_id = crypto::pki_id(&stranger(1).identity);
        let member = cluster.peer(peer).members().find(|member| member.pki_id == pki_id).unwrap();
        member.internal_endpoint.to_string()
    };
    cluster.puppet_send(puppet, stream, stripped.clone());
    cluster.run_for(ms(5));
    assert_eq!(endpoint(&cluster), "");
    // a forged one changes nothing, and does not keep the genuine one out
    let view = EnvelopeView::parse(whole.seal()).unwrap();
    let forged = seal(view.payload(), view.signature(), Some((view.secret().unwrap().payload(), b"forged")));
    cluster.puppet_send(puppet, stream, forged);
    cluster.run_for(ms(5));
    assert_eq!(endpoint(&cluster), "");
    let verify_count = cluster.peer(peer).stats().verify_count;
    cluster.puppet_send(puppet, stream, whole.seal());
    cluster.puppet_send(puppet, stream, whole.seal());
    cluster.run_for(ms(5));
    assert_eq!(endpoint(&cluster), "10.0.0.1:7051");
    assert_eq!(cluster.peer(peer).stats().verify_count, verify_count + 1, "the secret alone, and once");
    // and it is passed on to peers of the own organisation
    cluster.puppet_send(puppet, stream, membership_request(&alive_of(&cluster, puppet, 9).seal(), 5));
    cluster.run_for(ms(5));
    let told = responses(&mut cluster, puppet).remove(0);
    let elements: Vec<EnvelopeView> = elements(&told, ElementList::Alive);
    assert!(elements.iter().any(|element| *element.raw() == whole.seal()));
}

#[test]
fn w16_only_the_own_organisation_gets_secrets() {
    let (mut cluster, peer, puppet, stream) = peer_and_puppet();
    introduce(&mut cluster, puppet, stream, 1);
    cluster.take_inbox(puppet);
    cluster.run_for(Duration::from_secs(10));
    let with_secret = requests(&mut cluster, puppet);
    assert!(
        !with_secret.is_empty()
            && with_secret.iter().all(|request| self_information(request).secret().is_some())
    );
    let foreign = cluster.puppet("foreign", "Org2MSP");
    let stream = cluster.puppet_connect(foreign, peer);
    introduce(&mut cluster, foreign, stream, 1);
    cluster.run_for(Duration::from_secs(10));
    let without = requests(&mut cluster, foreign);
    assert!(
        !without.is_empty() && without.iter().all(|request| self_information(request).secret().is_none())
    );
}
