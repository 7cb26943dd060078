//! Laws of layers: an untrusted project never widens, a denial in any layer never opens anything, whoever says it.

use govsh::policy::{
    Access, Layer, Library, NetOp, Policy, PolicyError, Reach, Request, Source, UnixAddr, Vars, Verdict, shipped,
};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;

use crate::{Line, access, line, path, render};

/// A disk with a few links that an agent could have made, and what is laid over the profile.
struct Laid(Vec<Source>);

impl Library for Laid {
    fn load(&self, name: &str, _: &Source) -> Result<Source, PolicyError> {
        shipped::source(name).ok_or_else(|| PolicyError::whole(name, "no such profile", None))
    }

    fn layers(&self) -> Result<Vec<Source>, PolicyError> {
        Ok(self.0.clone())
    }

    fn realpath(&self, path: &[u8]) -> Option<Vec<u8>> {
        let links: [(&[u8], &[u8]); 2] = [(b"/a/b", b"/c"), (b"/work/a", b"/b")];
        let led = links.iter().find_map(|(from, to)| {
            let rest = path.strip_prefix(*from)?;
            (rest.is_empty() || rest.starts_with(b"/")).then(|| [*to, rest].concat())
        });
        Some(led.unwrap_or_else(|| path.to_vec()))
    }
}

fn source(name: &str, text: String, layer: Layer) -> Source {
    Source { name: name.into(), text, layer, path: Some(format!("/cfg/{name}").into()) }
}

fn load(profile: String, layers: Vec<Source>) -> Result<Policy, PolicyError> {
    let vars = Vars {
        home: b"/home/u".into(),
        workdir: b"/work".into(),
        tmp: b"/tmp".into(),
        session: b"/run/s".into(),
        ..Vars::default()
    };
    Policy::load(source("p.toml", profile, Layer::User), &Laid(layers), &vars)
}

/// Whatever a file may say beside its path rules.
fn rest() -> impl Strategy<Value = String> {
    let said = select(vec![
        "[network]\nallow = 'all'\n",
        "[network]\nallow = 'none'\nask = ['10.0.0.0/8']\n",
        "[network]\nallow = ['10.0.0.0/9:80']\nask = ['all']\n",
        "[network]\ndeny = ['10.1.0.0/16']\nask = ['127.0.0.0/8']\n",
        "[exec]\nallow = ['git', 'ls']\nask = ['make', 'git push **']\n",
        "[exec]\ndeny = ['make']\nask = ['**']\n",
        "[exec]\nallow = ['/a/**']\n",
        "[sockets]\nallow = ['/a/**', '@x*']\n",
        "[sockets]\ndeny = ['/a/b', '@x']\n",
        "[environment]\npass = ['X', 'A_TOKEN']\n",
        "[environment]\ndeny = ['*_TOKEN']\n",
        "[limits]\nprocesses = 9\nmemory = '1G'\n",
        "[limits]\nprocesses = 99\nmemory = '1M'\n",
        "[toolchains]\nallow = 'all'\n",
        "[devices]\nallow = ['gpu']\n",
        "",
    ]);
    vec(said, 0..3).prop_map(|parts| {
        let mut kept: Vec<&str> = Vec::new();
        for part in parts {
            let table = part.split('\n').next();
            if kept.iter().all(|known| known.split('\n').next() != table) {
                kept.push(part);
            }
        }
        kept.concat()
    })
}

fn asks() -> impl Strategy<Value = String> {
    vec((select(vec!["", "read", "write"]), crate::pattern()), 0..3).prop_map(|asks| {
        let entry = |(access, path): &(&str, String)| match *access {
            "" => format!("{path:?}"),
            access => format!("{{ path = {path:?}, access = {access:?} }}"),
        };
        format!("ask = [{}]\n", asks.iter().map(entry).collect::<Vec<_>>().join(", "))
    })
}

/// A whole file.
fn file() -> impl Strategy<Value = String> {
    (vec(line(), 0..6), asks(), rest()).prop_map(|(lines, asks, rest)| render(&lines) + &asks + &rest)
}

fn width(verdict: Verdict) -> u8 {
    match verdict {
        Verdict::Deny => 0,
        Verdict::Ask => 1,
        Verdict::Allow => 2,
    }
}

/// Nothing that is asked for gets a wider verdict from `after` than from `before`.
fn never_wider(before: &Policy, after: &Policy, path: &str, access: Access) -> Result<(), TestCaseError> {
    let addrs = ["10.0.0.1:80", "10.1.0.1:80", "127.0.0.1:1", "8.8.8.8:53", "169.254.169.254:80"]
        .map(|addr| addr.parse().expect("an address"));
    let argvs: Vec<Vec<Vec<u8>>> = ["git push x", "git", "make", "ls -l"]
        .iter()
        .map(|words| words.split(' ').map(|word| word.as_bytes().to_vec()).collect())
        .collect();
    let mut requests = vec![Request::File { path: path.as_bytes(), access }];
    requests.extend(addrs.iter().map(|addr| Request::Net(Reach::to(NetOp::Connect, *addr))));
    requests.extend(argvs.iter().map(|argv| Request::Exec { path: path.as_bytes(), argv }));
    requests.push(Request::Unix { addr: UnixAddr::Path(path.as_bytes()) });
    requests.push(Request::Unix { addr: UnixAddr::Abstract(b"x") });
    for request in &requests {
        let (was, is) = (before.decide(request), after.decide(request));
        prop_assert!(
            width(is.verdict) <= width(was.verdict),
            "{request:?}: {was:?} by {}, then {is:?} by {}",
            before.rule(was.rule).name,
            after.rule(is.rule).name
        );
    }
    for name in [&b"X"[..], b"A_TOKEN", b"PATH"] {
        prop_assert!(!after.environment().keep(name) || before.environment().keep(name));
    }
    let limits =
        |policy: &Policy| [policy.limits().processes, policy.limits().memory].map(|limit| limit.unwrap_or(u64::MAX));
    prop_assert!(limits(after).iter().zip(limits(before)).all(|(is, was)| *is <= was));
    let grants = |policy: &Policy| policy.grants().len() + policy.asked_grants().len();
    prop_assert!(grants(after) <= grants(before), "more for the kernel's rules");
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn an_untrusted_project_never_widens(
        profile in file(), machine in file(), project in file(), base in select(vec!["", "extends = ['observe']\n"]),
        path in path(), access in access(),
    ) {
        let machine = source("m.toml", machine, Layer::Machine);
        let project = source("x/.govsh/policy.toml", format!("{base}{project}"), Layer::Project);
        let Ok(before) = load(profile.clone(), vec![machine.clone()]) else { return Ok(()) };
        let Ok(after) = load(profile, vec![machine, project]) else { return Ok(()) };
        never_wider(&before, &after, &path, access)?;
    }

    #[test]
    fn a_denial_in_any_layer_opens_nothing(
        profile in file(), project in file(), denials in vec(line(), 1..4), path in path(), access in access(),
        layer in select(vec![Layer::Org, Layer::Machine, Layer::User, Layer::Project, Layer::CommandLine]),
    ) {
        let denials: Vec<Line> = denials.into_iter().map(|line| ("deny", line.1, line.2)).collect();
        let denying = source("d.toml", render(&denials), layer);
        let project = source("x/.govsh/policy.toml", project, Layer::Project);
        let Ok(before) = load(profile.clone(), vec![project.clone()]) else { return Ok(()) };
        let Ok(after) = load(profile, vec![denying, project]) else { return Ok(()) };
        if matches!(layer, Layer::Project) {
            never_wider(&before, &after, &path, access)?;
        } else if before.decide_file(path.as_bytes(), access).verdict == Verdict::Deny {
            // Whom the user believes may say where links are believed: what is written is judged as it stands.
            let real = Laid(Vec::new()).realpath(path.as_bytes());
            prop_assume!(real.as_deref() == Some(path.as_bytes()) && !path.starts_with("/c") && !path.starts_with("/b"));
            prop_assert_eq!(after.decide_file(path.as_bytes(), access).verdict, Verdict::Deny);
        }
    }

    #[test]
    fn an_enrolled_machine_hears_no_project_at_all(
        profile in file(), project in file(), path in path(), access in access(),
    ) {
        let enrolled = source("m.toml", "version = 1\n[machine]\nenrolled = true\n".into(), Layer::Machine);
        let project = source("x/.govsh/policy.toml", project, Layer::Project);
        let Ok(before) = load(profile.clone(), vec![enrolled.clone()]) else { return Ok(()) };
        let Ok(after) = load(profile, vec![enrolled, project]) else { return Ok(()) };
        never_wider(&before, &after, &path, access)?;
    }
}
