//! WebSocket: passed on where a rule says so, and only then; what the server says is looked through.

use crate::rig::{API, Rig, said};

const RULES: &str = r#"
[network]
allow = ["api.example.test:PORT"]
http = [
    { host = "api.example.test:PORT", path = "/socket", upgrade = true },
    { host = "api.example.test:PORT", path = "/other" },
]

[credentials.forge]
source = "env:OUTSIDE"
host = "api.example.test:PORT"
header = "authorization: Bearer {}"
"#;

const REAL: &str = "ghp_16C7e42F292c6912E7710c838347Ae178B4a";

/// Opens one by hand: says something, and prints what it hears.
const SCRIPT: &str = r#"
const https = require('node:https');
const [host, port, path] = process.argv.slice(1);
const lookup = (name, options, done) => options.all ? done(null, [{ address: '127.0.0.1', family: 4 }]) : done(null, '127.0.0.1', 4);
const request = https.request({ host, port, path, lookup, servername: host, headers: {
  connection: 'upgrade', upgrade: 'websocket', 'sec-websocket-version': '13', 'sec-websocket-key': 'x'.repeat(22) + '==' } });
request.on('response', answer => { console.log('status', answer.statusCode); answer.resume(); answer.on('end', () => process.exit(0)); });
request.on('upgrade', (answer, socket, head) => {
  let heard = head.toString();
  const look = () => { if (heard.includes('ping')) { console.log('heard', heard); socket.end(); process.exit(0); } };
  socket.on('data', data => { heard += data; look(); });
  socket.write('ping');
  look();
});
request.on('error', error => { console.log('error', error.message); process.exit(1); });
request.end();
setTimeout(() => { console.log('nothing heard'); process.exit(1); }, 30000).unref();
request.setTimeout(30000, () => { console.log('nothing answered'); process.exit(1); });
"#;

#[test]
fn an_upgrade_needs_its_rule() {
    let rig = Rig::new(RULES, &[("OUTSIDE", REAL)]);
    let open = |path: &str| said(rig.command("node").args(["-e", SCRIPT, API, &rig.port.to_string(), path]));
    let (text, ok) = open("/socket");
    assert!(ok && text.contains("heard Bearer ghp_") && text.contains("ping"), "{text}");
    assert!(!text.contains(REAL), "{text}");
    let (text, _) = open("/other");
    assert!(text.contains("status 403"), "{text}");
    assert_eq!(rig.request("/socket").status, 101);
}
