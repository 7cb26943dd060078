//! Calls that somebody is asked about.

use crate::lab::choices;
use crate::{GOVSH, HELLO, OWN, call, lab};

const ASK: &str = "[[mcp.rules]]\nid = \"look\"\neffect = \"ask\"\nserver = \"small\"\ntools = [\"other\"]\nreason = \"it is dear\"\n\
                   [[mcp.rules]]\nid = \"rest\"\neffect = \"allow\"\nserver = \"small\"\ntools = [\"pid\"]\n";

fn script(lab: &crate::lab::Lab, messages: &[String]) -> String {
    let quoted = HELLO.iter().map(|line| (*line).to_owned()).chain(messages.iter().cloned());
    let quoted: Vec<String> = quoted.map(|line| format!("'{line}'")).collect();
    format!("python3 {} {GOVSH} mcp connect small -- {}", lab.path("client.py").display(), quoted.join(" "))
}

#[test]
fn a_call_waits_for_an_answer_and_always_is_kept() {
    let lab = lab(OWN, ASK);
    let asked = call(1, "other", r#"{"repo":"acme/x","body":"line\nline"}"#);
    let (session, mut person) = lab.attended(&[], &script(&lab, &[asked]));
    let question = person.one();
    let told = question.to_string();
    for word in ["small", "other", "acme/x", "look", "it is dear"] {
        assert!(told.contains(word), "{word}: {question:#}");
    }
    let narrow = choices(&question).iter().position(|text| text == r#"mcp small tool "other" {"repo":"acme/x"}"#);
    person.answer(&question, "allow", "always", narrow.expect("it is proposed"));
    let (out, _) = session.end();
    assert!(out.contains(r#"\"repo\": \"acme/x\""#) && out.contains("\"result\""), "{out}");
    let kept = std::fs::read_to_string(lab.answers().unwrap()).unwrap();
    assert!(kept.contains("ask = \"mcp\"") && kept.contains("acme/x"), "{kept}");
    // The next session asks nobody about that, and refuses what nobody is there to be asked about.
    let same = call(1, "other", r#"{"repo":"acme/x","body":"something else"}"#);
    let other = call(2, "other", r#"{"repo":"acme/y"}"#);
    let (out, _) = lab.start(&[], &["sh", "-c", &script(&lab, &[same, other])]).end();
    assert!(out.contains("something else") && out.contains("Denied by policy look"), "{out}");
}

#[test]
fn while_it_waits_others_go_on_and_the_client_hears_of_it() {
    let lab = lab(OWN, ASK);
    let asked = r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"other","arguments":{},"_meta":{"progressToken":"t"}}}"#;
    let (session, mut person) = lab.attended(&[], &script(&lab, &[asked.to_owned()]));
    let question = person.one();
    std::thread::park_timeout(std::time::Duration::from_secs(6));
    person.answer(&question, "deny", "once", 0);
    let (out, _) = session.end();
    assert!(out.contains("progress") && out.contains("Denied by policy look"), "{out}");
}
