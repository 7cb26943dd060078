//! Resolvers that take questions over HTTPS: whoever reaches one asks what they like.
//!
//! Invariant: a name beneath one of them counts as it. The list cannot be whole: what is not in it is still reached only
//! where a rule allows it.
//! Leaves to others: rules that name one exactly, which hold.

use crate::policy::Host;

/// Public ones, by what their names end in.
const KNOWN: [&str; 42] = [
    "1dot1dot1dot1.cloudflare-dns.com",
    "8888.google",
    "adguard-dns.com",
    "basic.rethinkdns.com",
    "cloudflare-dns.com",
    "dns-family.adguard.com",
    "dns.adguard.com",
    "dns.alidns.com",
    "dns.controld.com",
    "dns.digitale-gesellschaft.ch",
    "dns.google",
    "dns.google.com",
    "dns.mullvad.net",
    "dns.nextdns.io",
    "dns.njal.la",
    "dns.pub",
    "dns.quad9.net",
    "dns.sb",
    "dns.switch.ch",
    "dns.twnic.tw",
    "dns0.eu",
    "dns10.quad9.net",
    "dns11.quad9.net",
    "dns9.quad9.net",
    "dnsforge.de",
    "doh.360.cn",
    "doh.applied-privacy.net",
    "doh.cleanbrowsing.org",
    "doh.dns.sb",
    "doh.li",
    "doh.libredns.gr",
    "doh.mullvad.net",
    "doh.opendns.com",
    "doh.pub",
    "doh.umbrella.com",
    "doh.xfinity.com",
    "freedns.controld.com",
    "one.one.one.one",
    "ordns.he.net",
    "sky.rethinkdns.com",
    "uncensoreddns.org",
    "wikimedia-dns.org",
];

/// Whether this is such a resolver.
pub(super) fn is_resolver(host: &Host) -> bool {
    KNOWN.iter().any(|known| {
        let rest = host.strip_suffix(known);
        rest.is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whole_labels_count() {
        let is = |name: &str| is_resolver(&Host::parse(name).unwrap());
        assert!(is("dns.google") && is("mozilla.cloudflare-dns.com") && is("anycast.uncensoreddns.org"));
        assert!(!is("mydns.google") && !is("google.com") && !is("notcloudflare-dns.com"));
    }

    #[test]
    fn in_order_and_each_once() {
        assert!(KNOWN.is_sorted_by(|a, b| a < b));
    }
}
