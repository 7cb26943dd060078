//! Putting a secret into the header that its credential names.
//!
//! Invariant: only that header is changed, and only where it carries the placeholder or is not there at all.
//! Leaves to others: whether this request may have it (`credentials`, `http`).

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hyper::header::{HeaderMap, HeaderName, HeaderValue};
use memchr::memmem;
use zeroize::Zeroizing;

use super::Hidden;
use crate::policy::{Inject, Template};

/// Puts it in; whether anything was.
pub fn fill(headers: &mut HeaderMap, template: &Template, inject: Inject, hidden: &Hidden) -> bool {
    let Ok(name) = HeaderName::from_bytes(template.name.as_bytes()) else { return false };
    if !headers.contains_key(&name) {
        let value = (inject == Inject::Always).then(|| sensitive(&whole(template, &hidden.real))).flatten();
        return value.map(|value| headers.insert(name, value)).is_some();
    }
    let old: Vec<HeaderValue> = headers.get_all(&name).iter().cloned().collect();
    let new: Vec<Option<HeaderValue>> = old.iter().map(|value| filled(value.as_bytes(), hidden)).collect();
    if new.iter().all(Option::is_none) {
        return false;
    }
    headers.remove(&name);
    for (new, old) in new.into_iter().zip(old) {
        headers.append(name.clone(), new.unwrap_or(old));
    }
    true
}

/// A header for a request that the front itself makes.
pub fn made(template: &Template, real: &str) -> Option<(HeaderName, HeaderValue)> {
    let name = HeaderName::from_bytes(template.name.as_bytes()).ok()?;
    sensitive(&whole(template, real)).map(|value| (name, value))
}

/// The header's value as the policy writes it.
fn whole(template: &Template, real: &str) -> Zeroizing<Vec<u8>> {
    let Template { before, after, basic, .. } = template;
    Zeroizing::new(match basic {
        Some(user) => {
            let pair = Zeroizing::new(format!("{user}:{real}"));
            format!("Basic {}", STANDARD.encode(pair.as_bytes())).into_bytes()
        }
        None => format!("{before}{real}{after}").into_bytes(),
    })
}

/// The value with the secret where the placeholder was; None where that is not in it. Basic is looked into (RFC 7617).
fn filled(value: &[u8], hidden: &Hidden) -> Option<HeaderValue> {
    if let Some(new) = replaced(value, hidden) {
        return sensitive(&new);
    }
    let (scheme, text) = value.split_at_checked(6)?;
    if !scheme.eq_ignore_ascii_case(b"basic ") {
        return None;
    }
    let decoded = Zeroizing::new(STANDARD.decode(text.trim_ascii()).ok()?);
    let new = Zeroizing::new(STANDARD.encode(&*replaced(&decoded, hidden)?));
    sensitive(&[scheme, new.as_bytes()].concat())
}

fn replaced(text: &[u8], hidden: &Hidden) -> Option<Zeroizing<Vec<u8>>> {
    let placeholder = hidden.placeholder.as_bytes();
    let mut out = Zeroizing::new(Vec::with_capacity(text.len() + hidden.real.len()));
    let mut rest = text;
    while let Some(at) = memmem::find(rest, placeholder) {
        out.extend_from_slice(rest.get(..at)?);
        out.extend_from_slice(hidden.real.as_bytes());
        rest = rest.get(at + placeholder.len()..)?;
    }
    let any = rest.len() < text.len();
    out.extend_from_slice(rest);
    any.then_some(out)
}

/// Kept out of the tables of header compression (RFC 7541 §7.1).
pub fn sensitive(value: &[u8]) -> Option<HeaderValue> {
    let mut value = HeaderValue::from_bytes(value).ok()?;
    value.set_sensitive(true);
    Some(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hidden() -> Hidden {
        let text = |text: &str| Zeroizing::new(text.to_owned());
        Hidden { real: text("ghp_realrealreal"), placeholder: text("ghp_xxxxxxxxxxxx") }
    }

    fn template(basic: Option<&str>) -> Template {
        Template {
            name: "authorization".into(),
            before: "Bearer ".into(),
            after: String::new(),
            basic: basic.map(str::to_owned),
        }
    }

    fn after(sent: Option<&str>, inject: Inject, basic: Option<&str>) -> Option<String> {
        let mut headers = HeaderMap::new();
        if let Some(sent) = sent {
            headers.insert("authorization", sent.parse().unwrap());
        }
        headers.insert("x-other", "ghp_xxxxxxxxxxxx".parse().unwrap());
        let put = fill(&mut headers, &template(basic), inject, &hidden());
        assert_eq!(headers["x-other"], "ghp_xxxxxxxxxxxx");
        let value = headers.get("authorization").map(|value| value.to_str().unwrap().to_owned());
        assert_eq!(put, value.as_deref() != sent);
        assert!(!put || headers["authorization"].is_sensitive());
        value
    }

    #[test]
    fn the_placeholder_makes_way() {
        use Inject::{Always, Placeholder};
        let is = |text: &str| Some(text.to_owned());
        assert_eq!(after(Some("Bearer ghp_xxxxxxxxxxxx"), Placeholder, None), is("Bearer ghp_realrealreal"));
        assert_eq!(after(Some("token ghp_xxxxxxxxxxxx"), Always, None), is("token ghp_realrealreal"));
        assert_eq!(after(Some("Bearer other"), Always, None), is("Bearer other"));
        assert_eq!(after(None, Always, None), is("Bearer ghp_realrealreal"));
        assert_eq!(after(None, Placeholder, None), None);
    }

    #[test]
    fn basic_is_looked_into() {
        let basic = |pair: &str| format!("Basic {}", STANDARD.encode(pair));
        let sent = basic("x-access-token:ghp_xxxxxxxxxxxx");
        let wanted = Some(basic("x-access-token:ghp_realrealreal"));
        assert_eq!(after(Some(&sent), Inject::Placeholder, None), wanted);
        assert_eq!(after(None, Inject::Always, Some("x-access-token")), wanted);
        let other = basic("me:password");
        assert_eq!(after(Some(&other), Inject::Always, None), Some(other));
    }
}
