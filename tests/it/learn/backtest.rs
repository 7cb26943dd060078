//! Recorded sessions by other policies.

use std::fs;

use serde_json::Value;

use crate::stage::Stage;

/// A session of which everything was allowed but one read.
fn session(stage: &Stage) {
    stage.write("home/notes/a", "a");
    stage.write("home/notes/b", "b");
    stage.write(
        "project/now.toml",
        "version = 1\nextends = [\"base\"]\n[files]\nwrite = [\"${workdir}/**\"]\nread = [\"~/notes/a\"]\n",
    );
    let script = "echo x > made; for i in 1 2 3; do cat ~/notes/a; done; cat ~/notes/b; git --version";
    let output = stage.govsh(["--policy", "./now.toml", "--quiet", "--", "bash", "-c", script]);
    assert!(output.status.success(), "{output:?}");
}

fn judged(stage: &Stage, policy: &str, status: i32) -> Value {
    let output = stage.govsh(["policy", "backtest", policy, "last", "--json"]);
    assert_eq!(output.status.code(), Some(status), "{output:?}");
    serde_json::from_slice(&output.stdout).unwrap()
}

#[test]
fn the_same_policy_changes_nothing() {
    let stage = Stage::new();
    session(&stage);
    let outcome = judged(&stage, "./now.toml", 0);
    assert_eq!(outcome["changes"].as_array().unwrap().len(), 0, "{outcome:#}");
    let session = &outcome["sessions"][0];
    assert!(
        session["requests"].as_u64() > session["different"].as_u64() && session["variables_recorded"] == true,
        "{session}"
    );
    let (said, _) = stage.told(["policy", "backtest", "./now.toml", "last"]);
    assert!(said.starts_with("nothing changes\n") && said.contains("requests ("), "{said}");
}

#[test]
fn what_another_policy_would_change_is_grouped_and_can_be_looked_at() {
    let stage = Stage::new();
    session(&stage);
    let then = "version = 1\nextends = [\"base\"]\n[files]\nwrite = [\"${workdir}/**\"]\nread = [\"~/notes/b\"]\n\
                [exec]\nask = [\"git **\"]\n";
    stage.write("project/then.toml", then);
    let outcome = judged(&stage, "./then.toml", 1);
    let changes = outcome["changes"].as_array().unwrap();
    let words = |change: &Value| {
        ["to", "from", "verb", "object"].map(|name| change[name].as_str().unwrap_or_default().to_owned()).join(" ")
    };
    let said: Vec<String> = changes.iter().map(words).collect();
    let (a, b) = (stage.text("home/notes/a"), stage.text("home/notes/b"));
    let expected = [
        format!("denied allowed read {a}"),
        "asked allowed run git --version".to_owned(),
        format!("allowed denied read {b}"),
    ];
    assert_eq!(said, expected, "{outcome:#}");
    assert_eq!((changes[0]["times"].as_u64(), changes[0]["different"].as_u64()), (Some(3), Some(1)), "{outcome:#}");
    assert!(changes[1]["rule"].as_str().unwrap().contains("then.toml:7"), "{outcome:#}");
    let replay = changes[0]["first"][0]["replay"].as_str().unwrap();
    assert!(replay.starts_with("govsh replay ") && replay.contains(" --at 0:0"), "{replay}");

    let output = stage.govsh(["policy", "backtest", "./then.toml", "last"]);
    let text = String::from_utf8(output.stdout).unwrap();
    for line in
        ["newly denied  read ", ", 3 times", "newly asked  run git --version", "newly allowed", "    govsh replay "]
    {
        assert!(text.contains(line), "{line}: {text}");
    }
}

#[test]
fn each_session_is_judged_with_its_own_directories() {
    let stage = Stage::new();
    session(&stage);
    // From another directory, with another home: what ~ and ${workdir} were is in the recording.
    fs::create_dir(stage.path("elsewhere")).unwrap();
    let recordings = stage.text("home/.local/state/govsh/recordings");
    let mut command = stage.command([env!("CARGO_BIN_EXE_govsh"), "policy", "backtest"]);
    command.arg(stage.path("project/now.toml")).arg(&recordings).current_dir(stage.path("elsewhere"));
    let output = command.env("HOME", stage.path("elsewhere")).output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{output:?}");
}

#[test]
fn rules_of_the_command_line_count() {
    let stage = Stage::new();
    assert!(stage.govsh(["--policy", "agent", "--", "sh", "-c", "echo x > made; cat made"]).status.success());
    assert_eq!(stage.govsh(["policy", "backtest", "agent", "last"]).status.code(), Some(0));
    let output = stage.govsh(["policy", "backtest", "--deny", "made", "--json", "agent", "last"]);
    let json: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(1), "{json}");
    let all = json["changes"].as_array().unwrap();
    assert!(
        all.iter().all(|change| change["rule"].as_str().is_some_and(|rule| rule.contains("--deny made"))),
        "{json}"
    );
}

#[test]
fn what_cannot_be_judged_is_said() {
    let stage = Stage::new();
    // Nothing is denied inside what it lets be read.
    let plain = "version = 1\n[files]\nread = ['/etc/ld.so.cache']\nwrite = ['${workdir}/**', '/dev/null']\n\
                 exec = ['/usr/**', '/bin/**', '/lib/**', '/lib64/**']\n";
    stage.write("elsewhere/plain.toml", plain);
    let plain = stage.path("elsewhere/plain.toml");
    let plain = plain.to_str().unwrap();
    let arguments = ["--policy", plain, "--audit", "writes", "--quiet", "--", "sh", "-c", "echo x > made"];
    let output = stage.govsh(arguments);
    assert!(output.status.success(), "{output:?}");
    let (said, _) = stage.told(["policy", "backtest", "locked-down", "last"]);
    assert!(said.contains("reads cannot be judged"), "{said}");

    stage.write("project/broken.cast.zst", "no recording");
    let output = stage.govsh(["policy", "backtest", "locked-down", "./broken.cast.zst", "last"]);
    assert_eq!(output.status.code(), Some(125), "{output:?}");
    assert!(String::from_utf8_lossy(&output.stderr).contains("broken.cast.zst': not a govsh recording"), "{output:?}");
    assert!(String::from_utf8_lossy(&output.stdout).contains("1 session judged"), "the others are judged: {output:?}");
}
