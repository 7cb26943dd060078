//! Patterns of host names: `api.x.org`, `*.x.org` one label, `**.x.org` one label or more.
//!
//! Invariant: names are compared label by label: nothing that merely ends in the same letters matches, and `x.org` itself is
//! matched by neither wildcard. Leaves to others: reading names (`host`), matching many at once (`places`).

use std::fmt;

use super::super::host::{Host, HostFault, Place};
use super::super::pattern::Fault;

/// One name, or all beneath one.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct HostPattern {
    pub(super) depth: Depth,
    /// The whole name, or what stands behind the wildcard. None: `**`, every name there is.
    pub(super) suffix: Option<Host>,
}

/// How many labels stand before the suffix.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Depth {
    Exact,
    /// `*.`
    One,
    /// `**.`
    Any,
}

/// What an entry is for: what widens may not be as wide as what narrows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    Allow,
    /// Also for questions: somebody says yes to one host at a time.
    Deny,
}

/// Top-level names beneath which no stranger can have a name (RFC 6761, 6762, 8375, 9476): a wildcard right beneath them is
/// somebody's own network.
const PRIVATE: [&str; 12] = [
    "local",
    "internal",
    "lan",
    "home",
    "corp",
    "intranet",
    "private",
    "test",
    "localhost",
    "example",
    "invalid",
    "arpa",
];
/// Second labels under which countries register names.
const REGISTRIES: [&str; 18] = [
    "co", "com", "net", "org", "ac", "gov", "edu", "ne", "or", "go", "gob", "nom", "gen", "ltd", "plc", "me", "sch",
    "mil",
];
/// Where anyone can have a name of their own, and serve from it.
const HOSTING: &[&str] = &[
    "github.io",
    "gitlab.io",
    "githubusercontent.com",
    "herokuapp.com",
    "appspot.com",
    "run.app",
    "web.app",
    "firebaseapp.com",
    "firebaseio.com",
    "cloudfunctions.net",
    "amazonaws.com",
    "cloudfront.net",
    "awsapprunner.com",
    "on.aws",
    "azurewebsites.net",
    "azureedge.net",
    "windows.net",
    "cloudapp.net",
    "trafficmanager.net",
    "workers.dev",
    "pages.dev",
    "r2.dev",
    "trycloudflare.com",
    "vercel.app",
    "netlify.app",
    "onrender.com",
    "fly.dev",
    "railway.app",
    "deno.dev",
    "surge.sh",
    "glitch.me",
    "repl.co",
    "replit.dev",
    "ngrok.io",
    "ngrok.app",
    "ngrok-free.app",
    "loca.lt",
    "serveo.net",
    "blogspot.com",
    "wordpress.com",
    "myshopify.com",
    "digitaloceanspaces.com",
    "backblazeb2.com",
    "wasabisys.com",
    "sslip.io",
    "nip.io",
    "duckdns.org",
];

impl HostPattern {
    /// One name.
    pub fn of(host: &Host) -> HostPattern {
        HostPattern { depth: Depth::Exact, suffix: Some(host.clone()) }
    }

    /// Reads a name or a pattern, without a port.
    pub fn parse(text: &str, purpose: Purpose) -> Result<HostPattern, Fault> {
        if matches!(text, "**" | "*") {
            return everything(text, purpose);
        }
        let (depth, rest) = match (text.strip_prefix("**."), text.strip_prefix("*.")) {
            (Some(rest), _) => (Depth::Any, rest),
            (None, Some(rest)) => (Depth::One, rest),
            (None, None) => (Depth::Exact, text),
        };
        if rest.contains('*') {
            let hint =
                "a '*' stands for whole labels at the beginning: *.example.org one label, **.example.org any number";
            return fault(format!("'{text}' has a '*' where none can stand"), hint);
        }
        let suffix = match Place::parse(rest.as_bytes()) {
            Ok(Place::Name(host)) => host,
            Ok(Place::Addr(ip)) => {
                return fault(format!("'{text}' stands for the address {ip}"), "write the address itself");
            }
            Err(why) => return fault(format!("'{text}' names no host: {why}"), spelled(why)),
        };
        let pattern = HostPattern { depth, suffix: Some(suffix) };
        match pattern.too_wide().filter(|_| purpose == Purpose::Allow) {
            Some(why) => fault(format!("'{text}' {why}"), "name the hosts: api.example.org, *.example.org"),
            None => Ok(pattern),
        }
    }

    /// Whether it means this name.
    pub fn matches(&self, host: &Host) -> bool {
        let Some(suffix) = &self.suffix else { return true };
        match self.depth {
            Depth::Exact => suffix == host,
            Depth::One => host.split_once('.').is_some_and(|(_, rest)| *rest == **suffix),
            Depth::Any => beneath(host, suffix),
        }
    }

    /// The one name it means.
    pub fn exact(&self) -> Option<&Host> {
        self.suffix.as_ref().filter(|_| self.depth == Depth::Exact)
    }

    /// Every name of `inner` is one of this.
    pub fn holds(&self, inner: &HostPattern) -> bool {
        let (Some(outer), Some(other)) = (&self.suffix, &inner.suffix) else { return self.suffix.is_none() };
        match (self.depth, inner.depth) {
            (Depth::Exact, Depth::Exact) => outer == other,
            (Depth::Exact, _) => false,
            (Depth::One, Depth::Exact) => self.matches(other),
            (Depth::One, Depth::One) => outer == other,
            (Depth::One, Depth::Any) => false,
            (Depth::Any, Depth::Exact) => self.matches(other),
            (Depth::Any, Depth::One | Depth::Any) => outer == other || beneath(other, outer),
        }
    }

    /// A name that it matches, for tests of what it says.
    pub fn sample(&self) -> Option<Host> {
        let Some(suffix) = &self.suffix else { return Host::parse("host.example").ok() };
        match self.depth {
            Depth::Exact => Some(suffix.clone()),
            Depth::One | Depth::Any => Host::parse(&format!("w.{suffix}")).ok(),
        }
    }

    /// Whoever likes can have a name of it: a service that gives names away.
    pub fn is_shared(&self) -> bool {
        let Some(suffix) = &self.suffix else { return true };
        let beneath_hosting = |host: &&&str| **suffix == ***host || beneath_text(suffix, host);
        self.depth != Depth::Exact && HOSTING.iter().any(|host| beneath_hosting(&host))
    }

    /// Why it is wider than anything one means to allow.
    fn too_wide(&self) -> Option<&'static str> {
        let suffix = self.suffix.as_ref().filter(|_| self.depth != Depth::Exact)?;
        match suffix.rsplit_once('.') {
            None if PRIVATE.contains(&&**suffix) => None,
            None => Some("means every name under a top-level domain"),
            Some((second, country)) if country.len() == 2 && REGISTRIES.contains(&second) => {
                Some("means every name that anyone registers there")
            }
            Some(_) => None,
        }
    }
}

impl fmt::Display for HostPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.suffix, self.depth) {
            (None, _) => f.write_str("**"),
            (Some(suffix), Depth::Exact) => f.write_str(suffix),
            (Some(suffix), Depth::One) => write!(f, "*.{suffix}"),
            (Some(suffix), Depth::Any) => write!(f, "**.{suffix}"),
        }
    }
}

fn everything(text: &str, purpose: Purpose) -> Result<HostPattern, Fault> {
    match (text, purpose) {
        ("**", Purpose::Deny) => Ok(HostPattern { depth: Depth::Any, suffix: None }),
        (_, Purpose::Deny) => {
            fault(format!("'{text}' is no host"), "\"**\" means every host, \"all\" every address as well")
        }
        (_, Purpose::Allow) => {
            fault(format!("'{text}' means every host"), "allow = \"all\" says so for the network as a whole")
        }
    }
}

fn beneath(host: &Host, suffix: &str) -> bool {
    beneath_text(host, suffix)
}

/// `a.b` is beneath `b`; `ab` is not.
fn beneath_text(name: &str, suffix: &str) -> bool {
    name.strip_suffix(suffix).is_some_and(|before| before.len() > 1 && before.ends_with('.'))
}

fn spelled(why: HostFault) -> &'static str {
    match why {
        HostFault::Number => "four numbers from 0 to 255, or a name whose last label is no number",
        HostFault::Empty | HostFault::Label => "labels with one dot between each two, such as api.example.org",
        _ => "such as api.example.org, *.example.org or **.example.org, with a port behind ':'",
    }
}

fn fault<T>(reason: String, hint: &str) -> Result<T, Fault> {
    Err(Fault { reason, hint: Some(hint.to_owned()) })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn allow(text: &str) -> HostPattern {
        HostPattern::parse(text, Purpose::Allow).unwrap_or_else(|fault| panic!("{text}: {fault:?}"))
    }

    fn hits(pattern: &str, host: &str) -> bool {
        allow(pattern).matches(&Host::parse(host).unwrap())
    }

    #[test]
    fn wildcards_stand_for_labels() {
        assert!(hits("x.org", "X.ORG.") && !hits("x.org", "a.x.org"));
        assert!(hits("*.x.org", "a.x.org") && !hits("*.x.org", "a.b.x.org") && !hits("*.x.org", "x.org"));
        assert!(hits("**.x.org", "a.x.org") && hits("**.x.org", "a.b.x.org") && !hits("**.x.org", "x.org"));
        for near in ["evilx.org", "x.org.evil.com", "ax.org"] {
            assert!(!hits("**.x.org", near) && !hits("*.x.org", near) && !hits("x.org", near), "{near}");
        }
        assert!(hits("**.Bücher.example", "a.xn--bcher-kva.example"));
        assert!(HostPattern::parse("**", Purpose::Deny).unwrap().matches(&Host::parse("anything").unwrap()));
    }

    #[test]
    fn mistakes_are_refused_with_a_hint() {
        let reason = |text: &str| HostPattern::parse(text, Purpose::Allow).unwrap_err().reason;
        assert_eq!(reason("*"), "'*' means every host");
        assert_eq!(reason("**"), "'**' means every host");
        assert_eq!(reason("*.com"), "'*.com' means every name under a top-level domain");
        assert_eq!(reason("**.co.uk"), "'**.co.uk' means every name that anyone registers there");
        assert_eq!(reason("api*.x.org"), "'api*.x.org' has a '*' where none can stand");
        assert_eq!(reason("a.*.org"), "'a.*.org' has a '*' where none can stand");
        assert_eq!(reason("*x.org"), "'*x.org' has a '*' where none can stand");
        assert_eq!(reason("*.127.1"), "'*.127.1' stands for the address 127.0.0.1");
        assert_eq!(reason("a_b!.org"), "'a_b!.org' names no host: host name with a character that none has");
        assert!(HostPattern::parse("**.com", Purpose::Deny).is_ok() && HostPattern::parse("*", Purpose::Deny).is_err());
        assert_eq!(allow("**.corp").to_string(), "**.corp");
    }

    #[test]
    fn one_holds_another_label_by_label() {
        let holds = |outer: &str, inner: &str| allow(outer).holds(&allow(inner));
        assert!(holds("**.x.org", "*.x.org") && holds("**.x.org", "*.a.x.org") && holds("**.x.org", "**.a.x.org"));
        assert!(holds("*.x.org", "a.x.org") && !holds("*.x.org", "**.x.org") && !holds("*.x.org", "a.b.x.org"));
        assert!(!holds("**.x.org", "x.org") && !holds("x.org", "*.x.org") && holds("x.org", "x.org"));
        assert!(allow("*.github.io").is_shared() && !allow("acme.github.io").is_shared());
    }
}
