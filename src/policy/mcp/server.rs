//! `[mcp.servers.NAME]`: what govsh starts or reaches in the agent's place.

use super::super::{Layer, Place, RuleId};

/// One server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Server {
    /// As rules and `govsh mcp connect` name it.
    pub name: String,
    pub launch: Launch,
    /// Variables that it gets beside those that its policy passes.
    pub env: Vec<(String, String)>,
    /// The policy it runs under, by name or file.
    pub policy: String,
    pub layer: Layer,
    pub rule: RuleId,
}

/// What is done about servers that the agent reaches by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Direct {
    /// Its requests are refused, and told.
    #[default]
    Deny,
    /// They are told.
    Log,
}

impl Server {
    /// Whether this command line starts it: its own words, whatever follows. `path` is the program's. What starts the same
    /// program by other words is not known by them.
    pub fn is_started_by(&self, path: &[u8], argv: &[Vec<u8>]) -> bool {
        let Launch::Command(words) = &self.launch else { return false };
        let Some((program, words)) = words.split_first() else { return false };
        let last = |path: &[u8]| path.rsplit(|byte| *byte == b'/').next().unwrap_or_default().to_vec();
        let (name, first) = (last(program.as_bytes()), argv.first().map(|word| last(word)));
        let rest = argv.get(1..).unwrap_or_default();
        let same =
            words.len() <= rest.len() && words.iter().zip(rest).all(|(own, said)| own.as_bytes() == said.as_slice());
        same && (first.as_ref() == Some(&name) || last(path) == name)
    }

    /// Host and port of its URL; None where it has none that can be read.
    pub fn place(&self) -> Option<(Place, u16)> {
        let Launch::Url(url) = &self.launch else { return None };
        let (scheme, rest) = url.split_once("://")?;
        let usual = if scheme.eq_ignore_ascii_case("https") { 443 } else { 80 };
        let authority = rest.split(['/', '?', '#']).next()?;
        let (host, port) = match authority.rsplit_once(':') {
            Some((host, port)) if !port.ends_with(']') => (host, port.parse().ok()?),
            _ => (authority, usual),
        };
        Place::parse(host.as_bytes()).ok().map(|place| (place, port))
    }
}

/// How a server is had.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Launch {
    /// A program that speaks on its standard streams; at least one word.
    Command(Vec<String>),
    /// Streamable HTTP.
    Url(String),
}

#[cfg(test)]
mod tests {
    use super::*;

    fn server(launch: Launch) -> Server {
        let (name, policy) = ("s".to_owned(), "mcp-server".to_owned());
        Server { name, launch, env: Vec::new(), policy, layer: Layer::User, rule: RuleId(0) }
    }

    #[test]
    fn a_server_is_known_by_its_place() {
        let place =
            |url: &str| server(Launch::Url(url.to_owned())).place().map(|(place, port)| (format!("{place:?}"), port));
        let of = |text: &str, port| Some((format!("{:?}", Place::parse(text.as_bytes()).unwrap()), port));
        assert_eq!(place("https://Mcp.example.org/mcp"), of("mcp.example.org", 443));
        assert_eq!(place("http://127.0.0.1:8080?x"), of("127.0.0.1", 8080));
        assert_eq!(place("http://[::1]/mcp"), of("[::1]", 80));
        assert_eq!((place("x"), place("https://a b/")), (None, None));
    }

    #[test]
    fn a_server_is_known_by_its_command() {
        let words = |text: &str| text.split(' ').map(str::to_owned).collect::<Vec<_>>();
        let starts = |own: &str, path: &str, argv: &str| {
            let argv: Vec<Vec<u8>> = words(argv).into_iter().map(String::into_bytes).collect();
            server(Launch::Command(words(own))).is_started_by(path.as_bytes(), &argv)
        };
        assert!(starts("npx -y srv@1", "/usr/lib/npm/npx-cli.js", "npx -y srv@1 /tmp"));
        assert!(starts("/opt/srv", "/opt/srv", "innocent --stdio") && starts("srv", "/opt/srv", "/opt/srv"));
        assert!(
            !starts("npx -y srv@1", "/usr/bin/npx", "npx -y other") && !starts("npx -y srv@1", "/usr/bin/npx", "npx")
        );
    }
}
