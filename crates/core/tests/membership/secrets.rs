//! Endpoints that only the own organisation may know.

use crate::support::*;
use core::time::Duration;
use selvedge_core::testing::messages::{Alive, membership_request, membership_response};
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

#[test]
fn a_secret_is_verified_once_whatever_message_brings_it() {
    let (mut cluster, peer, puppet, stream) = peer_and_puppet();
    let message = |seq_num: u64| Alive { seq_num, ..stranger(1) }.with_secret("10.0.0.1:7051");
    let whole = "Org1MSP|stranger1 and secret";
    cluster.set_tracing(true);
    cluster.puppet_send(puppet, stream, message(1).with_identity().seal());
    cluster.run_for(ms(5));
    assert_eq!(verified(&mut cluster), [whole]);
    cluster.puppet_send(puppet, stream, message(2).seal());
    cluster.run_for(ms(5));
    assert_eq!(verified(&mut cluster), ["Org1MSP|stranger1"]);
    // a message without it does not make the peer forget it
    let view = EnvelopeView::parse(message(3).seal()).unwrap();
    cluster.puppet_send(puppet, stream, view.without_secret());
    cluster.run_for(ms(5));
    cluster.puppet_send(puppet, stream, message(3).seal());
    cluster.puppet_send(puppet, stream, message(4).seal());
    cluster.run_for(ms(5));
    assert_eq!(verified(&mut cluster), ["Org1MSP|stranger1"; 2], "3 and 4");
    // another secret is another matter
    cluster.puppet_send(
        puppet,
        stream,
        Alive { seq_num: 5, ..stranger(1) }.with_secret("10.0.0.2:7051").seal(),
    );
    cluster.run_for(ms(5));
    assert_eq!(verified(&mut cluster), [whole]);
    let member =
        cluster.peer(peer).members().find(|member| member.internal_endpoint == "10.0.0.2:7051".into());
    assert!(member.is_some());
}

#[test]
fn copies_that_race_are_verified_once_between_them() {
    let (mut cluster, peer, puppet, stream) = peer_and_puppet();
    let message =
        |seq_num: u64| Alive { seq_num, ..stranger(1) }.with_identity().with_secret("10.0.0.1:7051");
    let stripped = EnvelopeView::parse(message(1).seal()).unwrap().without_secret();
    cluster.set_tracing(true);
    // the complete copy and a newer message come while the first is being verified
    for envelope in [stripped, message(1).seal(), message(1).seal(), message(2).seal()] {
        cluster.puppet_send(puppet, stream, envelope);
    }
    cluster.run_for(ms(20));
    let checks = verified(&mut cluster);
    let secrets = checks.iter().filter(|check| check.ends_with("and secret")).count();
    assert_eq!((checks.len(), secrets), (2, 1), "{checks:?}");
    let member =
        cluster.peer(peer).members().find(|member| member.internal_endpoint == "10.0.0.1:7051".into());
    assert!(member.is_some());
}

#[test]
fn a_response_goes_on_after_elements_that_had_to_wait() {
    let (mut cluster, peer, puppet, stream) = peer_and_puppet();
    let nonce = make_it_ask(&mut cluster, puppet, stream);
    let whole = stranger(1).with_identity().with_secret("10.0.0.1:7051").seal();
    let stripped = EnvelopeView::parse(whole.clone()).unwrap().without_secret();
    let mut elements = vec![stripped, whole];
    // far more than are looked at together
    elements.extend((2..40).map(|number| stranger(number).with_identity().with_secret("10.0.0.9:1").seal()));
    let response = membership_response(&elements, &[], nonce);
    cluster.puppet_send(puppet, stream, response);
    cluster.run_for(ms(50));
    assert_eq!(cluster.peer(peer).alive_count(), 40, "the strangers and the puppet");
}

#[test]
fn a_secret_counts_that_is_proven_when_its_message_is_out_of_date() {
    let (mut cluster, _, puppet, stream) = peer_and_puppet();
    let message =
        |seq_num: u64| Alive { seq_num, ..stranger(1) }.with_identity().with_secret("10.0.0.1:7051");
    let stripped = |seq_num| EnvelopeView::parse(message(seq_num).seal()).unwrap().without_secret();
    cluster.puppet_send(puppet, stream, stripped(1));
    cluster.run_for(ms(20));
    cluster.set_tracing(true);
    // the second message is known when the secret that came with the first is proven
    cluster.puppet_send(puppet, stream, stripped(2));
    cluster.puppet_send(puppet, stream, message(1).seal());
    cluster.run_for(ms(20));
    cluster.puppet_send(puppet, stream, message(3).seal());
    cluster.run_for(ms(20));
    let checks = verified(&mut cluster);
    let secrets = checks.iter().filter(|check| check.contains("secret")).count();
    assert_eq!((checks.len(), secrets), (3, 0), "the second, a secret alone, the third: {checks:?}");
}
