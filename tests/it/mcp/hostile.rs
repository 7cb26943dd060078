//! An agent that would rather have the server to itself.

use crate::{ALLOW_ALL, GOVSH, OWN, call, lab, talk};

/// A Python script run as the agent.
fn agent(rules: &str, script: &str) -> String {
    let lab = lab(OWN, rules);
    let script = script.replace("GOVSH", GOVSH).replace("SMALL", lab.path("small.py").to_str().unwrap());
    lab.write("work/agent.py", &script);
    lab.write("work/agent-small.py", &std::fs::read_to_string(lab.path("small.py")).unwrap());
    lab.start(&[], &["python3", "agent.py"]).end().0
}

#[test]
fn what_a_server_is_given_is_in_its_own_processes_alone() {
    let lab = lab(OWN, ALLOW_ALL);
    let (out, _) = talk(&lab, "small", &[call(1, "env", r#"{"name":"SERVERS_SECRET"}"#)]);
    assert!(out.contains("sesame"), "the server has it, else this proves nothing: {out}");
    let out = agent(
        ALLOW_ALL,
        r#"
import glob, os, subprocess
client = subprocess.Popen(["GOVSH", "mcp", "connect", "small"], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
for line in (b'{"jsonrpc":"2.0","id":0,"method":"tools/list"}\n', b'{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"pid","arguments":{}}}\n'):
    client.stdin.write(line); client.stdin.flush()
    answer = client.stdout.readline()
assert b"result" in answer, answer
import json
server = int(json.loads(answer)["result"]["content"][0]["text"])
found = 0
for path in glob.glob("/proc/[0-9]*/environ") + ["/proc/%d/environ" % server, "/proc/%d/mem" % server]:
    try:
        found += b"sesame" in open(path, "rb").read(1 << 20)
    except OSError:
        pass
print("environ", found)
for path in ("/proc/%d/fd/0" % server, "/proc/%d/cwd/x" % server, "/proc/%d/root/etc/hostname" % server):
    try:
        open(path); print("opened", path)
    except OSError as error:
        print("refused")
try:
    os.kill(server, 9); print("killed")
except OSError:
    print("not killed")
print("env" , "SERVERS_SECRET" in os.environ)
say = b'{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"env","arguments":{"name":"SERVERS_SECRET"}}}\n'
for words in (["python3", "SMALL"], ["python3", "-c", "exec(open('agent-small.py').read())"]):
    # Its command is the front's to run; the same by other words has nothing that the server is given.
    try: print("own", b"sesame" in subprocess.run(words, input=say, capture_output=True).stdout)
    except OSError: print("own refused")
client.stdin.close(); client.wait()
"#,
    );
    assert!(out.contains("environ 0") && out.contains("not killed") && out.contains("env False"), "{out}");
    assert!(out.contains("own refused\nown False") && !out.contains("opened") && !out.contains("\nkilled"), "{out}");
}

#[test]
fn speaking_to_the_socket_directly_gains_nothing() {
    let rules = "[[mcp.rules]]\nid = \"some\"\neffect = \"allow\"\nserver = \"small\"\ntools = [\"pid\"]\n";
    let out = agent(
        rules,
        r#"
import glob, json, os, socket
def reach(name=b"small", address="/proc/self/govsh-mcp"):
    s = socket.socket(socket.AF_UNIX); s.settimeout(30); s.connect(address); s.sendall(name + b"\n"); return s
def frames(s):
    data = b""
    while True:
        try: more = s.recv(65536)
        except OSError: return data
        if not more: return data
        data += more
        if b"\n" in data.split(b"small is up\n")[-1] and data.count(b"jsonrpc") >= want: return data
call = lambda id, tool: json.dumps({"jsonrpc": "2.0", "id": id, "method": "tools/call", "params": {"name": tool, "arguments": {}}}).encode() + b"\n"
s = reach(); want = 1
s.sendall(b'{"jsonrpc":"2.0","id":0,"method":"tools/list"}\n'); frames(s); want = 3
s.sendall(call(1, "pid") + call(1, "pid") + call(2, "env"))
data = frames(s)
print("allowed", data.count(b'"result"'), "unknown", data.count(b"Unknown tool: env"), "reused", data.count(b"in use"))
# ids of answers to nothing, batches, other names of the same key
want = 2; s = reach()
s.sendall(b'[' + call(1, "env").strip() + b']\n' + b'{"jsonrpc":"2.0","id":7,"method":"tools/call","params":{"name":"pid","Name":"env","arguments":{}}}\n')
data = frames(s); print("odd", data.count(b'"content"'))
try: print("long", len(reach(b"x" * 500).recv(100)))
except OSError: print("long 0")
s = reach(b"../small"); print("named", b"declares no MCP server" in s.recv(1000))
for path in glob.glob("/tmp/govsh-*/*/mcp") + glob.glob(os.environ.get("XDG_RUNTIME_DIR", "/nowhere") + "/govsh/*/mcp"):
    print("seen", path)
try:
    s = socket.socket(socket.AF_UNIX); s.bind("/proc/self/govsh-mcp"); print("bound")
except OSError: print("not bound")
try:
    open("/proc/self/govsh-mcp", "w"); print("made")
except OSError: print("not made")
# many at a time: some are turned away, and the session goes on
many = []
for number in range(300):
    try: many.append(reach(b"small" if number < 6 else b"other"))
    except OSError: break
[m.close() for m in many]
import time
for _ in range(600):
    try:
        want = 1; s = reach(); s.sendall(call(1, "pid"))
        data = frames(s)
        if b'"result"' in data or b"too many" in data: print("goes on"); break
    except OSError: pass
    time.sleep(0.05)
"#,
    );
    assert!(out.contains("allowed 1 unknown 1 reused 1") || out.contains("allowed 2 unknown 1"), "{out}");
    assert!(out.contains("odd 0") && out.contains("long 0") && out.contains("named True"), "{out}");
    assert!(out.contains("not bound") && out.contains("not made") && out.contains("goes on"), "{out}");
    assert!(!out.contains("seen "), "{out}");
}

#[test]
fn without_servers_in_the_policy_there_is_no_such_address() {
    let lab = lab("", "");
    let (out, _) = lab.start(&[], &["sh", "-c", &format!("{GOVSH} mcp connect small; true")]).end();
    assert!(out.contains("no MCP servers are to be had here") || out.contains("ermission denied"), "{out}");
}
