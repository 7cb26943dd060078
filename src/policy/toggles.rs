//! `[toolchains]`, `[devices]` and what named sockets bring along: names that stand for shipped lists of paths.
//!
//! Invariant: a part is trusted no more than the file that switched it on, and it brings path rules alone.
//! Leaves to others: the parts' texts (`shipped`), the sockets themselves (`sockets`).
//!
//! ```text
//! [toolchains] allow = "all" | "none" | ["node", …]   a list adds to a list, and replaces a word; a word replaces
//!                                                     in a layer over the profile: a list adds, "none" is final
//!                                                     in a file that may not widen: a list leaves the others out
//! [devices]    allow = ["gpu"]                        adds
//! [sockets]    allow = ["x11"]                        adds; some have a part: files that the service's users read
//! ```

use super::chain::Link;
use super::document::{Document, Text, ToolchainEntry};
use super::shipped::{self, PartKind};
use super::{Layer, PolicyError};

/// A part that is switched on, and the layer it counts as.
#[derive(Debug, Clone, PartialEq, Eq)]
struct On {
    kind: PartKind,
    name: &'static str,
    layer: Layer,
}

/// Puts the parts that the files of the chain switch on before the first of them.
pub fn unfold(chain: Vec<Link>) -> Result<Vec<Link>, PolicyError> {
    let mut parts = toolchains(&chain)?;
    for link in &chain {
        for text in &link.document.devices {
            let name = known(link, PartKind::Device, "device", text)?;
            add(&mut parts, PartKind::Device, name, link);
        }
        // Most sockets need nothing beside themselves; whether there is a socket of the name is judged elsewhere.
        for text in &link.document.sockets {
            if let Some(name) = shipped::part_names(PartKind::Socket).find(|name| *name == text.value) {
                add(&mut parts, PartKind::Socket, name, link);
            }
        }
    }
    let mut whole = Vec::with_capacity(parts.len() + chain.len());
    for part in parts {
        let Some(mut source) = shipped::part(part.kind, part.name) else { continue };
        source.layer = part.layer;
        whole.push(Link { document: Document::parse(&source)?, source, group: 0, grants: true });
    }
    whole.extend(chain);
    Ok(whole)
}

/// The toolchains that are allowed when every file has had its say. One that was allowed before keeps its layer.
fn toolchains(chain: &[Link]) -> Result<Vec<On>, PolicyError> {
    let mut parts = Vec::new();
    let mut from_word = false;
    for link in chain {
        let Some(entry) = &link.document.toolchains else { continue };
        let names: Vec<&'static str> = match entry {
            ToolchainEntry::None(_) => Vec::new(),
            ToolchainEntry::All(_) => shipped::part_names(PartKind::Toolchain).collect(),
            ToolchainEntry::List(list) => {
                let each = list.iter().map(|text| known(link, PartKind::Toolchain, "toolchain", text));
                each.collect::<Result<_, _>>()?
            }
        };
        let word = !matches!(entry, ToolchainEntry::List(_));
        let replaces = link.group == 0 && (word || from_word);
        if replaces || !link.grants {
            parts.retain(|part: &On| names.contains(&part.name));
        }
        if link.group != 0 && matches!(entry, ToolchainEntry::None(_)) {
            return Ok(Vec::new());
        }
        from_word = word;
        for name in names {
            add(&mut parts, PartKind::Toolchain, name, link);
        }
    }
    Ok(parts)
}

/// Switches a part on, if the file that names it may widen.
fn add(parts: &mut Vec<On>, kind: PartKind, name: &'static str, link: &Link) {
    if !link.grants {
        return;
    }
    let layer = link.source.layer.max(Layer::Shipped);
    match parts.iter_mut().find(|part| part.kind == kind && part.name == name) {
        Some(part) => part.layer = part.layer.min(layer),
        None => parts.push(On { kind, name, layer }),
    }
}

fn known(link: &Link, kind: PartKind, word: &str, text: &Text) -> Result<&'static str, PolicyError> {
    let names: Vec<&'static str> = shipped::part_names(kind).collect();
    if let Some(name) = names.iter().find(|name| **name == text.value) {
        return Ok(name);
    }
    let near = super::table::closest(&text.value, &names).map(|near| format!("did you mean '{near}'? "));
    let hint = format!("{}names: {}", near.unwrap_or_default(), names.join(", "));
    Err(PolicyError::at(&link.source, text.at, format!("unknown {word} '{}'", text.value), Some(hint)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::Source;

    fn link(layer: Layer, text: &str) -> Link {
        let source = Source { name: "x.toml".into(), text: format!("version = 1\n{text}"), layer, path: None };
        Link { document: Document::parse(&source).unwrap(), source, group: 0, grants: layer != Layer::Project }
    }

    fn on(chain: Vec<Link>) -> Vec<(String, Layer)> {
        let own = chain.len();
        let mut whole = unfold(chain).unwrap();
        whole.truncate(whole.len() - own);
        whole.into_iter().map(|link| (link.source.name, link.source.layer)).collect()
    }

    fn part(name: &str, layer: Layer) -> (String, Layer) {
        (format!("{name}.toml"), layer)
    }

    #[test]
    fn lists_add_up_and_replace_words() {
        let all = || link(Layer::Shipped, "[toolchains]\nallow = 'all'");
        let list = |names: &str| link(Layer::User, &format!("[toolchains]\nallow = [{names}]"));
        assert_eq!(on(vec![all()]).len(), shipped::part_names(PartKind::Toolchain).count());
        assert_eq!(on(vec![all(), list("'rust'")]), [part("toolchain/rust", Layer::Shipped)]);
        let both = [part("toolchain/rust", Layer::Shipped), part("toolchain/go", Layer::Shipped)];
        assert_eq!(on(vec![all(), list("'rust'"), list("'go'")]), both);
        assert_eq!(on(vec![list("'go'"), link(Layer::User, "[toolchains]\nallow = 'none'")]), []);
        assert_eq!(on(vec![list("'go'"), link(Layer::User, "")]), [part("toolchain/go", Layer::Shipped)]);
    }

    #[test]
    fn a_part_is_trusted_as_the_file_that_names_it() {
        let typed = |text| link(Layer::CommandLine, text);
        assert_eq!(on(vec![typed("[devices]\nallow = ['gpu']")]), [part("device/gpu", Layer::CommandLine)]);
        let user = link(Layer::User, "[sockets]\nallow = ['x11', 'nscd', '/run/x']");
        assert_eq!(on(vec![user, typed("[sockets]\nallow = ['x11']")]), [part("socket/x11", Layer::Shipped)]);
    }

    #[test]
    fn a_file_that_may_not_widen_switches_off_alone() {
        let all = || link(Layer::Shipped, "[toolchains]\nallow = 'all'");
        let project = |text| link(Layer::Project, text);
        let narrowed = on(vec![all(), project("[toolchains]\nallow = ['node']")]);
        assert_eq!(narrowed, [part("toolchain/node", Layer::Shipped)]);
        let rust = link(Layer::User, "[toolchains]\nallow = ['rust']");
        assert_eq!(on(vec![rust, project("[toolchains]\nallow = 'all'")]), [part("toolchain/rust", Layer::Shipped)]);
        assert_eq!(on(vec![project("[devices]\nallow = ['gpu']\n[sockets]\nallow = ['x11']")]), []);
    }

    #[test]
    fn layers_over_the_profile_add_or_close() {
        let rust = || link(Layer::User, "[toolchains]\nallow = ['rust']");
        let over = |text| Link { group: 1, ..link(Layer::Machine, text) };
        assert_eq!(on(vec![rust(), over("[toolchains]\nallow = ['go']")]).len(), 2);
        assert_eq!(on(vec![rust(), over("[toolchains]\nallow = 'none'"), over("[toolchains]\nallow = ['go']")]), []);
    }

    #[test]
    fn strangers_are_refused_with_their_place() {
        let error = unfold(vec![link(Layer::User, "[toolchains]\nallow = ['pyhton']")]).unwrap_err();
        assert_eq!(error.to_string(), "policy 'x.toml' line 3, column 10: unknown toolchain 'pyhton'");
        assert!(error.hint().unwrap().starts_with("did you mean 'python'? names: "), "{error:?}");
        assert!(unfold(vec![link(Layer::User, "[devices]\nallow = ['gpus']")]).is_err());
    }
}
