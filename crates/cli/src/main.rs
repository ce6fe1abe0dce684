//! The selvedge program.

mod block;
mod channel;
mod decode;
mod devnet;
mod failure;
mod ledger;
mod node;
mod probe;
mod show;
mod sim;
mod trust;

use clap::{Parser, Subcommand};
use failure::Failure;
use std::process::ExitCode;

/// The gossip layer of Hyperledger Fabric: joins a real channel beside Go peers, and keeps a verified copy of it.
#[derive(Parser, Debug)]
#[command(name = "selvedge", version, arg_required_else_help = true)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand, Debug)]
enum Command {
    /// Run a node
    #[command(subcommand)]
    Node(node::Command),
    /// Join a channel, and ask a running node about its channels
    #[command(subcommand)]
    Channel(channel::Command),
    /// Verify, import and export the ledger of a stopped node
    #[command(subcommand)]
    Ledger(ledger::Command),
    /// Look at a block
    #[command(subcommand)]
    Block(block::Command),
    /// Show envelopes, gossip messages and blocks as text or JSON
    Decode(decode::Arguments),
    /// Dial a gossip endpoint, Go or Selvedge, and tell step by step what is there
    Probe(probe::Arguments),
    /// Run a small network with its own ordering source on this machine
    Devnet(devnet::Arguments),
    /// Simulate thousands of peers on a virtual clock, from one seed
    #[command(subcommand)]
    Sim(sim::Command),
}

fn main() -> ExitCode {
    let outcome = match Arguments::parse().command {
        Command::Node(command) => node::run(&command),
        Command::Channel(command) => channel::run(&command),
        Command::Ledger(command) => ledger::run(&command),
        Command::Block(command) => block::run(&command),
        Command::Decode(arguments) => decode::run(&arguments),
        Command::Probe(arguments) => probe::run(&arguments),
        Command::Devnet(arguments) => devnet::run(&arguments),
        Command::Sim(command) => sim::run(&command),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(Failure::Told) => ExitCode::FAILURE,
        Err(failure) => {
            eprintln!("error: {failure}");
            ExitCode::FAILURE
        }
    }
}
