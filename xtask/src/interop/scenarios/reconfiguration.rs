//! A configuration update is followed without a restart, on both sides.

use super::{
    ANCHOR, Context, GO_PEERS, Outcome, SELVEDGE, judge_logs, make_blocks, wait_height, wait_members,
};
use crate::interop::fabric::run as run_command;
use crate::interop::network::{Behaviour, CHANNEL, Consensus, Network, Place, place};
use crate::interop::process::wait;
use prost::Message;
use selvedge_proto::{block, common, peer};
use std::collections::BTreeMap;
use std::error::Error;
use std::fs;
use std::process::Command;
use std::time::Duration;

const NEWCOMER: Place = place(3, 0);

pub(super) fn run(context: &Context, observed: &mut Vec<String>) -> Outcome {
    let mut network = context.network(Consensus::Raft, Behaviour::SAMPLE)?;
    context.selvedge(&mut network, SELVEDGE, Behaviour::SAMPLE)?;
    wait_members(&GO_PEERS, 4, Duration::from_secs(60))?;

    let config = current_config(&network)?;
    submit(&network, &new_anchor(&config, SELVEDGE)?, "anchor")?;
    wait_sequence(context, &network, 1)?;
    observed.push("the node follows configuration 1, in which it is an anchor peer".to_owned());

    let config = current_config(&network)?;
    let org3 = network.org_definition("Org3MSP")?;
    submit(&network, &new_org(&config, "Org3MSP", org3)?, "org3")?;
    wait_sequence(context, &network, 2)?;
    network.start_peer(NEWCOMER, Behaviour::SAMPLE, NEWCOMER)?;
    network.join(NEWCOMER)?;
    wait_members(&[NEWCOMER, SELVEDGE], 5, Duration::from_secs(90))?;
    observed.push(
        "a Go peer of a third organisation, added by configuration 2, and the node count each other"
            .to_owned(),
    );
    let height = make_blocks(&network, ANCHOR, 3)?;
    wait_height(&[NEWCOMER, SELVEDGE], height, Duration::from_secs(30))?;
    observed.push(format!("both have height {height}"));
    judge_logs(&network, &[SELVEDGE], observed)
}

fn wait_sequence(context: &Context, network: &Network, sequence: u64) -> Outcome {
    wait(&format!("configuration {sequence} in force"), Duration::from_secs(30), || {
        let mut command = Command::new(&context.program);
        command.args(["channel", "getinfo", "-c", CHANNEL, "--json"]);
        command.env("FABRIC_CFG_PATH", network.folder().join(SELVEDGE.short_name()));
        Ok(run_command(&mut command)?.contains(&format!("\"configSequence\":{sequence},")).then_some(()))
    })
}

fn current_config(network: &Network) -> Result<common::Config, Box<dyn Error>> {
    let file = network.folder().join("config.block");
    let mut command = network.peer_cli(ANCHOR);
    command.args(["channel", "fetch", "config"]).arg(&file).args(["-c", CHANNEL]);
    run_command(network.ordered(&mut command))?;
    let block = selvedge_proto::decode::<common::Block>(fs::read(file)?)?;
    block::config_envelope(&block)?.config.ok_or_else(|| "a configuration block without configuration".into())
}

/// Only the path to the change, each group with its version: what it rests on (read set) and what it becomes (write set).
fn application_path(
    config: &common::Config,
) -> Result<(common::ConfigGroup, common::ConfigGroup), Box<dyn Error>> {
    let root = config.channel_group.as_ref().ok_or("no channel group")?;
    let application = root.groups.get("Application").ok_or("no Application group")?;
    let bare = |group: &common::ConfigGroup| common::ConfigGroup {
        version: group.version,
        mod_policy: group.mod_policy.clone(),
        ..common::ConfigGroup::default()
    };
    Ok((bare(root), bare(application)))
}

fn update(read: common::ConfigGroup, write: common::ConfigGroup) -> common::ConfigUpdate {
    common::ConfigUpdate {
        channel_id: CHANNEL.to_owned(),
        read_set: Some(read),
        write_set: Some(write),
        ..common::ConfigUpdate::default()
    }
}

/// Makes a peer one more anchor of its organisation.
fn new_anchor(config: &common::Config, anchor: Place) -> Result<common::ConfigUpdate, Box<dyn Error>> {
    let (root, application) = application_path(config)?;
    let name = anchor.msp_id();
    let groups = &config.channel_group.as_ref().ok_or("no group")?.groups;
    let org =
        groups.get("Application").and_then(|group| group.groups.get(&name)).ok_or("no such organisation")?;
    let value = org.values.get("AnchorPeers").ok_or("no anchor peers")?;
    let mut anchors = peer::AnchorPeers::decode(value.value.clone())?;
    anchors
        .anchor_peers
        .push(peer::AnchorPeer { host: "127.0.0.1".to_owned(), port: i32::from(anchor.port()) });
    let changed = common::ConfigValue {
        version: value.version + 1,
        value: anchors.encode_to_vec().into(),
        mod_policy: value.mod_policy.clone(),
    };
    let bare = common::ConfigGroup {
        version: org.version,
        mod_policy: org.mod_policy.clone(),
        ..common::ConfigGroup::default()
    };
    let with_change =
        common::ConfigGroup { values: BTreeMap::from([("AnchorPeers".to_owned(), changed)]), ..bare.clone() };
    let inside = |org: common::ConfigGroup| {
        let application =
            common::ConfigGroup { groups: BTreeMap::from([(name.clone(), org)]), ..application.clone() };
        common::ConfigGroup {
            groups: BTreeMap::from([("Application".to_owned(), application)]),
            ..root.clone()
        }
    };
    Ok(update(inside(bare), inside(with_change)))
}

/// Adds an organisation to the Application group.
fn new_org(
    config: &common::Config,
    name: &str,
    org: common::ConfigGroup,
) -> Result<common::ConfigUpdate, Box<dyn Error>> {
    let (root, application) = application_path(config)?;
    let groups = &config.channel_group.as_ref().ok_or("no group")?.groups;
    let present = groups.get("Application").ok_or("no Application group")?;
    let bare = |group: &common::ConfigGroup| common::ConfigGroup {
        version: group.version,
        ..common::ConfigGroup::default()
    };
    let orgs: BTreeMap<_, _> = present.groups.iter().map(|(name, org)| (name.clone(), bare(org))).collect();
    let policies: BTreeMap<_, _> = present
        .policies
        .iter()
        .map(|(name, policy)| {
            (
                name.clone(),
                common::ConfigPolicy { version: policy.version, ..common::ConfigPolicy::default() },
            )
        })
        .collect();
    let values: BTreeMap<_, _> = present
        .values
        .iter()
        .map(|(name, value)| {
            (name.clone(), common::ConfigValue { version: value.version, ..common::ConfigValue::default() })
        })
        .collect();
    let listed = common::ConfigGroup { groups: orgs, values, policies, ..application };
    let mut grown = listed.clone();
    grown.version += 1;
    grown.groups.insert(name.to_owned(), org);
    let inside = |application| common::ConfigGroup {
        groups: BTreeMap::from([("Application".to_owned(), application)]),
        ..root.clone()
    };
    Ok(update(inside(listed), inside(grown)))
}

/// Has the admin of Org1 sign an update, and that of Org2 sign and send it.
fn submit(network: &Network, update: &common::ConfigUpdate, name: &str) -> Outcome {
    let file = network.folder().join(format!("{name}.tx"));
    let signed =
        common::ConfigUpdateEnvelope { config_update: update.encode_to_vec().into(), ..Default::default() };
    let header = common::ChannelHeader { r#type: 2, channel_id: CHANNEL.to_owned(), ..Default::default() };
    let payload = common::Payload {
        header: Some(common::Header { channel_header: header.encode_to_vec().into(), ..Default::default() }),
        data: signed.encode_to_vec().into(),
    };
    let envelope = common::Envelope { payload: payload.encode_to_vec().into(), ..Default::default() };
    fs::write(&file, envelope.encode_to_vec())?;
    run_command(network.peer_cli(ANCHOR).args(["channel", "signconfigtx", "-f"]).arg(&file))?;
    let mut command = network.peer_cli(place(2, 0));
    command.args(["channel", "update", "-c", CHANNEL, "-f"]).arg(&file);
    run_command(network.ordered(&mut command)).map(drop)
}
