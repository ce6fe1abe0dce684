//! The peer's own addresses (spec/04 §2).

use std::net::{IpAddr, Ipv4Addr};

/// Splits `host:port`, with the host in brackets where it has colons itself; neither part is judged further.
pub(super) fn split(address: &str) -> Option<(&str, &str)> {
    let (host, port) = address.rsplit_once(':')?;
    let host = match host.strip_prefix('[') {
        Some(inner) => inner.strip_suffix(']')?,
        None if host.contains(':') => return None,
        None => host,
    };
    (!port.contains(['[', ']'])).then_some((host, port))
}

/// Whether the host of an address stands for every address of the machine, as `0.0.0.0` does.
pub(super) fn is_unspecified(host: &str) -> bool {
    host.parse::<IpAddr>().is_ok_and(|ip| ip.is_unspecified())
}

/// What Fabric's discovery demands of a peer's internal endpoint.
pub(super) fn check_endpoint(endpoint: &str) -> Result<(), &'static str> {
    let Some((host, port)) = endpoint.split_once(':') else {
        return Err("expected host:port");
    };
    if port.contains(':') {
        return Err(
            "expected host:port with one colon; an IPv6 address cannot be a gossip endpoint, give a host name",
        );
    }
    if host.is_empty() {
        return Err("expected host:port, found no host");
    }
    match port.parse::<u16>() {
        Ok(_) if port.bytes().all(|byte| byte.is_ascii_digit()) => Ok(()),
        _ => Err("expected host:port with a port from 0 to 65535"),
    }
}

/// The machine's first IPv4 address that is not of the loopback interface.
pub(super) fn detect() -> Result<Ipv4Addr, String> {
    let interfaces = if_addrs::get_if_addrs().map_err(|error| error.to_string())?;
    let addresses = interfaces.iter().map(if_addrs::Interface::ip);
    let found = addresses.filter_map(|ip| match ip {
        IpAddr::V4(ip) if !ip.is_loopback() => Some(ip),
        _ => None,
    });
    found.into_iter().next().ok_or_else(|| "this machine has no IPv4 address but the loopback one".into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_split_at_their_port() {
        for (address, expected) in [
            ("h:1", Some(("h", "1"))),
            (":7051", Some(("", "7051"))),
            ("[::1]:7051", Some(("::1", "7051"))),
            ("::1:7051", None),
            ("h", None),
            ("[::1:7051", None),
            ("h:]", None),
        ] {
            assert_eq!(split(address), expected, "{address}");
        }
    }

    #[test]
    fn unspecified_hosts() {
        assert!(is_unspecified("0.0.0.0") && is_unspecified("::"));
        assert!(!is_unspecified("127.0.0.1") && !is_unspecified("") && !is_unspecified("peer0"));
    }

    #[test]
    fn endpoints_have_one_colon_and_a_port() {
        for good in ["peer0.org1:7051", "127.0.0.1:0", "h:65535"] {
            assert_eq!(check_endpoint(good), Ok(()), "{good}");
        }
        for bad in ["", "peer0", "[::1]:7051", ":7051", "h:", "h:65536", "h:+1", "h:http", "h:-1"] {
            assert!(check_endpoint(bad).is_err(), "{bad}");
        }
    }
}
