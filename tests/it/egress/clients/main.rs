//! Real clients, unmodified, through a session's way out: with the proxy variables that it sets, and with none.
//!
//! Invariant: every client reaches the servers that the policy names, by name, and is refused one that it does not, in both
//! ways; each connection is on record with the name that it was judged by.
//! Leaves to others: what clients that mean harm try (`tests/escape`).

#![allow(clippy::unwrap_used, reason = "a stage that cannot be set up fails its test")]

mod accounts;
mod net;

use net::Net;

/// A proxy's variables, which a client must not need.
const VARIABLES: [&str; 8] =
    ["HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY", "http_proxy", "https_proxy", "all_proxy", "no_proxy"];

/// The script prints this both ways, and its connections were judged by name.
fn unnoticed(script: &str, wanted: &str) {
    let net = Net::new();
    for (way, unset) in [("with variables", &[][..]), ("without", &VARIABLES[..])] {
        let fresh = net.project();
        let mut words = vec!["env"];
        unset.iter().for_each(|name| words.extend(["-u", name]));
        words.extend(["bash", "-eu", "-o", "pipefail", "-c", script]);
        let output = net.govsh(&fresh, &words);
        let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        let seen = net.events(&["--kind", "net"]);
        assert!(output.status.success() && out == wanted, "{way}: {:?}\n{out}\n{err}\n{seen:#?}", output.status);
        let reached: Vec<_> =
            seen.iter().filter(|event| event["verdict"] != "deny" && event["host"].is_string()).collect();
        assert!(!reached.is_empty(), "{way}: nothing was judged by its name: {seen:#?}");
        let beside = reached.iter().find(|event| !event["host"].as_str().unwrap().ends_with(".test"));
        assert_eq!(beside, None, "{way}");
    }
}

/// One test for each script.
macro_rules! clients {
    ($($(#[$attribute:meta])* $name:ident => $wanted:literal,)*) => { $(
        $(#[$attribute])*
        #[test]
        fn $name() {
            unnoticed(include_str!(concat!(stringify!($name), ".sh")), $wanted);
        }
    )* };
}

clients! {
    curl => "asked as web.test\nasked as plain.test\ntaken\nrefused\n",
    git => "content\n1\nrefused\n",
    ssh => "content\nrefused\n",
    node => "asked as web.test\nasked as web.test\nasked as plain.test\ntls true\n50\nrefused\n",
    python => "asked as web.test\nasked as plain.test\nasked as web.test\nrefused\n",
    requests => "asked as web.test\nasked as plain.test\nasked as web.test\n30\nrefused\nrefused\n",
    quic => "asked as web.test\nat once\nrefused\n",
    npm => "42\nrefused\n",
    pip => "42\nrefused\n",
    cargo => "42\nrefused\n",
    apt => "41\n",
    psql => "42\nrefused\n",
    #[ignore = "its compiler is large: GOVSH_AGENTS=all tests/run clients"]
    go => "asked as web.test\nasked as plain.test\nrefused\n",
    #[ignore = "it is large: GOVSH_AGENTS=all tests/run clients"]
    java => "asked as web.test\nasked as plain.test\nasked as web.test\nrefused\n",
}
