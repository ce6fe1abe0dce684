//! Why TLS failed, named so that an operator can act on it.

use super::verify::NoRoots;
use rustls::{AlertDescription, CertificateError, Error as TlsError, InvalidMessage};
use std::fmt;
use std::io;
use tokio_rustls::rustls;

/// Why a TLS session did not come about.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum TlsFailure {
    /// The other side ended the session with an alert: it refused something of ours.
    Alert(AlertDescription),
    /// The other side's certificate, or one of its chain, carries a bad signature.
    BadSignature,
    /// The server presents a CA certificate as its own.
    CaCertificate,
    /// The other side hung up during the TLS handshake.
    Closed,
    /// The other side's certificate has expired.
    Expired {
        /// End of its validity, seconds since 1970 UTC.
        not_after_seconds: u64,
    },
    /// The certificate is not for this name.
    NameMismatch {
        /// The host that was dialled.
        expected: String,
        /// The names the certificate is for, as the verifier lists them.
        presented: Vec<String>,
    },
    /// The other side does not speak HTTP/2 (it did not choose ALPN `h2`).
    NoHttp2,
    /// No trusted root certificate is configured.
    NoRoots,
    /// No TLS version, cipher suite or signature scheme in common.
    NothingInCommon(String),
    /// The other side's certificate is not valid yet.
    NotYetValid {
        /// Start of its validity, seconds since 1970 UTC.
        not_before_seconds: u64,
    },
    /// What came back is not TLS: the other side probably has TLS off.
    NotTls,
    /// Something else, in the TLS library's words.
    Other(String),
    /// The other side did not finish the TLS handshake in time.
    TimedOut,
    /// No certificate of the chain was issued by a trusted root.
    UnknownIssuer,
    /// The certificate's extended key usage does not allow this role.
    WrongPurpose,
}

impl fmt::Display for TlsFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Alert(alert) => {
                write!(f, "the other side refused with alert {alert:?}{}", alert_hint(*alert))
            }
            Self::BadSignature => f.write_str("a certificate of the chain carries a bad signature"),
            Self::CaCertificate => f.write_str("the server presents a CA certificate as its own"),
            Self::Closed => f.write_str("the other side hung up during the TLS handshake"),
            Self::Expired { not_after_seconds } => {
                write!(f, "the certificate expired at {not_after_seconds} (seconds since 1970)")
            }
            Self::NameMismatch { expected, presented } => {
                write!(f, "the certificate is not for {expected}; it is for {}", presented.join(", "))
            }
            Self::NoHttp2 => f.write_str("the other side does not speak HTTP/2 (no ALPN h2)"),
            Self::NoRoots => fmt::Display::fmt(&NoRoots, f),
            Self::NothingInCommon(what) => write!(f, "nothing in common with the other side: {what}"),
            Self::NotYetValid { not_before_seconds } => {
                write!(f, "the certificate is not valid before {not_before_seconds} (seconds since 1970)")
            }
            Self::NotTls => f.write_str("what came back is not TLS; the other side may have TLS off"),
            Self::Other(text) => f.write_str(text),
            Self::TimedOut => f.write_str("the TLS handshake took too long"),
            Self::UnknownIssuer => f.write_str("the certificate was not issued by a trusted root"),
            Self::WrongPurpose => {
                f.write_str("the certificate's extended key usage does not allow this role")
            }
        }
    }
}

fn alert_hint(alert: AlertDescription) -> &'static str {
    match alert {
        AlertDescription::CertificateRequired => ": it requires a client certificate",
        AlertDescription::UnknownCA => ": it does not trust the issuer of our certificate",
        AlertDescription::CertificateExpired => ": our certificate has expired for it",
        AlertDescription::BadCertificate | AlertDescription::CertificateUnknown => {
            ": it does not accept our certificate"
        }
        _ => "",
    }
}

impl TlsFailure {
    /// The TLS error inside an I/O error of a TLS stream; `None` if it is not one.
    pub(super) fn from_io(error: &io::Error) -> Option<Self> {
        error.get_ref()?.downcast_ref::<TlsError>().map(Self::from_tls)
    }

    /// An I/O error during the TLS handshake.
    pub(super) fn from_handshake(error: &io::Error) -> Self {
        Self::from_io(error).unwrap_or_else(|| match error.kind() {
            io::ErrorKind::UnexpectedEof | io::ErrorKind::ConnectionReset | io::ErrorKind::BrokenPipe => {
                Self::Closed
            }
            _ => Self::Other(error.to_string()),
        })
    }

    pub(super) fn from_tls(error: &TlsError) -> Self {
        match error {
            TlsError::AlertReceived(AlertDescription::NoApplicationProtocol)
            | TlsError::NoApplicationProtocol => Self::NoHttp2,
            TlsError::AlertReceived(alert) => Self::Alert(*alert),
            TlsError::InvalidCertificate(error) => Self::from_certificate(error),
            TlsError::InvalidMessage(
                InvalidMessage::InvalidContentType | InvalidMessage::UnknownProtocolVersion,
            ) => Self::NotTls,
            TlsError::PeerIncompatible(what) => Self::NothingInCommon(format!("{what:?}")),
            TlsError::Other(other) if other.0.is::<NoRoots>() => Self::NoRoots,
            other => Self::Other(other.to_string()),
        }
    }

    fn from_certificate(error: &CertificateError) -> Self {
        match error {
            CertificateError::BadSignature => Self::BadSignature,
            CertificateError::ExpiredContext { not_after, .. } => {
                Self::Expired { not_after_seconds: not_after.as_secs() }
            }
            CertificateError::InvalidPurpose | CertificateError::InvalidPurposeContext { .. } => {
                Self::WrongPurpose
            }
            CertificateError::NotValidForNameContext { expected, presented } => {
                Self::NameMismatch { expected: expected.to_str().into_owned(), presented: presented.clone() }
            }
            CertificateError::NotValidYetContext { not_before, .. } => {
                Self::NotYetValid { not_before_seconds: not_before.as_secs() }
            }
            CertificateError::UnknownIssuer => Self::UnknownIssuer,
            other if other.to_string().contains("CaUsedAsEndEntity") => Self::CaCertificate,
            other => Self::Other(other.to_string()),
        }
    }
}
