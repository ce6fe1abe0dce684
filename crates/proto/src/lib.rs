//! Protobuf messages of Hyperledger Fabric, a borrowing envelope reader, block hashing and well-formedness.
