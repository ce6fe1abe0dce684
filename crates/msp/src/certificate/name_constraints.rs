//! Name constraints of certificate authorities against the alternative names below them (RFC 5280, 4.2.1.10).

use x509_parser::extensions::{GeneralName, GeneralSubtree, NameConstraints as Parsed};

/// Why a name is not allowed by an authority above it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NameError {
    /// No permitted subtree holds the name.
    #[error("{0:?} is in no permitted subtree")]
    NotPermitted(String),
    /// An excluded subtree holds the name.
    #[error("{0:?} is in an excluded subtree")]
    Excluded(String),
    /// The name cannot be compared with constraints.
    #[error("{0:?} cannot be matched against constraints")]
    Unreadable(String),
    /// The leaf has no alternative names, but a common name that looks like a host name.
    #[error("the common name {0:?} looks like a host name and cannot be matched against constraints")]
    CommonName(String),
}

/// The names of a certificate that constraints speak of.
#[derive(Debug, Default)]
pub(crate) struct AlternativeNames {
    dns: Vec<String>,
    emails: Vec<String>,
    uris: Vec<String>,
    addresses: Vec<Vec<u8>>,
}

impl AlternativeNames {
    pub(super) fn read(names: &[GeneralName<'_>]) -> Result<Self, ()> {
        let mut all = Self::default();
        for name in names {
            match name {
                GeneralName::DNSName(dns) => all.dns.push((*dns).to_owned()),
                GeneralName::RFC822Name(email) => all.emails.push((*email).to_owned()),
                GeneralName::URI(uri) if is_readable_uri(uri) => all.uris.push((*uri).to_owned()),
                GeneralName::URI(_) => return Err(()),
                GeneralName::IPAddress(address) if matches!(address.len(), 4 | 16) => {
                    all.addresses.push(address.to_vec());
                }
                GeneralName::IPAddress(_) | GeneralName::Invalid(..) => return Err(()),
                _ => {}
            }
        }
        Ok(all)
    }
}

/// The constraints of one authority.
#[derive(Debug, Default)]
pub(crate) struct NameConstraints {
    permitted: Subtrees,
    excluded: Subtrees,
}

#[derive(Debug, Default)]
struct Subtrees {
    dns: Vec<String>,
    emails: Vec<String>,
    uris: Vec<String>,
    /// Address, then mask, of equal length.
    networks: Vec<(Vec<u8>, Vec<u8>)>,
}

impl NameConstraints {
    /// Reads the extension, and tells whether all kinds of names in it are known.
    pub(super) fn read(parsed: &Parsed<'_>) -> Result<(Self, bool), ()> {
        let (permitted, all_known) =
            Subtrees::read(parsed.permitted_subtrees.as_deref().unwrap_or_default())?;
        let (excluded, known) = Subtrees::read(parsed.excluded_subtrees.as_deref().unwrap_or_default())?;
        Ok((Self { permitted, excluded }, all_known && known))
    }

    /// Checks the names of a certificate below the authority.
    pub(crate) fn check(&self, names: &AlternativeNames) -> Result<(), NameError> {
        for dns in &names.dns {
            self.check_name(dns, is_domain(dns), |tree| {
                (&tree.dns, |constraint| in_domain(constraint, dns))
            })?;
            // a wildcard reaches whatever an excluded subtree directly below its own domain names
            if let Some(parent) = dns.strip_prefix('*') {
                let reaches = |excluded: &String| {
                    excluded
                        .find('.')
                        .and_then(|dot| excluded.get(dot..))
                        .is_some_and(|above| above.eq_ignore_ascii_case(parent))
                };
                if self.excluded.dns.iter().any(reaches) {
                    return Err(NameError::Excluded(dns.clone()));
                }
            }
        }
        for email in &names.emails {
            let parts = mailbox(email);
            self.check_name(email, parts.is_some(), |tree| {
                (&tree.emails, |constraint| parts.is_some_and(|parts| email_matches(constraint, parts)))
            })?;
        }
        for uri in &names.uris {
            let host = uri_host(uri);
            self.check_name(uri, host.is_some(), |tree| {
                (&tree.uris, |constraint| host.is_some_and(|host| in_domain(constraint, host)))
            })?;
        }
        for address in &names.addresses {
            let name = || format!("{address:?}");
            if !self.permitted.networks.is_empty() && !self.permitted.holds_address(address) {
                return Err(NameError::NotPermitted(name()));
            }
            if self.excluded.holds_address(address) {
                return Err(NameError::Excluded(name()));
            }
        }
        Ok(())
    }

    fn check_name<'a, Matches: Fn(&str) -> bool>(
        &'a self,
        name: &str,
        is_readable: bool,
        of: impl Fn(&'a Subtrees) -> (&'a Vec<String>, Matches),
    ) -> Result<(), NameError> {
        if !is_readable {
            return Err(NameError::Unreadable(name.to_owned()));
        }
        let (permitted, matches) = of(&self.permitted);
        if !permitted.is_empty() && !permitted.iter().any(|constraint| matches(constraint)) {
            return Err(NameError::NotPermitted(name.to_owned()));
        }
        let (excluded, matches) = of(&self.excluded);
        if excluded.iter().any(|constraint| matches(constraint)) {
            return Err(NameError::Excluded(name.to_owned()));
        }
        Ok(())
    }
}

impl Subtrees {
    fn read(subtrees: &[GeneralSubtree<'_>]) -> Result<(Self, bool), ()> {
        let mut all = Self::default();
        let mut known = true;
        for subtree in subtrees {
            match &subtree.base {
                GeneralName::DNSName(dns) if is_constraint(dns) => all.dns.push((*dns).to_owned()),
                GeneralName::RFC822Name(email)
                    if mailbox(email).is_some() || !email.contains('@') && is_constraint(email) =>
                {
                    all.emails.push((*email).to_owned());
                }
                GeneralName::URI(uri) if is_constraint(uri) => all.uris.push((*uri).to_owned()),
                GeneralName::DNSName(_) | GeneralName::RFC822Name(_) | GeneralName::URI(_) => return Err(()),
                GeneralName::IPAddress(network) if matches!(network.len(), 8 | 32) => {
                    let (address, mask) = network.split_at(network.len() / 2);
                    all.networks.push((address.to_vec(), mask.to_vec()));
                }
                GeneralName::IPAddress(_) | GeneralName::Invalid(..) => return Err(()),
                _ => known = false,
            }
        }
        Ok((all, known))
    }

    fn holds_address(&self, address: &[u8]) -> bool {
        self.networks.iter().any(|(network, mask)| {
            network.len() == address.len()
                && network.iter().zip(mask).zip(address).all(|((net, mask), byte)| net & mask == byte & mask)
        })
    }
}

/// Whether a name consists of labels of visible characters. An empty one is accepted, as in Go.
fn is_domain(name: &str) -> bool {
    name.is_empty()
        || name.split('.').all(|label| !label.is_empty() && label.bytes().all(|byte| byte.is_ascii_graphic()))
}

/// The local part and the domain of an address.
fn mailbox(email: &str) -> Option<(&str, &str)> {
    email
        .rsplit_once('@')
        .filter(|(local, domain)| !local.is_empty() && !domain.is_empty() && is_domain(domain))
}

/// Whether a name may stand in a constraint: a domain, perhaps with a dot in front.
fn is_constraint(name: &str) -> bool {
    is_domain(name.strip_prefix('.').filter(|rest| !rest.is_empty()).unwrap_or(name))
}

/// Whether the host of a URI, if it has one, is a domain; Go refuses a certificate with another one.
fn is_readable_uri(uri: &str) -> bool {
    let Some((_, rest)) = uri.split_once("//") else { return true };
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    is_domain(authority.rsplit('@').next().unwrap_or_default())
}

/// Whether `name` is the domain `constraint` or below it; with a leading dot only below it. An empty constraint holds
/// everything.
fn in_domain(constraint: &str, name: &str) -> bool {
    if constraint.is_empty() {
        return true;
    }
    let Some(split) = name.len().checked_sub(constraint.len()) else { return false };
    let (Some(below), Some(suffix)) = (name.get(..split), name.get(split..)) else { return false };
    suffix.eq_ignore_ascii_case(constraint)
        && (below.is_empty() || constraint.starts_with('.') || below.ends_with('.'))
}

fn email_matches(constraint: &str, (local, domain): (&str, &str)) -> bool {
    match mailbox(constraint) {
        Some((wanted, host)) => wanted == local && host.eq_ignore_ascii_case(domain),
        None => in_domain(constraint, domain),
    }
}

/// The host of a URI, if it has one that is a name and no address.
fn uri_host(uri: &str) -> Option<&str> {
    let (_, rest) = uri.split_once("://")?;
    let authority = rest.split(['/', '?', '#']).next()?;
    let host = authority.rsplit('@').next()?;
    if host.starts_with('[') {
        return None;
    }
    let host = host.split(':').next()?;
    (!host.is_empty() && !host.ends_with('.') && host.parse::<std::net::IpAddr>().is_err()).then_some(host)
}

/// Whether a common name looks like a host name: letters, digits, `-`, `_` and `:` in labels, an optional wildcard in
/// front and an optional dot at the end. An authority with name constraints then refuses a leaf that has no alternative
/// names (spec/03 §8.5).
pub(crate) fn looks_like_host_name(name: &str) -> bool {
    let name = name.strip_suffix('.').unwrap_or(name);
    let is_label = |label: &str| {
        !label.is_empty()
            && !label.starts_with('-')
            && label.chars().all(|letter| letter.is_ascii_alphanumeric() || "-_:".contains(letter))
    };
    name.split('.').enumerate().all(|(index, label)| index == 0 && label == "*" || is_label(label))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn constraints(permitted: &[&str], excluded: &[&str]) -> NameConstraints {
        let dns = |names: &[&str]| Subtrees {
            dns: names.iter().map(|name| (*name).to_owned()).collect(),
            ..Subtrees::default()
        };
        NameConstraints { permitted: dns(permitted), excluded: dns(excluded) }
    }

    fn check_dns(constraints: &NameConstraints, name: &str) -> bool {
        let names = AlternativeNames { dns: vec![name.to_owned()], ..AlternativeNames::default() };
        constraints.check(&names).is_ok()
    }

    #[test]
    fn domains() {
        assert!(in_domain("example.com", "example.com"));
        assert!(in_domain("example.com", "a.EXAMPLE.com"));
        assert!(!in_domain("example.com", "badexample.com"));
        assert!(!in_domain("example.com", "com"));
        assert!(in_domain(".example.com", "a.example.com"));
        assert!(!in_domain(".example.com", "example.com"));
        assert!(in_domain("", "anything"));
    }

    #[test]
    fn permitted_and_excluded() {
        let rules = constraints(&["example.com"], &["secret.example.com"]);
        assert!(check_dns(&rules, "peer0.example.com"));
        assert!(!check_dns(&rules, "peer0.example.org"));
        assert!(!check_dns(&rules, "x.secret.example.com"));
        assert!(!check_dns(&rules, "*.example.com"), "a wildcard reaches the excluded name");
        assert!(!check_dns(&rules, "peer0.example.com."));
        assert!(check_dns(&constraints(&[], &[]), "anything"));
    }

    #[test]
    fn emails_addresses_and_uris() {
        let text = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
        let permitted = Subtrees {
            emails: text(&["boss@example.com", "org1.example.com"]),
            uris: text(&[".example.com"]),
            networks: vec![(vec![10, 1, 0, 0], vec![255, 255, 0, 0])],
            ..Subtrees::default()
        };
        let rules = NameConstraints { permitted, excluded: Subtrees::default() };
        let emails = |email: &str| AlternativeNames { emails: text(&[email]), ..Default::default() };
        assert!(rules.check(&emails("boss@EXAMPLE.com")).is_ok());
        assert!(rules.check(&emails("Boss@example.com")).is_err());
        assert!(rules.check(&emails("any@org1.example.com")).is_ok());
        for bad in ["none", "@example.com", "u@", "u@.example.com"] {
            assert!(matches!(rules.check(&emails(bad)), Err(NameError::Unreadable(_))), "{bad}");
        }
        let uris = |uri: &str| AlternativeNames { uris: text(&[uri]), ..Default::default() };
        assert!(rules.check(&uris("https://u@a.example.com:8080/x")).is_ok());
        assert!(rules.check(&uris("https://example.com/")).is_err());
        for bad in ["https://10.1.1.1/", "https://[::1]/", "urn:x", "https:///"] {
            assert!(matches!(rules.check(&uris(bad)), Err(NameError::Unreadable(_))), "{bad}");
        }
        let addresses =
            |address: &[u8]| AlternativeNames { addresses: vec![address.to_vec()], ..Default::default() };
        assert!(rules.check(&addresses(&[10, 1, 9, 9])).is_ok());
        assert!(rules.check(&addresses(&[10, 2, 9, 9])).is_err());
        assert!(rules.check(&addresses(&[0; 16])).is_err());
    }

    #[test]
    fn host_names() {
        for yes in ["peer0.org1.example.com", "localhost", "*.a", "a_b:7051", "a."] {
            assert!(looks_like_host_name(yes), "{yes}");
        }
        for no in ["", "Admin User", "a..b", "a.*", "-a", "ä.b"] {
            assert!(!looks_like_host_name(no), "{no}");
        }
    }

    #[test]
    fn names_that_are_no_domains() {
        for yes in ["https://a.example.com:8080/x", "https://u@a/", "urn:x", "https:///", "mailto:x"] {
            assert!(is_readable_uri(yes), "{yes}");
        }
        for no in ["https://.example.com/x", "https://a..b/", "https://a./"] {
            assert!(!is_readable_uri(no), "{no}");
        }
        assert!(is_constraint(".example.com") && is_constraint("") && is_constraint("a"));
        assert!(
            !is_constraint(".") && !is_constraint("..a") && !is_constraint("a.") && !is_constraint("a b")
        );
    }
}
