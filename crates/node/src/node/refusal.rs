//! How a stream is ended, in words: to the peer as gRPC status, to the operator as log line.
//!
//! Where Fabric has a text for a reason (spec/02 §4.4, spec/03 §4.1), the same one is used: it is what operators of Go peers
//! know and search for.

use selvedge_core::{CloseReason, Misbehaviour, Reject, Unfitting};
use selvedge_proto::validate::Malformed;
use std::net::SocketAddr;
use tonic::Status;

/// The status that ends an accepted stream: Unknown with a text for a refused handshake and for what does not parse, else OK.
pub(super) fn status_of(reason: CloseReason, remote: SocketAddr) -> Status {
    match reason {
        CloseReason::Handshake(reason) => Status::unknown(handshake(reason)),
        CloseReason::HandshakeTimeout => {
            Status::unknown(format!("timed out waiting for connection message from {remote}"))
        }
        CloseReason::Unparsable => Status::unknown("Failed unmarshalling GossipMessage from envelope"),
        CloseReason::PeerGone | CloseReason::ProbeDone | CloseReason::Replaced | CloseReason::Undisclosed => {
            Status::ok("")
        }
    }
}

/// Why a handshake was refused.
fn handshake(reason: Reject) -> String {
    let text = match reason {
        Reject::Malformed(Malformed::Unparsable(error)) => {
            return format!("Failed unmarshalling GossipMessage from envelope: {error}");
        }
        Reject::Malformed(Malformed::ContentUnexpected) => "wrong type",
        Reject::Malformed(Malformed::PkiIdMissing) => "no PKI-ID",
        Reject::Malformed(Malformed::IdentityMissing) => "identity is nil",
        Reject::Malformed(Malformed::SignedPayloadMissing | Malformed::SecretPayloadMissing) => {
            "Empty payload"
        }
        Reject::Malformed(Malformed::SignatureMissing | Malformed::SecretSignatureMissing) => {
            "Empty signature"
        }
        Reject::Misbehaviour(Misbehaviour::CertificateMissing) => "no TLS certificate",
        Reject::Misbehaviour(Misbehaviour::CertificateUnbound) => {
            "Expected another remote hash of TLS cert than the one in the handshake: is there a \
             proxy that ends TLS, or was a TLS certificate renewed without a restart?"
        }
        Reject::Misbehaviour(Misbehaviour::IdentityInvalid) => {
            "failed classifying identity: no MSP of this peer or of its channels accepts it"
        }
        Reject::Misbehaviour(Misbehaviour::IdentityMismatch) => "identity doesn't match the computed pkiID",
        Reject::Misbehaviour(Misbehaviour::SignatureInvalid) => "The signature is invalid",
        Reject::Unfitting(Unfitting::IdentityExpired) => "gossipping peer identity expired",
        Reject::Unfitting(Unfitting::SignerFailed) => "this peer cannot sign at the moment",
        Reject::OverLimit => "too many connections, or a message that is too large",
        reason => return reason.to_string(),
    };
    text.to_owned()
}
