//! The message crypto service: views of several channels, their replacement, and what it costs.

use std::sync::Arc;

use crate::support::authority::{Certified, organization, signing};
use crate::support::{NOW, genesis, local_msp};
use prost::Message;
use selvedge_msp::{ChannelBundle, IdentityError, LocalMsp, MessageVerifier, VerifyError};
use selvedge_proto::common::msp_principal::Classification;
use selvedge_proto::common::msp_role::MspRoleType;
use selvedge_proto::common::signature_policy::Type;
use selvedge_proto::common::{
    Config, MspPrincipal, MspRole, Policy, SignaturePolicy, SignaturePolicyEnvelope,
};
use selvedge_proto::msp::{FabricMspConfig, MspConfig};

fn verifier(name: &str) -> MessageVerifier {
    MessageVerifier::new(Arc::new(local_msp(name)))
}

fn signed(signer: &LocalMsp) -> Vec<u8> {
    signer.signer().sign(b"message").unwrap().to_vec()
}

/// The recorded channel under another name, with a change.
fn channel(name: &str, change: impl FnOnce(&mut Config)) -> Arc<ChannelBundle> {
    let mut config = genesis().config().clone();
    change(&mut config);
    Arc::new(ChannelBundle::from_config(name, &config).unwrap())
}

/// Makes nobody a reader of the channel.
fn without_readers(config: &mut Config) {
    let application = config.channel_group.as_mut().unwrap().groups.get_mut("Application").unwrap();
    application.policies.remove("Readers");
}

/// Leaves one role of Org2 among the readers.
fn with_reader(role: MspRoleType) -> impl FnOnce(&mut Config) {
    move |config| {
        let role = MspRole { msp_identifier: "Org2MSP".to_owned(), role: role as i32 };
        let policy = SignaturePolicyEnvelope {
            version: 0,
            rule: Some(SignaturePolicy { r#type: Some(Type::SignedBy(0)) }),
            identities: vec![MspPrincipal {
                principal_classification: Classification::Role as i32,
                principal: role.encode_to_vec().into(),
            }],
        };
        let application = config.channel_group.as_mut().unwrap().groups.get_mut("Application").unwrap();
        let org2 = application.groups.get_mut("Org2MSP").unwrap();
        let policy = Policy { r#type: 1, value: policy.encode_to_vec().into() };
        org2.policies.get_mut("Readers").unwrap().policy = Some(policy);
    }
}

#[test]
fn own_members_need_no_channel_and_others_do() {
    let verifier = verifier("peer0.org1");
    let [own, foreign] = ["peer1.org1", "peer0.org2"].map(local_msp);
    assert_eq!(verifier.verify(own.identity(), b"message", &signed(&own)), Ok(()));
    let unknown = VerifyError::Identity(IdentityError::UnknownMsp("Org2MSP".to_owned()));
    assert_eq!(verifier.verify(foreign.identity(), b"message", &signed(&foreign)), Err(unknown.clone()));
    verifier.set_channel("mychannel", Arc::new(genesis()));
    assert_eq!(verifier.verify(foreign.identity(), b"message", &signed(&foreign)), Ok(()));
    let wrong = verifier.verify(foreign.identity(), b"another", &signed(&foreign)).unwrap_err();
    assert_eq!(wrong.reason(), "signature_mismatch");
    verifier.remove_channel("mychannel");
    assert_eq!(verifier.verify(foreign.identity(), b"message", &signed(&foreign)), Err(unknown));
}

/// Own members are readers of no channel here, and still speak; others do not.
#[test]
fn readers_decide_about_others_only() {
    let verifier = verifier("peer0.org1");
    verifier.set_channel("mychannel", channel("mychannel", without_readers));
    let [own, foreign] = ["peer1.org1", "peer0.org2"].map(local_msp);
    assert_eq!(verifier.verify(own.identity(), b"message", &signed(&own)), Ok(()));
    let refused = verifier.verify(foreign.identity(), b"message", &signed(&foreign)).unwrap_err();
    assert_eq!(refused.reason(), "readers_refused");
    assert_eq!(
        refused.to_string(),
        "channel mychannel: there is no policy /Channel/Application/Readers",
        "a missing policy rejects everything"
    );
    // by channel, the local MSP has no say
    let own_by_channel = verifier.verify_for_channel("mychannel", own.identity(), b"message", &signed(&own));
    assert_eq!(own_by_channel.unwrap_err().reason(), "readers_refused");
}

#[test]
fn verification_by_channel() {
    let verifier = verifier("peer0.org1");
    let foreign = local_msp("peer0.org2");
    let by = |channel: &str, identity: &[u8]| {
        verifier
            .verify_for_channel(channel, identity, b"message", &signed(&foreign))
            .map_err(|error| error.reason())
    };
    assert_eq!(by("mychannel", foreign.identity()), Err("channel_unknown"));
    verifier.set_channel("mychannel", Arc::new(genesis()));
    assert_eq!(by("mychannel", foreign.identity()), Ok(()));
    assert_eq!(by("mychannel", &[]), Err("identity_empty"));
    assert_eq!(by("other", foreign.identity()), Err("channel_unknown"));
    let wrong = verifier.verify_for_channel("mychannel", foreign.identity(), b"another", &signed(&foreign));
    let text = wrong.unwrap_err().to_string();
    assert!(text.contains("signature 0 does not count: the signature does not match"), "{text}");
}

/// Spec/03 §12, 9: which channel judges a foreign signature is not left to chance. Every channel that accepts the
/// identity is asked.
#[test]
fn weak_point_9_every_common_channel_is_asked() {
    let foreign = local_msp("peer0.org2");
    let names = ["alpha", "beta", "gamma"];
    for accepting in names {
        let verifier = verifier("peer0.org1");
        for name in names {
            let bundle = if name == accepting {
                channel(name, |_| {})
            } else {
                channel(name, with_reader(MspRoleType::Admin))
            };
            verifier.set_channel(name, bundle);
        }
        for _ in 0..10 {
            assert_eq!(verifier.verify(foreign.identity(), b"message", &signed(&foreign)), Ok(()));
        }
    }
    // if all refuse, the first in the order of names is quoted
    let verifier = verifier("peer0.org1");
    for name in ["beta", "alpha", "gamma"] {
        verifier.set_channel(name, channel(name, with_reader(MspRoleType::Admin)));
    }
    let refused = verifier.verify(foreign.identity(), b"message", &signed(&foreign)).unwrap_err();
    assert!(matches!(&refused, VerifyError::Readers { channel, .. } if channel == "alpha"), "{refused}");
}

/// An identity that only some channels accept is judged by those.
#[test]
fn channels_may_disagree_about_an_identity() {
    let foreign = local_msp("peer0.org2");
    let without_peers = channel("alpha", |config| {
        change_msp(config, "Org2MSP", |msp| msp.fabric_node_ous.as_mut().unwrap().peer_ou_identifier = None);
    });
    let verifier = verifier("peer0.org1");
    verifier.set_channel("alpha", without_peers);
    assert_eq!(verifier.check_identity(foreign.identity()).unwrap_err().reason(), "identity_no_role");
    verifier.set_channel("beta", channel("beta", |_| {}));
    assert!(verifier.check_identity(foreign.identity()).is_ok());
    assert_eq!(verifier.verify(foreign.identity(), b"message", &signed(&foreign)), Ok(()));
}

fn change_msp(config: &mut Config, org: &str, change: impl FnOnce(&mut FabricMspConfig)) {
    let application = config.channel_group.as_mut().unwrap().groups.get_mut("Application").unwrap();
    let value = application.groups.get_mut(org).unwrap().values.get_mut("MSP").unwrap();
    let outer: MspConfig = selvedge_proto::decode(value.value.clone()).unwrap();
    let mut msp: FabricMspConfig = selvedge_proto::decode(outer.config).unwrap();
    change(&mut msp);
    value.value = MspConfig { r#type: 0, config: msp.encode_to_vec().into() }.encode_to_vec().into();
}

/// A verdict does not outlive the configuration it was made with (spec/03 §12, 7: revocation counts at once).
#[test]
fn a_new_configuration_is_in_force_at_once() {
    let foreign = local_msp("peer0.org2");
    let verifier = verifier("peer0.org1");
    verifier.set_channel("mychannel", Arc::new(genesis()));
    assert_eq!(verifier.verify(foreign.identity(), b"message", &signed(&foreign)), Ok(()));
    let stricter = channel("mychannel", |config| {
        change_msp(config, "Org2MSP", |msp| msp.fabric_node_ous.as_mut().unwrap().peer_ou_identifier = None);
    });
    verifier.set_channel("mychannel", stricter);
    assert_eq!(verifier.check_identity(foreign.identity()).unwrap_err().reason(), "identity_no_role");
    assert!(verifier.verify(foreign.identity(), b"message", &signed(&foreign)).is_err());
    verifier.set_channel("mychannel", Arc::new(genesis()));
    assert!(verifier.check_identity(foreign.identity()).is_ok(), "a refusal does not outlive it either");
}

/// The word of the local MSP on its own members is final, unless it cannot even deserialise them (spec/03 §6.2).
#[test]
fn the_local_msp_has_the_last_word_on_its_members() {
    let (root, second) = (Certified::root("ca"), Certified::root("second ca"));
    let node = root.member(&["peer"]);
    let config = |revoked: &[u64]| {
        let mut config = organization(&[&root], &[]);
        config.name = "Org2MSP".to_owned();
        config.revocation_list = vec![root.revoke(revoked)];
        signing(config, &node)
    };
    let local = |revoked: &[u64]| Arc::new(LocalMsp::from_config(&config(revoked), NOW).unwrap());
    let member = root.member_with(|params| params.serial_number = Some(rcgen::SerialNumber::from(8)));
    let verifier = MessageVerifier::new(local(&[8]));
    // the channel knows a further authority of the organisation, and no revocation
    let bundle = channel("mychannel", |config| {
        change_msp(config, "Org2MSP", |msp| {
            msp.root_certs = vec![root.bytes(), second.bytes()];
            msp.fabric_node_ous = Some(crate::support::node_ous());
        });
    });
    verifier.set_channel("mychannel", bundle);
    let revoked = verifier.check_identity(&member.serialized("Org2MSP"));
    assert_eq!(revoked.unwrap_err().reason(), "identity_revoked", "although the channel accepts it");
    let of_second = second.member(&["peer"]);
    let claims = verifier.check_identity(&of_second.serialized("Org2MSP")).unwrap();
    assert!(!claims.own_organization, "the local MSP does not know the authority, the channel does");
    // a new folder is taken without a restart (spec/03 §12, 6)
    verifier.set_local(local(&[]));
    assert!(verifier.check_identity(&member.serialized("Org2MSP")).unwrap().own_organization);
}

#[test]
fn a_verifier_is_shared_between_threads() {
    let verifier = Arc::new(verifier("peer0.org1"));
    let bundle = Arc::new(genesis());
    verifier.set_channel("mychannel", Arc::clone(&bundle));
    let foreign = Arc::new(local_msp("peer0.org2"));
    let threads: Vec<_> = (0..4)
        .map(|thread| {
            let (verifier, bundle, foreign) =
                (Arc::clone(&verifier), Arc::clone(&bundle), Arc::clone(&foreign));
            std::thread::spawn(move || {
                for _ in 0..50 {
                    assert_eq!(verifier.verify(foreign.identity(), b"message", &signed(&foreign)), Ok(()));
                    if thread == 0 {
                        verifier.set_channel("mychannel", Arc::clone(&bundle));
                    }
                }
            })
        })
        .collect();
    for thread in threads {
        thread.join().unwrap();
    }
}

#[test]
fn debug_output_shows_no_key() {
    let local = local_msp("peer0.org1");
    let verifier = verifier("peer0.org1");
    let text = format!("{local:?} {verifier:?} {:?}", local.signer());
    assert!(text.contains("Org1MSP") && text.contains("Signer(P-256)"), "{text}");
    assert!(text.len() < 2000, "{text}");
}
