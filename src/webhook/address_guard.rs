//! Which addresses a webhook may call. Whoever submits an analysis names the receiver, so without
//! a guard the daemon could be made to post into places only it can reach: its own loopback, the
//! cluster's network, a cloud's metadata service.
//!
//! There are two checks. [`check_url`] reads the URL, at submission and again before each attempt.
//! The resolver asks [`Policy::refusal`] about each address a name resolved to, just before
//! dialling, so that a name cannot show one address to the check and another to the connection.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use url::{Host, Url};

/// The longest receiver URL in bytes; a longer one is refused. Two thousand is what URLs are
/// commonly kept under; RFC 9110 section 4.1 asks recipients for 8,000.
pub const URL_LEN_MAX: usize = 8000;

/// What may be called beyond the public internet, and how.
#[derive(Clone, Debug)]
pub struct Policy {
    /// Whether `http:` is allowed (default: yes). Receivers inside a cluster seldom have a
    /// certificate, and the signature, not the transport, is what proves a message; what is lost
    /// is that others on the path can read the verdict.
    pub allow_plain_http: bool,
    /// Whether loopback, private, shared and unique local addresses are allowed (default: no).
    /// Link-local and metadata addresses are not among them.
    pub allow_private: bool,
    /// Names that may resolve to such inner addresses all the same.
    pub allowed_hosts: Vec<HostRule>,
    /// Networks that are allowed whatever they are, link-local ones too.
    pub allowed_networks: Vec<Network>,
}

impl Default for Policy {
    fn default() -> Self {
        Self {
            allow_plain_http: true,
            allow_private: false,
            allowed_hosts: Vec::new(),
            allowed_networks: Vec::new(),
        }
    }
}

impl Policy {
    /// Why `host`, having the address `ip`, must not be called; `None` when it may.
    pub fn refusal(&self, host: &str, ip: IpAddr) -> Option<&'static str> {
        if self.allowed_networks.iter().any(|net| net.contains(ip)) {
            return None;
        }
        let (reach, why) = classify(ip)?;
        let lifted = reach == Reach::Inner && (self.allow_private || self.knows_host(host));
        (!lifted).then_some(why)
    }

    fn knows_host(&self, host: &str) -> bool {
        self.allowed_hosts.iter().any(|rule| rule.matches(host))
    }

    /// `localhost` and everything below it is loopback by definition (RFC 6761 section 6.3).
    fn refuses_localhost(&self, host: &str) -> bool {
        let name = plain_name(host);
        let local = name == "localhost" || name.ends_with(".localhost");
        let loopback = [
            IpAddr::V4(Ipv4Addr::LOCALHOST),
            IpAddr::V6(Ipv6Addr::LOCALHOST),
        ];
        local && loopback.iter().all(|ip| self.refusal(host, *ip).is_some())
    }
}

/// Why a receiver must not be called. Never shows path, query or credentials.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AddressError {
    /// The URL is longer than [`URL_LEN_MAX`].
    #[error("the webhook url has {bytes} bytes; at most {URL_LEN_MAX} are allowed")]
    TooLong {
        /// Its length.
        bytes: usize,
    },
    /// Neither `https` nor `http`.
    #[error("the webhook url has the scheme `{scheme}`; use https")]
    Scheme {
        /// What it has.
        scheme: String,
    },
    /// `http`, and the policy wants `https`.
    #[error("the webhook url is plain http, which is switched off; use https")]
    PlainHttp,
    /// User name or password in the URL.
    #[error("the webhook url has credentials in it; use a signing secret")]
    Credentials,
    /// No host.
    #[error("the webhook url has no host")]
    NoHost,
    /// Port 0.
    #[error("the webhook url has port 0")]
    Port,
    /// An address that is not for us to call, given as such or found by DNS.
    #[error(
        "the webhook host `{host}` {shown}is forbidden: {why}; `webhooks.allow_private` \
         allows loopback and private ones",
        shown = Shown(*ip)
    )]
    Forbidden {
        /// The host as named.
        host: String,
        /// The address, when it is not the host itself.
        ip: Option<IpAddr>,
        /// The reason, with the document that says so.
        why: &'static str,
    },
}

struct Shown(Option<IpAddr>);

impl fmt::Display for Shown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0
            .map_or(Ok(()), |ip| write!(f, "resolves to {ip}, which "))
    }
}

/// Whether `url` may be called as far as its text tells. The `url` crate has already turned every
/// spelling of an IPv4 address (decimal, octal, hexadecimal, short, trailing dot) into the address.
pub fn check_url(url: &Url, policy: &Policy) -> Result<(), AddressError> {
    let bytes = url.as_str().len();
    if bytes > URL_LEN_MAX {
        return Err(AddressError::TooLong { bytes });
    }
    match url.scheme() {
        "https" => {}
        "http" if policy.allow_plain_http => {}
        "http" => return Err(AddressError::PlainHttp),
        other => {
            let scheme = other.to_owned();
            return Err(AddressError::Scheme { scheme });
        }
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err(AddressError::Credentials);
    }
    if url.port() == Some(0) {
        return Err(AddressError::Port);
    }
    let host = url.host().ok_or(AddressError::NoHost)?;
    let why = match host {
        Host::Ipv4(ip) => policy.refusal(&host.to_string(), IpAddr::V4(ip)),
        Host::Ipv6(ip) => policy.refusal(&host.to_string(), IpAddr::V6(ip)),
        Host::Domain(name) if plain_name(name).is_empty() => return Err(AddressError::NoHost),
        Host::Domain(name) => policy
            .refuses_localhost(name)
            .then_some("loopback by name (RFC 6761)"),
    };
    why.map_or(Ok(()), |why| {
        Err(AddressError::Forbidden {
            host: host.to_string(),
            ip: None,
            why,
        })
    })
}

/// Why `ip` is not a public address one may call; `None` for an ordinary one.
pub fn forbidden(ip: IpAddr) -> Option<&'static str> {
    classify(ip).map(|(_, why)| why)
}

/// Lower case, without the dot of the root.
fn plain_name(host: &str) -> String {
    let host = host.strip_suffix('.').unwrap_or(host);
    host.to_ascii_lowercase()
}

/// A name (`hooks.example.com`) or everything below one (`*.svc.cluster.local`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HostRule {
    name: Box<str>,
    below: bool,
}

impl HostRule {
    /// Reads a name or `*.` and a name; `None` for anything else with a star, or nothing.
    pub fn parse(text: &str) -> Option<Self> {
        let text = text.trim();
        let (below, name) = match text.strip_prefix("*.") {
            Some(rest) => (true, rest),
            None => (false, text),
        };
        let name = plain_name(name);
        let legal = |c: char| c.is_ascii_alphanumeric() || "-_.:[]".contains(c);
        (!name.is_empty() && name.chars().all(legal)).then(|| Self {
            name: name.into(),
            below,
        })
    }

    /// Whether `host` is the name, or lies below it.
    pub fn matches(&self, host: &str) -> bool {
        let host = plain_name(host);
        if self.below {
            host.strip_suffix(&*self.name)
                .is_some_and(|front| front.len() > 1 && front.ends_with('.'))
        } else {
            *host == *self.name
        }
    }
}

/// An address range: IPv4 is kept as its IPv4-mapped IPv6 form, so that there is one kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Network {
    base: u128,
    bits: u32,
}

/// The front of an IPv4-mapped address (RFC 4291 section 2.5.5.2).
const MAPPED: u128 = 0xffff_0000_0000;

impl Network {
    /// Reads `10.0.0.0/8`, `fd00::/8`, or one address. `None` when it is neither, or when bits
    /// behind the prefix are set (it would be unclear what was meant).
    pub fn parse(text: &str) -> Option<Self> {
        let (ip, bits) = match text.trim().split_once('/') {
            Some((ip, bits)) => (ip, Some(bits.parse::<u32>().ok()?)),
            None => (text.trim(), None),
        };
        let (base, front) = match ip.parse().ok()? {
            IpAddr::V4(ip) => (MAPPED | u128::from(ip.to_bits()), 96),
            IpAddr::V6(ip) => (ip.to_bits(), 0),
        };
        let bits = bits.map_or(128, |bits| front + bits.min(129));
        let network = Self { base, bits };
        (bits <= 128 && network.mask() & base == base).then_some(network)
    }

    /// Whether `ip` lies in it; an IPv4-mapped IPv6 address counts as the IPv4 address.
    pub fn contains(&self, ip: IpAddr) -> bool {
        number(ip) & self.mask() == self.base
    }

    const fn mask(&self) -> u128 {
        match u128::MAX.checked_shl(128 - self.bits) {
            Some(mask) => mask,
            None => 0, // a prefix of no bits holds everything
        }
    }

    const fn v4(a: u8, b: u8, c: u8, d: u8, bits: u32) -> Self {
        let number = Ipv4Addr::new(a, b, c, d).to_ipv6_mapped().to_bits();
        Self {
            base: number,
            bits: 96 + bits,
        }
    }

    /// The first four groups; all special IPv6 ranges but a few single addresses end there.
    const fn v6(a: u16, b: u16, c: u16, d: u16, bits: u32) -> Self {
        let base = Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0).to_bits();
        Self { base, bits }
    }

    /// One IPv6 address.
    const fn one(ip: u128) -> Self {
        Self {
            base: ip,
            bits: 128,
        }
    }
}

fn number(ip: IpAddr) -> u128 {
    match ip {
        IpAddr::V4(ip) => ip.to_ipv6_mapped().to_bits(),
        IpAddr::V6(ip) => ip.to_bits(),
    }
}

/// Who can lift a prohibition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Reach {
    /// An address inside one's own network: lifted by `allow_private` or a named host.
    Inner,
    /// No receiver lives there: lifted only by naming the network.
    Never,
}

use Reach::{Inner, Never};

/// The special-purpose ranges of IANA's two registries (RFC 6890) and the metadata services of
/// clouds that lie in other ranges. The first matching row wins, so the single addresses stand
/// first.
#[rustfmt::skip] // one row, one line
const SPECIAL: &[(Network, Reach, &str)] = &[
    (Network::v4(100, 100, 100, 200, 32), Never, "cloud metadata (Alibaba Cloud)"),
    (Network::v4(168, 63, 129, 16, 32), Never, "cloud platform service (Azure)"),
    (Network::v4(169, 254, 169, 254, 32), Never, "cloud metadata (link-local, RFC 3927)"),
    (Network::one(0xfd00_0ec2 << 96 | 0x254), Never, "cloud metadata (AWS)"),
    (Network::one(0xfd20_00ce << 96 | 0x254), Never, "cloud metadata (Google Cloud)"),
    (Network::v4(255, 255, 255, 255, 32), Never, "broadcast (RFC 919)"),
    (Network::v4(0, 0, 0, 0, 8), Never, "this network, unspecified (RFC 1122)"),
    (Network::v4(127, 0, 0, 0, 8), Inner, "loopback (RFC 1122)"),
    (Network::v4(10, 0, 0, 0, 8), Inner, "private (RFC 1918)"),
    (Network::v4(172, 16, 0, 0, 12), Inner, "private (RFC 1918)"),
    (Network::v4(192, 168, 0, 0, 16), Inner, "private (RFC 1918)"),
    (Network::v4(100, 64, 0, 0, 10), Inner, "shared, carrier-grade NAT (RFC 6598)"),
    (Network::v4(169, 254, 0, 0, 16), Never, "link-local (RFC 3927)"),
    (Network::v4(192, 0, 0, 0, 24), Never, "protocol assignments (RFC 6890)"),
    (Network::v4(192, 0, 2, 0, 24), Never, "documentation (RFC 5737)"),
    (Network::v4(198, 51, 100, 0, 24), Never, "documentation (RFC 5737)"),
    (Network::v4(203, 0, 113, 0, 24), Never, "documentation (RFC 5737)"),
    (Network::v4(192, 88, 99, 0, 24), Never, "6to4 relay (RFC 7526)"),
    (Network::v4(198, 18, 0, 0, 15), Never, "benchmarking (RFC 2544)"),
    (Network::v4(224, 0, 0, 0, 4), Never, "multicast (RFC 5771)"),
    (Network::v4(240, 0, 0, 0, 4), Never, "reserved (RFC 1112)"),
    (Network::one(0), Never, "unspecified (RFC 4291)"),
    (Network::one(1), Inner, "loopback (RFC 4291)"),
    (Network::v6(0x64, 0xff9b, 1, 0, 48), Never, "local NAT64 (RFC 8215)"),
    (Network::v6(0x100, 0, 0, 0, 64), Never, "discard (RFC 6666)"),
    (Network::v6(0x2001, 0, 0, 0, 32), Never, "Teredo (RFC 4380)"),
    (Network::v6(0x2001, 2, 0, 0, 48), Never, "benchmarking (RFC 5180)"),
    (Network::v6(0x2001, 0xdb8, 0, 0, 32), Never, "documentation (RFC 3849)"),
    (Network::v6(0x2001, 0, 0, 0, 23), Never, "protocol assignments (RFC 2928)"),
    (Network::v6(0x2002, 0, 0, 0, 16), Never, "6to4 (RFC 7526)"),
    (Network::v6(0x3fff, 0, 0, 0, 20), Never, "documentation (RFC 9637)"),
    (Network::v6(0x5f00, 0, 0, 0, 16), Never, "segment routing (RFC 9602)"),
    (Network::v6(0xfc00, 0, 0, 0, 7), Inner, "unique local (RFC 4193)"),
    (Network::v6(0xfe80, 0, 0, 0, 10), Never, "link-local (RFC 4291)"),
    (Network::v6(0xfec0, 0, 0, 0, 10), Never, "site-local (RFC 3879)"),
    (Network::v6(0xff00, 0, 0, 0, 8), Never, "multicast (RFC 4291)"),
];

/// All IPv4 as IPv4-mapped IPv6.
const ALL_V4: Network = Network::v4(0, 0, 0, 0, 0);
/// NAT64 of the well-known prefix (RFC 6052): the last 32 bits are the IPv4 address called.
const NAT64: Network = Network::v6(0x64, 0xff9b, 0, 0, 96);
/// Where global unicast IPv6 is handed out.
const GLOBAL_V6: Network = Network::v6(0x2000, 0, 0, 0, 3);

fn classify(ip: IpAddr) -> Option<(Reach, &'static str)> {
    let ip = called_address(ip);
    if let Some((_, reach, why)) = SPECIAL.iter().find(|(net, ..)| net.contains(ip)) {
        return Some((*reach, why));
    }
    let ordinary = ALL_V4.contains(ip) || GLOBAL_V6.contains(ip);
    (!ordinary).then_some((Never, "not global unicast (RFC 4291)"))
}

/// The address that is reached in the end: behind NAT64 that is the embedded IPv4 address, with
/// which IPv6-only clusters call the whole IPv4 internet.
fn called_address(ip: IpAddr) -> IpAddr {
    match ip {
        IpAddr::V6(v6) if NAT64.contains(ip) => {
            let [.., a, b, c, d] = v6.octets();
            IpAddr::V4(Ipv4Addr::new(a, b, c, d))
        }
        other => other,
    }
}
