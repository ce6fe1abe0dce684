//! Who may speak: certificates, MSP rules, PKI-IDs, signatures, policies and channel configuration of Hyperledger Fabric.
