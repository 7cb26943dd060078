//! Package registries: which hosts an ecosystem's own configuration names.
//!
//! Invariant: texts in, hosts out; what is not understood adds no host. A registry that is replaced in the configuration is
//! not reached: its mirror is. Leaves to others: reading the files (`cmd::library`), what may be requested (`http`).

use super::host::Place;

/// An ecosystem.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Registry {
    Npm,
    Cargo,
    Pip,
    Go,
    Maven,
}

/// A text of a tool's configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Setting {
    pub form: Form,
    pub text: String,
}

/// What a configuration is written in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Form {
    /// `.npmrc`, `pip.conf`, `.yarnrc.yml`, go's `env`: a key and a value on each line.
    Lines,
    /// `config.toml` of cargo, `uv.toml`.
    Toml,
    /// Maven's `settings.xml`.
    Xml,
    /// The value of a variable that takes the place of the ecosystem's own registry: URLs with blanks, commas or `|` between them.
    Main,
    /// The value of one that adds to it.
    More,
}

/// A host of a registry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Origin {
    pub host: Place,
    pub port: u16,
    /// Named by the configuration: it may lie in one's own network.
    pub configured: bool,
}

/// The registries that are used where a tool's configuration names none.
const DEFAULTS: [(Registry, &[&str]); 5] = [
    (Registry::Npm, &["registry.npmjs.org", "registry.yarnpkg.com"]),
    (Registry::Cargo, &["index.crates.io", "static.crates.io", "crates.io"]),
    (Registry::Pip, &["pypi.org", "files.pythonhosted.org"]),
    (Registry::Go, &["proxy.golang.org", "sum.golang.org"]),
    (Registry::Maven, &["repo.maven.apache.org", "repo1.maven.org", "plugins.gradle.org"]),
];
/// Hosts of one ecosystem.
const MOST: usize = 64;

impl Registry {
    pub const ALL: [Registry; 5] = [Registry::Npm, Registry::Cargo, Registry::Pip, Registry::Go, Registry::Maven];
    pub const NAMES: [&'static str; 5] = ["npm", "cargo", "pip", "go", "maven"];

    pub fn named(name: &str) -> Option<Registry> {
        Registry::NAMES.iter().position(|known| *known == name).and_then(|at| Registry::ALL.get(at)).copied()
    }

    /// The hosts that its packages come from, by these texts, the most specific first.
    pub fn origins(self, settings: &[Setting]) -> Vec<Origin> {
        let mut found = Vec::new();
        let mut replaced = false;
        for setting in settings {
            let (urls, main) = match setting.form {
                Form::Lines => self.lines(&setting.text),
                Form::Toml => tables(&setting.text),
                Form::Xml => elements(&setting.text),
                Form::Main => (words(&setting.text), true),
                Form::More => (words(&setting.text), false),
            };
            let origins: Vec<Origin> = urls.iter().filter_map(|url| origin(url)).collect();
            replaced |= main && !origins.is_empty();
            found.extend(origins);
        }
        let own = DEFAULTS.iter().filter(|(which, _)| *which == self).flat_map(|(_, hosts)| *hosts);
        // The check sums of Go are another host than its modules, and stay where those come from a mirror.
        let kept = own.filter(|host| !replaced || self == Registry::Go && host.starts_with("sum."));
        let plain =
            |host: &&str| Some(Origin { host: Place::parse(host.as_bytes()).ok()?, port: 443, configured: false });
        found.extend(kept.filter_map(plain));
        let mut origins: Vec<Origin> = Vec::new();
        for one in found {
            if origins.len() < MOST && !origins.iter().any(|known| (&known.host, known.port) == (&one.host, one.port)) {
                origins.push(one);
            }
        }
        origins
    }

    /// Requests that are made to read packages, where a method other than GET, HEAD and OPTIONS is used for that.
    pub(super) fn reads(self, method: &str, path: &str) -> bool {
        let audit =
            ["/-/npm/v1/security/advisories/bulk", "/-/npm/v1/security/audits", "/-/npm/v1/security/audits/quick"];
        let queries = self == Registry::Npm && method == "POST" && audit.iter().any(|end| path.ends_with(end));
        matches!(method, "GET" | "HEAD" | "OPTIONS") || queries
    }

    /// `key = value` or `key: value`, sections and all.
    fn lines(self, text: &str) -> (Vec<String>, bool) {
        let (mut urls, mut main, mut listed) = (Vec::new(), false, false);
        for line in text.lines() {
            let indented = line.starts_with([' ', '\t']);
            let line = line.split(" #").next().unwrap_or_default().trim();
            if line.is_empty() || line.starts_with(['#', ';', '[']) {
                continue;
            }
            let value = match key(line) {
                // Values of pip go on in lines of their own.
                _ if indented && listed && line.contains("://") && !line.contains('=') => line,
                Some((key, value)) => {
                    let key = key.trim_matches('"').trim().to_ascii_lowercase();
                    listed = self.is_source(&key);
                    main |= self.is_main(&key) && value.contains("://");
                    if !listed { continue } else { value }
                }
                None => continue,
            };
            urls.extend(words(value));
        }
        (urls, main)
    }

    /// Keys whose values name registries.
    fn is_source(self, key: &str) -> bool {
        let adds = match self {
            Registry::Npm => key.ends_with(":registry"),
            Registry::Pip => matches!(key, "extra-index-url" | "find-links"),
            Registry::Go => key == "gosumdb",
            Registry::Cargo | Registry::Maven => false,
        };
        adds || self.is_main(key)
    }

    /// Keys that replace the ecosystem's own.
    fn is_main(self, key: &str) -> bool {
        match self {
            Registry::Npm => matches!(key, "registry" | "npmregistryserver"),
            Registry::Pip => key == "index-url",
            Registry::Go => key == "goproxy",
            Registry::Cargo | Registry::Maven => false,
        }
    }
}

/// Key and value of a line; yarn's first version has a blank between them.
fn key(line: &str) -> Option<(&str, &str)> {
    let at = match (line.find('='), line.find(": ")) {
        (Some(equals), Some(colon)) => Some(equals.min(colon)),
        (equals, colon) => equals.or(colon),
    };
    let at = at.or_else(|| line.find([' ', '\t']))?;
    let (key, rest) = line.split_at_checked(at)?;
    Some((key.trim(), rest.trim_start_matches(['=', ':', ' ', '\t'])))
}

fn words(text: &str) -> Vec<String> {
    let cuts = |c: char| c.is_whitespace() || matches!(c, ',' | '|');
    text.split(cuts)
        .map(|word| word.trim_matches(['"', '\'']))
        .filter(|word| !word.is_empty())
        .map(str::to_owned)
        .collect()
}

/// Every `registry`, `index`, `index-url`, `url` and so on of a TOML file; cargo's own is replaced by `replace-with`.
fn tables(text: &str) -> (Vec<String>, bool) {
    let Ok(table) = text.parse::<toml::Table>() else { return (Vec::new(), false) };
    let (mut urls, mut replaced) = (Vec::new(), false);
    let mut open: Vec<&toml::Table> = vec![&table];
    let mut seen = 0;
    while let Some(table) = open.pop().filter(|_| seen < 10_000) {
        seen += 1;
        for (key, value) in table {
            match value {
                toml::Value::Table(inner) => open.push(inner),
                toml::Value::Array(items) => {
                    open.extend(items.iter().filter_map(toml::Value::as_table));
                    let listed = matches!(key.as_str(), "extra-index-url" | "find-links");
                    urls.extend(items.iter().filter(|_| listed).filter_map(toml::Value::as_str).map(str::to_owned));
                }
                toml::Value::String(text) => match key.as_str() {
                    "registry" | "index" | "index-url" | "url" | "extra-index-url" | "default-index" => {
                        replaced |= matches!(key.as_str(), "index-url" | "default-index");
                        urls.push(text.clone());
                    }
                    "replace-with" => replaced = true,
                    _ => {}
                },
                toml::Value::Boolean(true) if key == "default" => replaced = true,
                _ => {}
            }
        }
    }
    (urls, replaced)
}

/// What stands in `<url>`; a mirror of everything or of `central` replaces that.
fn elements(text: &str) -> (Vec<String>, bool) {
    let mut plain = String::new();
    let mut rest = text;
    while let Some((before, behind)) = rest.split_once("<!--") {
        plain.push_str(before);
        rest = behind.split_once("-->").map_or("", |(_, after)| after);
    }
    plain.push_str(rest);
    let values = |name: &str| -> Vec<String> {
        let (open, close) = (format!("<{name}>"), format!("</{name}>"));
        let parts = plain.split(&*open).skip(1);
        parts.filter_map(|part| part.split_once(&*close).map(|(value, _)| value.trim().to_owned())).collect()
    };
    let central = |of: &String| of.split(',').any(|one| matches!(one.trim(), "*" | "central" | "external:*"));
    (values("url"), values("mirrorOf").iter().any(central))
}

/// Host and port of a URL that packages are fetched from.
fn origin(url: &str) -> Option<Origin> {
    // Go: a check sum database may have a key before its URL.
    let (scheme, rest) = url.split_once("://")?;
    let scheme = scheme.rsplit('+').next().unwrap_or_default().to_ascii_lowercase();
    let port = match scheme.as_str() {
        "https" => 443,
        "http" => 80,
        _ => return None,
    };
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    let authority = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
    let (host, port) = match authority.rsplit_once(':') {
        Some((host, own)) if !own.contains(']') && own.bytes().all(|digit| digit.is_ascii_digit()) => {
            (host, if own.is_empty() { port } else { own.parse().ok().filter(|port| *port > 0)? })
        }
        _ => (authority, port),
    };
    Some(Origin { host: Place::parse(host.as_bytes()).ok()?, port, configured: true })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hosts(which: Registry, settings: &[(Form, &str)]) -> Vec<String> {
        let settings: Vec<Setting> =
            settings.iter().map(|(form, text)| Setting { form: *form, text: (*text).to_owned() }).collect();
        which.origins(&settings).iter().map(|one| format!("{}:{}", one.host, one.port)).collect()
    }

    #[test]
    fn without_a_configuration_it_is_the_public_one() {
        for (which, name) in Registry::ALL.into_iter().zip(Registry::NAMES) {
            assert_eq!(Registry::named(name), Some(which));
            assert!(!hosts(which, &[]).is_empty());
        }
    }

    #[test]
    fn a_mirror_takes_its_place() {
        let npmrc = "; mine\nregistry=https://npm.corp.test/repo/\n@acme:registry = https://u:p@acme.test:8443\n//npm.corp.test/:_authToken=x";
        assert_eq!(hosts(Registry::Npm, &[(Form::Lines, npmrc)]), ["npm.corp.test:443", "acme.test:8443"]);
        let yarn = "npmRegistryServer: \"https://y.test\"\n";
        assert_eq!(hosts(Registry::Npm, &[(Form::Lines, yarn)]), ["y.test:443"]);
        assert_eq!(hosts(Registry::Npm, &[(Form::Lines, "@a:registry=https://a.test")]).len(), 3);
        let pip = "[global]\nindex-url = https://pip.test/simple # ours\nextra-index-url =\n    http://more.test/simple\n    https://most.test:1/\ntimeout = 3";
        assert_eq!(hosts(Registry::Pip, &[(Form::Lines, pip)]), ["pip.test:443", "more.test:80", "most.test:1"]);
        assert_eq!(hosts(Registry::Pip, &[(Form::More, "https://more.test")]).len(), 3);
        let cargo = "[source.crates-io]\nreplace-with = 'ours'\n[source.ours]\nregistry = 'sparse+https://crates.test/index/'\n[registries.two]\nindex = 'https://two.test'";
        let mut found = hosts(Registry::Cargo, &[(Form::Toml, cargo)]);
        found.sort();
        assert_eq!(found, ["crates.test:443", "two.test:443"]);
        assert_eq!(
            hosts(Registry::Go, &[(Form::Main, "https://go.test,direct")]),
            ["go.test:443", "sum.golang.org:443"]
        );
        let maven = "<mirrors><mirror><url>https://m.test/x</url><mirrorOf>*</mirrorOf></mirror></mirrors><!-- <url>https://no.test</url> -->";
        assert_eq!(hosts(Registry::Maven, &[(Form::Xml, maven)]), ["m.test:443"]);
    }

    #[test]
    fn what_is_no_registry_adds_nothing() {
        let public = hosts(Registry::Npm, &[]);
        for text in ["registry=file:///x", "registry=https://evil%00.test/", "registry=", "=", "\u{0}"] {
            assert_eq!(hosts(Registry::Npm, &[(Form::Lines, text)]), public, "{text}");
        }
        assert!(Registry::Npm.reads("POST", "/-/npm/v1/security/advisories/bulk") && !Registry::Npm.reads("PUT", "/x"));
    }
}
