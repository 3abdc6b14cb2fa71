//! Which addresses a webhook may call: every special range, every spelling, every exception.

use haldane::webhook::address_guard::{URL_LEN_MAX, forbidden};
use haldane::webhook::{AddressError, HostRule, Network, Policy, check_url};
use std::net::IpAddr;
use url::Url;

fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

/// First and last address of each range, and the neighbours outside.
const ADDRESSES: &[(&str, Option<&str>)] = &[
    // ordinary
    ("1.1.1.1", None),
    ("9.255.255.255", None),
    ("11.0.0.0", None),
    ("100.63.255.255", None),
    ("100.128.0.0", None),
    ("126.255.255.255", None),
    ("128.0.0.0", None),
    ("169.253.255.255", None),
    ("169.255.0.0", None),
    ("172.15.255.255", None),
    ("172.32.0.0", None),
    ("192.0.1.0", None),
    ("192.167.255.255", None),
    ("192.169.0.0", None),
    ("198.17.255.255", None),
    ("198.20.0.0", None),
    ("223.255.255.255", None),
    ("2606:4700:4700::1111", None),
    ("2001:4860:4860::8888", None),
    ("2001:200::", None),
    ("2003::", None),
    ("2001:db9::", None),
    // IPv4
    ("0.0.0.0", Some("unspecified")),
    ("0.255.255.255", Some("unspecified")),
    ("10.0.0.0", Some("private")),
    ("10.255.255.255", Some("private")),
    ("100.64.0.0", Some("shared")),
    ("100.127.255.255", Some("shared")),
    ("100.100.100.200", Some("metadata")),
    ("127.0.0.0", Some("loopback")),
    ("127.255.255.255", Some("loopback")),
    ("168.63.129.16", Some("platform")),
    ("169.254.0.0", Some("link-local")),
    ("169.254.255.255", Some("link-local")),
    ("169.254.169.254", Some("metadata")),
    ("172.16.0.0", Some("private")),
    ("172.31.255.255", Some("private")),
    ("192.0.0.0", Some("assignments")),
    ("192.0.0.255", Some("assignments")),
    ("192.0.2.1", Some("documentation")),
    ("192.88.99.1", Some("6to4")),
    ("192.168.0.0", Some("private")),
    ("192.168.255.255", Some("private")),
    ("198.18.0.0", Some("benchmarking")),
    ("198.19.255.255", Some("benchmarking")),
    ("198.51.100.1", Some("documentation")),
    ("203.0.113.1", Some("documentation")),
    ("224.0.0.0", Some("multicast")),
    ("239.255.255.255", Some("multicast")),
    ("240.0.0.0", Some("reserved")),
    ("255.255.255.254", Some("reserved")),
    ("255.255.255.255", Some("broadcast")),
    // IPv6
    ("::", Some("unspecified")),
    ("::1", Some("loopback")),
    ("::2", Some("not global")),
    ("::127.0.0.1", Some("not global")), // IPv4-compatible, deprecated
    ("100::1", Some("discard")),
    ("2001::1", Some("Teredo")),
    ("2001:2::1", Some("benchmarking")),
    ("2001:20::1", Some("assignments")),
    ("2001:1ff:ffff::1", Some("assignments")),
    ("2001:db8::1", Some("documentation")),
    ("2002:7f00:1::1", Some("6to4")),
    ("2002:808:808::1", Some("6to4")),
    ("3fff:fff::1", Some("documentation")),
    ("4000::1", Some("not global")),
    ("5f00::1", Some("segment")),
    ("fc00::", Some("unique local")),
    ("fdff:ffff::1", Some("unique local")),
    ("fd00:ec2::254", Some("metadata")),
    ("fd20:ce::254", Some("metadata")),
    ("fe00::1", Some("not global")),
    ("fe80::1", Some("link-local")),
    ("febf::1", Some("link-local")),
    ("fec0::1", Some("site-local")),
    ("ff02::1", Some("multicast")),
    // IPv4 inside IPv6
    ("::ffff:8.8.8.8", None),
    ("::ffff:127.0.0.1", Some("loopback")),
    ("::ffff:10.0.0.1", Some("private")),
    ("::ffff:169.254.169.254", Some("metadata")),
    ("64:ff9b::8.8.8.8", None),
    ("64:ff9b::7f00:1", Some("loopback")),
    ("64:ff9b::10.1.2.3", Some("private")),
    ("64:ff9b:1::8.8.8.8", Some("local NAT64")),
];

#[test]
fn every_special_range_is_known() {
    for (text, wanted) in ADDRESSES {
        let got = forbidden(ip(text));
        match (got, wanted) {
            (None, None) => {}
            (Some(why), Some(word)) if why.contains(word) => {}
            _ => panic!("{text}: got {got:?}, wanted {wanted:?}"),
        }
    }
}

fn policy(private: bool, hosts: &[&str], networks: &[&str]) -> Policy {
    Policy {
        allow_private: private,
        allowed_hosts: hosts.iter().map(|h| HostRule::parse(h).unwrap()).collect(),
        allowed_networks: networks
            .iter()
            .map(|n| Network::parse(n).unwrap())
            .collect(),
        ..Policy::default()
    }
}

#[test]
fn exceptions_lift_what_they_name_and_no_more() {
    let open = policy(true, &[], &[]);
    let host = policy(false, &["hook.test", "*.svc.cluster.local"], &[]);
    let net = policy(false, &[], &["10.1.0.0/16", "169.254.7.7", "fd12::/16"]);
    let cases: &[(&Policy, &str, &str, bool)] = &[
        (&open, "a", "127.0.0.1", true),
        (&open, "a", "::1", true),
        (&open, "a", "10.0.0.1", true),
        (&open, "a", "100.64.0.1", true),
        (&open, "a", "fd00::1", true),
        (&open, "a", "::ffff:10.0.0.1", true),
        (&open, "a", "169.254.169.254", false),
        (&open, "a", "100.100.100.200", false),
        (&open, "a", "fd00:ec2::254", false),
        (&open, "a", "64:ff9b::a9fe:a9fe", false),
        (&open, "a", "fe80::1", false),
        (&open, "a", "0.0.0.0", false),
        (&open, "a", "224.0.0.1", false),
        (&host, "hook.test", "10.0.0.1", true),
        (&host, "HOOK.test.", "10.0.0.1", true),
        (&host, "hook.test", "169.254.169.254", false),
        (&host, "evil-hook.test", "10.0.0.1", false),
        (&host, "a.hook.test", "10.0.0.1", false),
        (&host, "a.b.svc.cluster.local", "10.0.0.1", true),
        (&host, "svc.cluster.local", "10.0.0.1", false),
        (&host, "evilsvc.cluster.local", "10.0.0.1", false),
        (&host, "other", "8.8.8.8", true),
        (&net, "a", "10.1.255.255", true),
        (&net, "a", "::ffff:10.1.0.1", true),
        (&net, "a", "10.2.0.0", false),
        (&net, "a", "169.254.7.7", true),
        (&net, "a", "169.254.7.8", false),
        (&net, "a", "fd12::1", true),
        (&net, "a", "fd13::1", false),
    ];
    for (policy, host, address, allowed) in cases {
        let refusal = policy.refusal(host, ip(address));
        assert_eq!(refusal.is_none(), *allowed, "{host} {address}: {refusal:?}");
    }
}

#[test]
fn networks_and_host_rules_are_read_strictly() {
    for good in [
        "0.0.0.0/0",
        "10.0.0.0/8",
        "10.1.2.3/32",
        "10.1.2.3",
        "::/0",
        "fd00::/8",
        "::1/128",
    ] {
        assert!(Network::parse(good).is_some(), "{good}");
    }
    for bad in [
        "",
        "10.0.0.1/8",
        "10.0.0.0/33",
        "::/129",
        "10.0.0.0/-1",
        "10/8",
        "fd00::1/8",
        "a/8",
        "1.2.3.4/4294967295",
    ] {
        assert!(Network::parse(bad).is_none(), "{bad}");
    }
    let everything = Network::parse("::/0").unwrap();
    let all_v4 = Network::parse("0.0.0.0/0").unwrap();
    assert!(everything.contains(ip("1.2.3.4")) && everything.contains(ip("fe80::1")));
    assert!(all_v4.contains(ip("1.2.3.4")) && !all_v4.contains(ip("fe80::1")));
    for bad in ["", "*", "*.", "a*.b", "*.*.b", "a b", "."] {
        assert!(HostRule::parse(bad).is_none(), "{bad:?}");
    }
}

#[derive(Debug, PartialEq)]
enum Wanted {
    Ok,
    Forbidden,
    Scheme,
    Credentials,
    NoHost,
    Port,
}

#[test]
fn urls_are_checked_in_every_spelling() {
    let cases = [
        ("https://hooks.example.com/a?b=c", Wanted::Ok),
        ("http://hooks.example.com:8080/", Wanted::Ok),
        ("https://8.8.8.8/", Wanted::Ok),
        ("https://[2606:4700:4700::1111]/", Wanted::Ok),
        ("https://localhost.example.com/", Wanted::Ok),
        ("ftp://hooks.example.com/", Wanted::Scheme),
        ("file:///etc/passwd", Wanted::Scheme),
        ("javascript:alert(1)", Wanted::Scheme),
        ("https://user@hooks.example.com/", Wanted::Credentials),
        ("https://user:word@hooks.example.com/", Wanted::Credentials),
        ("https://:word@hooks.example.com/", Wanted::Credentials),
        ("https://hooks.example.com:0/", Wanted::Port),
        ("https://./", Wanted::NoHost),
        ("http://localhost/", Wanted::Forbidden),
        ("http://LOCALHOST./", Wanted::Forbidden),
        ("http://a.localhost/", Wanted::Forbidden),
        ("http://127.0.0.1/", Wanted::Forbidden),
        ("http://127.0.0.1./", Wanted::Forbidden),
        ("http://2130706433/", Wanted::Forbidden),
        ("http://017700000001/", Wanted::Forbidden),
        ("http://0x7f000001/", Wanted::Forbidden),
        ("http://0x7f.1/", Wanted::Forbidden),
        ("http://127.1/", Wanted::Forbidden),
        ("http://0/", Wanted::Forbidden),
        ("http://%31%32%37.0.0.1/", Wanted::Forbidden),
        ("http://\u{ff11}27.0.0.1/", Wanted::Forbidden),
        (
            "http://169.254.169.254/latest/meta-data/",
            Wanted::Forbidden,
        ),
        ("http://0xa9fea9fe/", Wanted::Forbidden),
        ("http://[::1]/", Wanted::Forbidden),
        ("http://[::]/", Wanted::Forbidden),
        ("http://[::ffff:127.0.0.1]/", Wanted::Forbidden),
        ("http://[::ffff:a9fe:a9fe]/", Wanted::Forbidden),
        ("http://[64:ff9b::10.0.0.1]/", Wanted::Forbidden),
        ("http://[fe80::1]/", Wanted::Forbidden),
        ("http://10.0.0.1:6443/", Wanted::Forbidden),
    ];
    for (text, wanted) in cases {
        let url = Url::parse(text).unwrap();
        let got = match check_url(&url, &Policy::default()) {
            Ok(()) => Wanted::Ok,
            Err(AddressError::Forbidden { .. }) => Wanted::Forbidden,
            Err(AddressError::Scheme { .. }) => Wanted::Scheme,
            Err(AddressError::Credentials) => Wanted::Credentials,
            Err(AddressError::NoHost) => Wanted::NoHost,
            Err(AddressError::Port) => Wanted::Port,
            Err(other) => panic!("{text}: {other:?}"),
        };
        assert_eq!(got, wanted, "{text}");
    }
    // A zone would reach an interface of ours; there is no such URL.
    assert!(Url::parse("http://[fe80::1%25eth0]/").is_err());
}

#[test]
fn a_policy_can_open_localhost_and_close_plain_http() {
    let local = Url::parse("http://localhost:8080/").unwrap();
    let openers = [
        policy(true, &[], &[]),
        policy(false, &["localhost"], &[]),
        policy(false, &[], &["127.0.0.0/8"]),
        policy(false, &[], &["::1"]),
    ];
    for open in openers {
        assert_eq!(check_url(&local, &open), Ok(()), "{open:?}");
    }
    let strict = Policy {
        allow_plain_http: false,
        ..Policy::default()
    };
    let plain = Url::parse("http://hooks.example.com/").unwrap();
    let secure = Url::parse("https://hooks.example.com/").unwrap();
    assert_eq!(check_url(&plain, &strict), Err(AddressError::PlainHttp));
    assert_eq!(check_url(&secure, &strict), Ok(()));
}

#[test]
fn messages_name_the_way_out_and_hide_the_path() {
    let token = "s3cr3t";
    let urls = [
        format!("http://127.0.0.1/{token}?t={token}"),
        format!("https://u:{token}@hooks.example.com/"),
        format!("ftp://hooks.example.com/{token}"),
        format!(
            "https://hooks.example.com/{token}{}",
            "x".repeat(URL_LEN_MAX)
        ),
    ];
    for text in urls {
        let error = check_url(&Url::parse(&text).unwrap(), &Policy::default()).unwrap_err();
        assert!(!format!("{error} {error:?}").contains(token), "{error}");
    }
    let error = AddressError::Forbidden {
        host: "hook.test".to_owned(),
        ip: Some(ip("10.0.0.1")),
        why: "private (RFC 1918)",
    };
    assert_eq!(
        error.to_string(),
        "the webhook host `hook.test` resolves to 10.0.0.1, which is forbidden: \
         private (RFC 1918); `webhooks.allow_private` allows loopback and private ones"
    );
}
