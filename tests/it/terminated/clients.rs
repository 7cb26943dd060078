//! Programs that trust the session's authority by the variables they read, and by nothing else.

use crate::rig::{API, Rig, said};

const RULES: &str = r#"
[network]
allow = ["api.example.test:PORT"]
http = [{ host = "api.example.test:PORT", methods = ["GET"] }]
"#;

#[test]
fn node_trusts_by_its_variable() {
    let rig = Rig::new(RULES, &[]);
    const SCRIPT: &str = r#"
const https = require('node:https'), http2 = require('node:http2');
const [host, port] = process.argv.slice(1);
const lookup = (name, options, done) => options.all ? done(null, [{ address: '127.0.0.1', family: 4 }]) : done(null, '127.0.0.1', 4);
https.get({ host, port, path: '/node', lookup, servername: host }, answer => {
  answer.on('data', data => process.stdout.write(data)).on('end', () => {
    const client = http2.connect(`https://${host}:${port}`, { lookup });
    client.on('error', error => { console.error(error); process.exit(1); });
    const stream = client.request({ ':path': '/node2' });
    stream.on('data', data => process.stdout.write(data)).on('end', () => client.close());
  });
}).on('error', error => { console.error(error); process.exit(1); });
"#;
    let mut node = rig.command("node");
    let (text, ok) = said(node.args(["-e", SCRIPT, API, &rig.port.to_string()]));
    assert!(ok && text == "hello from /node\nhello from /node2\n", "{text}");
}

#[test]
fn python_trusts_by_its_variable() {
    let rig = Rig::new(RULES, &[]);
    const SCRIPT: &str = r#"
import socket, sys, urllib.request
real = socket.getaddrinfo
socket.getaddrinfo = lambda host, *rest, **more: real('127.0.0.1', *rest, **more)
print(urllib.request.urlopen(sys.argv[1]).read().decode(), end='')
"#;
    let (text, ok) = said(rig.command("python3").args(["-c", SCRIPT, &rig.url("/python")]));
    assert!(ok && text == "hello from /python\n", "{text}");
}

#[test]
fn java_reads_the_store() {
    let rig = Rig::new(RULES, &[]);
    let store = crate::rig::within(&rig, "trust.jks");
    let mut keytool = rig.command("keytool");
    keytool.env_remove("JAVA_TOOL_OPTIONS");
    let store = store.to_str().unwrap();
    let (text, ok) =
        said(keytool.args(["-list", "-keystore", store, "-storepass", "changeit", "-alias", "govsh-session"]));
    assert!(ok && text.contains("trustedCertEntry"), "{text}");
}
