//! Names of things: peers, organisations, channels, endpoints, connections, tickets.

use core::borrow::Borrow;
use core::fmt;
use core::ops::Deref;
use std::sync::Arc;

/// The 32-byte identifier of a peer: SHA-256 over its MSP ID and certificate (spec/03 §2).
///
/// Ordered bytewise, as leader election orders it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PkiId([u8; 32]);

impl PkiId {
    /// Wraps the 32 bytes.
    pub const fn new(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// Reads a PKI-ID from the wire; `None` unless it has exactly 32 bytes.
    pub fn from_wire(bytes: &[u8]) -> Option<Self> {
        bytes.try_into().ok().map(Self)
    }

    /// The 32 bytes.
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl fmt::Display for PkiId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

/// Shows the first four bytes, enough to tell peers apart in a trace.
impl fmt::Debug for PkiId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().take(4).try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

macro_rules! shared_text {
    ($(#[$docs:meta])* $name:ident) => {
        $(#[$docs])*
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(Arc<str>);

        impl $name {
            /// The text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl From<&str> for $name {
            fn from(text: &str) -> Self {
                Self(Arc::from(text))
            }
        }

        impl From<String> for $name {
            fn from(text: String) -> Self {
                Self(Arc::from(text))
            }
        }

        impl Deref for $name {
            type Target = str;

            fn deref(&self) -> &str {
                &self.0
            }
        }

        /// Ordered as the text is, so maps can be searched with a `str`.
        impl Borrow<str> for $name {
            fn borrow(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}

shared_text! {
    /// The MSP identifier of an organisation, such as `Org1MSP`.
    MspId
}
shared_text! {
    /// The name of a channel.
    ChannelId
}
shared_text! {
    /// A `host:port` under which a peer can be dialled; compared as text, as Fabric does.
    Endpoint
}

/// A connection: one gRPC stream over one TLS session.
///
/// Ids of connections that the core dials are allocated by the core and even; ids of accepted connections are
/// allocated by the caller with [`ConnectionId::accepted`] and odd. An id is never used twice.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ConnectionId(pub(crate) u64);

impl ConnectionId {
    /// The id of the `count`-th connection that the core dials.
    pub const fn dialed(count: u64) -> Self {
        Self(count << 1)
    }

    /// The id of the `count`-th connection that the caller accepts.
    pub const fn accepted(count: u64) -> Self {
        Self(count << 1 | 1)
    }

    /// Which of the connections that were dialled, or accepted, it is: the number it was made with.
    pub const fn count(self) -> u64 {
        self.0 >> 1
    }

    /// Whether this side dialled.
    pub const fn is_dialed(self) -> bool {
        self.0 & 1 == 0
    }
}

impl fmt::Debug for ConnectionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", if self.is_dialed() { 'd' } else { 'a' }, self.0 >> 1)
    }
}

/// Ties an [`Output`](crate::Output) that takes time to the [`Input`](crate::Input) with its result.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Ticket(pub(crate) u64);

impl fmt::Debug for Ticket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "#{}", self.0)
    }
}
