//! The likely cause of a failure, and what to do.

use selvedge::transport::{CertificateSummary, DialError, DialStep, TlsFailure};

/// What is wrong, and what to do about it. `tls` tells whether we speak TLS.
pub(super) fn dial(error: &DialError, tls: bool) -> (String, Option<String>) {
    let advice = match error {
        DialError::Endpoint { .. } => {
            "name it as HOST:PORT, such as peer0.org1.example.com:7051; an IPv6 address in brackets".to_owned()
        }
        DialError::Resolve { .. } => {
            "check the name, DNS and /etc/hosts; names of containers are known only inside their network".to_owned()
        }
        DialError::Tcp { reason, .. } if reason.contains("refused") => {
            "nobody listens there: is the peer running, is this the port of its peer.listenAddress, and is it published?"
                .to_owned()
        }
        DialError::Tcp { .. } => "check the address, routes and firewalls between here and there".to_owned(),
        DialError::TimedOut { step: DialStep::Resolve | DialStep::Tcp, .. } => {
            "packets get lost: a firewall, or an address where nobody is".to_owned()
        }
        DialError::TimedOut { step: DialStep::Tls, .. } => {
            "it takes connections but does not speak TLS: TLS off there (--no-tls), another service on this port, or a \
             peer that hangs"
                .to_owned()
        }
        DialError::TimedOut { .. } if !tls => {
            "it takes connections but does not speak plain gRPC: TLS on there (leave out --no-tls), another service on \
             this port, or a peer that hangs"
                .to_owned()
        }
        DialError::TimedOut { .. } => "a peer that hangs, or another service on this port".to_owned(),
        DialError::Tls { reason, presented } => tls_advice(reason, presented),
        DialError::Ping { reason } if reason.contains("Unimplemented") => {
            "a gRPC server without gossip: an orderer, or a chaincode, or an operations port? Dial the peer's \
             peer.listenAddress"
                .to_owned()
        }
        DialError::Http2 { .. } | DialError::Ping { .. } | DialError::Stream { .. } if !tls => {
            "not a peer with TLS off: TLS on there (leave out --no-tls), or another service on this port".to_owned()
        }
        DialError::Http2 { .. } | DialError::Ping { .. } | DialError::Stream { .. } => {
            "not a Fabric peer, or something between here and there that does not let gRPC through".to_owned()
        }
        DialError::Stopped => return (words(error), None),
    };
    (words(error), Some(advice))
}

/// The error without the step, which is named beside it.
fn words(error: &DialError) -> String {
    match error {
        DialError::Tls { reason: TlsFailure::NoRoots, .. } => "no TLS CA is trusted".to_owned(),
        DialError::Tls { reason, .. } => reason.to_string(),
        DialError::Http2 { reason } | DialError::Ping { reason } | DialError::Stream { reason } => {
            reason.clone()
        }
        DialError::TimedOut { after, .. } => format!("no answer within {} ms", after.as_millis()),
        other => other.to_string(),
    }
}

fn tls_advice(reason: &TlsFailure, presented: &[CertificateSummary]) -> String {
    let issuer = presented.last().map_or("unknown", |certificate| &certificate.issuer);
    let advice = match reason {
        TlsFailure::NoRoots | TlsFailure::UnknownIssuer => {
            return format!(
                "trust the TLS CA that issued it: {issuer}. Give its certificate with --tls-ca (the tlscacerts of that \
                 organisation's MSP), or the channel's configuration with --config-block, as a peer in the channel has it"
            );
        }
        TlsFailure::NameMismatch { expected, presented } => {
            return format!(
                "dial it by a name it has ({}), or have a certificate issued with {expected} among its subject \
                 alternative names",
                presented.join(", ")
            );
        }
        TlsFailure::Expired { .. } => "have the peer's TLS certificate renewed; check the clock here",
        TlsFailure::NotYetValid { .. } => "check the clocks here and where the certificate was made",
        TlsFailure::BadSignature => "the chain is forged or damaged: who answers on this address?",
        TlsFailure::CaCertificate => "the peer is configured with a CA's certificate as peer.tls.cert.file",
        TlsFailure::WrongPurpose => {
            "have the certificate issued with the extended key usages serverAuth and clientAuth"
        }
        TlsFailure::NotTls => "the peer has TLS off: --no-tls; or another service is on this port",
        TlsFailure::Closed => {
            "TLS off there (--no-tls), another service on this port, or a proxy between that wants another name"
        }
        TlsFailure::NoHttp2 => {
            "not a gRPC server, or a proxy between that ends TLS: only passing through works"
        }
        TlsFailure::NothingInCommon(_) => "the server is too old or too strict; TLS 1.2 or 1.3 is needed",
        TlsFailure::Alert(alert) => return alert_advice(&format!("{alert:?}")).to_owned(),
        _ => "see the log of the peer (logger comm.grpc or core.comm) at this time",
    };
    advice.to_owned()
}

/// What the other side did not like about us.
fn alert_advice(alert: &str) -> &'static str {
    match alert {
        "CertificateRequired" => {
            "the peer has peer.tls.clientAuthRequired on and saw no certificate of ours: check --tls-cert"
        }
        "UnknownCA" | "BadCertificate" | "CertificateUnknown" => {
            "the peer has peer.tls.clientAuthRequired on and does not trust the CA of our TLS certificate: it must be \
             among its peer.tls.clientRootCAs.files or of an organisation of its channels; or use another --tls-cert"
        }
        "CertificateExpired" => "renew our TLS certificate (--tls-cert); check the peer's clock",
        "UnsupportedCertificate" => {
            "our TLS certificate (--tls-cert) may not be used by clients: it needs the usage clientAuth"
        }
        "ProtocolVersion" | "HandshakeFailure" => {
            "the server is too old or too strict; TLS 1.2 or 1.3 is needed"
        }
        _ => "see the log of the peer (logger comm.grpc or core.comm) at this time",
    }
}

/// The words with which Go peers and Selvedge nodes refuse a handshake, and what they mean.
const REFUSALS: [(&[&str], &str); 9] = [
    (
        &["no TLS certificate", "CertificateMissing"],
        "the peer saw no TLS certificate of ours: a proxy between that ends TLS?",
    ),
    (
        &["remote hash of TLS cert", "CertificateUnbound"],
        "the peer sees another TLS certificate than ours: a proxy between ends TLS; only passing through works",
    ),
    (
        &["identity expired", "IdentityExpired"],
        "our identity's certificate has expired, by the peer's clock: renew it, or check that clock",
    ),
    (
        &["No MSP found", "failed classifying identity", "IdentityInvalid"],
        "no MSP of the peer accepts our identity: is our organisation in a channel that the peer has joined, is the MSP ID \
         right, was our certificate issued by the CA in that MSP, and not revoked?",
    ),
    (
        &["'Readers' sub-policies", "Readers"],
        "our identity is known but no channel's Readers policy accepts it: is it one of a peer?",
    ),
    (
        &["signature is invalid", "validity of the signature", "Empty signature", "SignatureInvalid"],
        "the peer does not accept our signature: does the private key in keystore belong to the certificate in signcerts?",
    ),
    (
        &["doesn't match the computed pkiID", "IdentityMismatch"],
        "the peer computes another PKI-ID from our identity: report this as a fault of Selvedge",
    ),
    (
        &["timed out waiting for connection message"],
        "our handshake did not arrive in time: a slow link, or something between that holds data back",
    ),
    (&["shutting down", "Stopping"], "the peer is stopping: try again"),
];

/// What to do about a handshake that the other side refused in these words.
pub(super) fn refusal(words: &str) -> String {
    let known = REFUSALS.iter().find(|(texts, _)| texts.iter().any(|text| words.contains(text)));
    known
        .map_or(
            "see the peer's log (logger gossip.comm) at this time; FABRIC_LOGGING_SPEC=info:gossip=debug tells more",
            |(_, advice)| advice,
        )
        .to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refusals_of_both_kinds_of_peers_are_understood() {
        for (words, meaning) in [
            ("Unknown: failed classifying identity: ... No MSP found able to do that.", "no MSP of the peer"),
            ("Unknown: misbehaviour: IdentityInvalid", "no MSP of the peer"),
            ("Unknown: gossipping peer identity expired", "has expired"),
            ("Unknown: unfitting: IdentityExpired", "has expired"),
            ("Unknown: Expected [225 185] in remote hash of TLS cert, but got []", "proxy"),
            ("Unknown: something new", "gossip.comm"),
        ] {
            assert!(refusal(words).contains(meaning), "{words}: {}", refusal(words));
        }
    }

    #[test]
    fn an_unknown_issuer_is_named() {
        let reason = TlsFailure::NameMismatch {
            expected: "peer9".to_owned(),
            presented: vec!["peer0".to_owned(), "localhost".to_owned()],
        };
        let advice = tls_advice(&reason, &[]);
        assert!(advice.contains("(peer0, localhost)") && advice.contains("with peer9 among"), "{advice}");
    }
}
