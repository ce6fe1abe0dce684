//! The gossip protocol of Hyperledger Fabric as a pure state machine.
