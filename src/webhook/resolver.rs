//! The address guard between DNS and dialling: a name is resolved, forbidden addresses are left
//! out, and only the rest is handed to the connector. What was checked is what is dialled.

use super::address_guard::{AddressError, Policy};
use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use std::future::Future;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;
use std::sync::Arc;

/// The most addresses of one name that are tried; further ones are left out.
pub const ADDRESSES_MAX: usize = 16;

/// The addresses of a name, some time later.
pub type Looking = Pin<Box<dyn Future<Output = io::Result<Vec<IpAddr>>> + Send>>;

/// Turns a name into addresses. The daemon asks the system; a test gives its own answers.
pub trait Lookup: Send + Sync {
    /// The addresses of `host`.
    fn lookup(&self, host: &str) -> Looking;
}

/// Asks the operating system, as every other program on the machine does.
#[derive(Clone, Copy, Debug)]
pub struct SystemLookup;

impl Lookup for SystemLookup {
    fn lookup(&self, host: &str) -> Looking {
        let host = host.to_owned();
        Box::pin(async move {
            let found = tokio::net::lookup_host((host, 0)).await?;
            Ok(found.map(|address| address.ip()).collect())
        })
    }
}

/// A [`Lookup`] whose answers pass the guard.
pub(super) struct GuardedResolver {
    pub(super) policy: Arc<Policy>,
    pub(super) lookup: Arc<dyn Lookup>,
}

impl Resolve for GuardedResolver {
    fn resolve(&self, name: Name) -> Resolving {
        let policy = Arc::clone(&self.policy);
        let looking = self.lookup.lookup(name.as_str());
        Box::pin(async move {
            let found = looking.await?;
            let allowed = filter(name.as_str(), &found, &policy)?;
            // Port 0 makes the connector take the URL's port.
            let addresses = allowed.into_iter().map(|ip| SocketAddr::new(ip, 0));
            Ok(Box::new(addresses) as Addrs)
        })
    }
}

/// Those of `found` that may be called. When there are none left the first refusal is the error,
/// and when there were none at all it is an error of DNS.
fn filter(
    host: &str,
    found: &[IpAddr],
    policy: &Policy,
) -> Result<Vec<IpAddr>, Box<dyn std::error::Error + Send + Sync>> {
    let mut refused = None;
    let mut allowed = Vec::new();
    for ip in found.iter().copied() {
        match policy.refusal(host, ip) {
            None => allowed.push(ip),
            Some(why) => refused = refused.or(Some((ip, why))),
        }
    }
    allowed.truncate(ADDRESSES_MAX);
    if !allowed.is_empty() {
        return Ok(allowed);
    }
    Err(match refused {
        Some((ip, why)) => Box::new(AddressError::Forbidden {
            host: host.to_owned(),
            ip: Some(ip),
            why,
        }),
        None => Box::new(io::Error::new(
            io::ErrorKind::NotFound,
            "the name has no address",
        )),
    })
}

#[cfg(test)]
mod tests {
    use super::{ADDRESSES_MAX, filter};
    use crate::webhook::{AddressError, Policy};
    use std::net::{IpAddr, Ipv4Addr};

    fn public(last: u8) -> IpAddr {
        IpAddr::V4(Ipv4Addr::new(8, 8, 8, last))
    }

    #[test]
    fn forbidden_addresses_are_left_out_and_the_rest_keeps_its_order() {
        let loopback = IpAddr::V4(Ipv4Addr::LOCALHOST);
        let cases = [
            (vec![public(2), public(1)], Some(vec![public(2), public(1)])),
            (vec![loopback, public(1), loopback], Some(vec![public(1)])),
            (vec![loopback], None),
            (vec![], None),
        ];
        for (found, wanted) in cases {
            let allowed = filter("hook.test", &found, &Policy::default());
            let forbidden = allowed
                .as_ref()
                .err()
                .map(|error| error.is::<AddressError>());
            assert_eq!(forbidden, wanted.is_none().then_some(!found.is_empty()));
            assert_eq!(allowed.ok(), wanted, "{found:?}");
        }
    }

    #[test]
    fn a_long_answer_is_cut_after_the_guard() {
        let mut found = vec![IpAddr::V4(Ipv4Addr::LOCALHOST); 100];
        found.extend((0..100).map(public));
        let allowed = filter("hook.test", &found, &Policy::default()).ok();
        assert_eq!(allowed.map(|ips| ips.len()), Some(ADDRESSES_MAX));
    }
}
