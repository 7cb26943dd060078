//! Pointers whose contents change while a call is judged: zero wins, and never a win by luck of the test.
//!
//! Invariant: where both are allowed the same race reaches both, so it would have shown a win.
//! Leaves to others: what one try does (`tests/attempt/races.rs`).

use std::net::{TcpListener, UdpSocket};

use crate::lab::{Lab, Said, tries};
use crate::rules::Rules;

/// `good 1 bad 2 refused 3` as numbers.
fn score(said: &Said) -> [u64; 3] {
    let mut numbers = said.detail.split(' ').filter_map(|word| word.parse().ok());
    [(); 3].map(|()| numbers.next().unwrap_or_default())
}

/// Rounds of the run in which both are allowed.
const ROUNDS: usize = 20;

/// Both reached where both are allowed; under the tested policy only the good one, and the bad one was tried.
fn no_wins(set_up: fn(&Lab), words: &str, tried: u64, allowing: &Rules, tested: &Rules) {
    let lab = Lab::new();
    set_up(&lab);
    let mut reached = [0, 0];
    // How the threads are scheduled decides how often both turn up: on a busy machine a round may see only one.
    // A few tries show it most often; more and more where they do not.
    for round in 0..ROUNDS {
        let few = tried.min(200 << round.min(4));
        let (open, _) = lab.recorded(allowing, &format!("{words} {few}"));
        let [good, bad, _] = score(&open);
        reached = [reached[0] + good, reached[1] + bad];
        if reached.iter().all(|times| *times > 0) {
            break;
        }
    }
    assert!(reached.iter().all(|times| *times > 0), "{words}: allowed, both must be reached: {reached:?}");
    let (mut good, mut refused, mut denials) = (0, 0, 0);
    for _ in 0..ROUNDS {
        let lab = Lab::new();
        set_up(&lab);
        let (said, recording) = lab.recorded(tested, &format!("{words} {tried}"));
        let [through, bad, denied] = score(&said);
        assert_eq!(bad, 0, "{words}: {bad} wins of {tried}: {said:?}");
        (good, refused) = (good + through, refused + denied);
        lab.each_event(&recording, |event| denials += u64::from(event["verdict"] == "deny"));
        if good > 0 && refused > 0 {
            break;
        }
    }
    assert!(good > 0 && refused > 0, "{words}: the race did not race: {good} and {refused}");
    assert!(denials > 0, "{words}: {refused} refusals and no denial recorded");
}

fn files(lab: &Lab) {
    for (face, text) in [("a", "a good one\n"), ("b", "b bad one\n")] {
        lab.dir(&format!("work/{face}"));
        lab.file(&format!("work/{face}/file"), text);
    }
}

/// Inside a writable tree (brokered), and of two trees of which one is not granted (continued, Landlock beneath).
#[test]
fn opening() {
    let allowing = Rules::new();
    let tested = Rules::new().deny("{work}/b/**");
    for how in ["race open", "race open_write", "race openat2"] {
        no_wins(files, &format!("{how} {{work}}/a/file {{work}}/b/file"), tries(), &allowing, &tested);
    }
    let tree = |lab: &Lab| {
        for (face, text) in [("a", "a good one\n"), ("b", "b bad one\n")] {
            lab.dir(&format!("out/{face}"));
            lab.file(&format!("out/{face}/file"), text);
        }
    };
    let (allowing, tested) = (Rules::new().read("{out}/**"), Rules::new().read("{out}/a/**"));
    no_wins(tree, "race open {out}/a/file {out}/b/file", tries(), &allowing, &tested);
}

/// `struct open_how` changes between reading and writing.
#[test]
fn open_how() {
    let allowing = Rules::new();
    let tested = Rules::new().readonly("{work}/a/**");
    no_wins(files, "race openat2_how {work}/a/file {work}/b/file", tries(), &allowing, &tested);
}

#[test]
fn renaming_linking_and_removing() {
    let allowing = Rules::new();
    let tested = Rules::new().deny("{work}/b/**");
    for how in ["race rename_from", "race link"] {
        no_wins(files, &format!("{how} {{work}}/a/file {{work}}/b/file"), tries(), &allowing, &tested);
    }
    let tested = Rules::new().readonly("{work}/b/**");
    no_wins(files, "race unlink {work}/a/file {work}/b/file", tries(), &allowing, &tested);
    let empty = |lab: &Lab| ["work/a", "work/b"].map(|dir| lab.dir(dir)).into_iter().collect();
    no_wins(empty, "race rename_to {work}/a/file {work}/b/file", tries(), &allowing, &tested);
}

/// What is made, and whose mode and length change.
#[test]
fn making_and_changing() {
    let dirs = |lab: &Lab| ["work/a", "work/b"].map(|dir| lab.dir(dir)).into_iter().collect();
    let tested = Rules::new().deny("{work}/b/**");
    no_wins(dirs, "race mkdir {work}/a/new {work}/b/new", tries() / 2, &Rules::new(), &tested);
    let tested = Rules::new().readonly("{work}/b/**");
    for how in ["race chmod", "race truncate"] {
        no_wins(files, &format!("{how} {{work}}/a/file {{work}}/b/file"), tries() / 2, &Rules::new(), &tested);
    }
}

/// Directories, links, working directories and descriptors that change under the path.
#[test]
fn places_that_swap() {
    let set_up = |lab: &Lab| {
        lab.dir("work/a");
        lab.dir("work/b");
        lab.file("work/b/file", "b bad one\n");
    };
    let tested = Rules::new().deny("{work}/b/**");
    for how in ["swap directory", "swap link", "swap link_write", "swap link_source", "swap cwd", "swap dirfd"] {
        no_wins(set_up, &format!("{how} {{work}}/a {{work}}/b"), tries() / 4, &Rules::new(), &tested);
    }
}

fn tools(lab: &Lab) {
    for (face, status) in [("a", 0), ("b", 33)] {
        lab.dir(&format!("work/{face}"));
        let mark = lab.path(&format!("work/{face}-ran"));
        lab.file(&format!("work/{face}/tool"), &format!("#!/bin/sh\n: > {}\nexit {status}\n", mark.display()));
        lab.mode(&format!("work/{face}/tool"), 0o755);
    }
}

/// The session is ended with an alert, or the call refused; whatever was denied did nothing.
fn never_runs(set_up: fn(&Lab), words: &str, tested: &Rules) {
    let (mut refusals, mut alerts) = (0, 0);
    for _ in 0..ROUNDS {
        let lab = Lab::new();
        set_up(&lab);
        let (said, events) = lab.inside(tested, words);
        assert!(!lab.path("work/b-ran").exists(), "{words}: the denied program ran: {said:?}");
        let alert = events.iter().any(|event| event["kind"] == "alert");
        assert!(alert || said.status == 1, "{words}: {said:?}");
        alerts += usize::from(alert);
        refusals += events.iter().filter(|event| event["op"] == "exec" && event["verdict"] == "deny").count();
        // Both ends were seen: more of the same proves nothing new.
        if alerts >= 4 && refusals > 0 {
            break;
        }
    }
    assert!(refusals > 0, "{words}: the race did not race: {alerts} alerts");
}

/// A program that needs no loader: it opens nothing before it forks, and its child is who acts.
#[test]
fn running_what_forks_at_once() {
    let set_up = |lab: &Lab| {
        tools(lab);
        let mark = lab.path("work/b-ran");
        let source = format!(
            "#include <fcntl.h>\n#include <unistd.h>\nint main(void) {{ if (fork() == 0) open(\"{}\", O_CREAT | O_WRONLY, 0644); \
             return 33; }}\n",
            mark.display()
        );
        lab.file("work/b/tool.c", &source);
        lab.file("work/b/tool", "");
        let script = "cc -static -o b/made b/tool.c && mv b/made b/tool";
        let (status, said) = lab.shell(script);
        assert_eq!(status, 0, "{said}");
    };
    let words = "race exec {work}/a/tool {work}/b/tool";
    let lab = Lab::new();
    set_up(&lab);
    let [good, bad, _] = score(&lab.outside(&format!("{words} 300"), false));
    assert!(good > 0 && bad > 0 && lab.path("work/b-ran").exists(), "outside both must be reached: {good} and {bad}");
    never_runs(set_up, &format!("{words} 50"), &Rules::new().exec("{work}/**").exec_deny("{work}/b/tool"));
}

/// An argument that changes while it is read: the program is the same, what it is told to do is not.
#[test]
fn running_with_other_arguments() {
    let set_up = |lab: &Lab| {
        let mark = lab.path("work/b-ran");
        lab.file("work/tool", &format!("#!/bin/sh\ncase $1 in */b) : > {}; exit 33;; esac\n", mark.display()));
        lab.mode("work/tool", 0o755);
    };
    // Number of tries first: the program comes after it.
    let words = |tried: u64| format!("race exec_argv {{work}}/a {{work}}/b {tried} {{work}}/tool");
    let lab = Lab::new();
    set_up(&lab);
    let [good, bad, _] = score(&lab.outside(&words(300), false));
    assert!(good > 0 && bad > 0, "outside both must be reached: {good} and {bad}");
    never_runs(set_up, &words(50), &Rules::new().exec("{work}/**").exec_deny("tool {work}/b"));
}

/// The path of an exec. The kernel runs what it finds, so a denied program may come to be loaded; it must not get to do
/// anything, and the session ends with an alert. A program without the right to be run is never loaded.
#[test]
fn running() {
    let words = "race exec {work}/a/tool {work}/b/tool";
    let lab = Lab::new();
    tools(&lab);
    let [good, bad, _] = score(&lab.outside(&format!("{words} 1000"), false));
    assert!(good > 0 && bad > 0, "outside both must be reached: {good} and {bad}");
    let lab = Lab::new();
    tools(&lab);
    let (said, _) = lab.inside(&Rules::new().exec("{work}/a/**"), &format!("{words} {}", tries() / 40));
    let [good, bad, refused] = score(&said);
    assert!(good > 0 && bad == 0 && refused > 0, "a program that may not be run: {said:?}");
    never_runs(tools, &format!("{words} 50"), &Rules::new().exec("{work}/**").exec_deny("{work}/b/tool"));
}

/// Two servers on ports that differ in one byte only.
fn pair_of_servers() -> [u16; 2] {
    for _ in 0..1000 {
        let Ok(good) = TcpListener::bind("127.0.0.1:0") else { continue };
        let port = good.local_addr().expect("address").port();
        let other = port ^ 1;
        let udp = |port| UdpSocket::bind(("127.0.0.1", port));
        if let (Ok(bad), Ok(good_udp), Ok(bad_udp)) = (TcpListener::bind(("127.0.0.1", other)), udp(port), udp(other)) {
            crate::sockets::serve(good, good_udp, b'a');
            crate::sockets::serve(bad, bad_udp, b'b');
            return [port, other];
        }
    }
    panic!("no pair of free ports");
}

fn addresses(how: &str) {
    let [good, bad] = pair_of_servers();
    let (good, bad) = (format!("127.0.0.1:{good}"), format!("127.0.0.1:{bad}"));
    let tested = Rules::new().network(&good);
    let allowing = tested.clone().network(&bad);
    // Each is a connection: as many would take longer than all other races together.
    no_wins(|_| (), &format!("{how} {good} {bad}"), tries() / 2, &allowing, &tested);
}

#[test]
fn connecting() {
    addresses("race_net tcp");
    addresses("race_net udp");
}

#[test]
fn sending() {
    for how in ["race_net sendto", "race_net sendmsg", "race_net sendmmsg"] {
        addresses(how);
    }
}

#[test]
fn unix_sockets() {
    let set_up = |lab: &Lab| {
        for face in ["a", "b"] {
            let listener = std::os::unix::net::UnixListener::bind(lab.path(&format!("out/{face}.sock"))).expect("bind");
            lab.mode(&format!("out/{face}.sock"), 0o777);
            std::thread::spawn(move || {
                listener
                    .incoming()
                    .flatten()
                    .for_each(|mut stream| drop(std::io::Write::write_all(&mut stream, face.as_bytes())));
            });
        }
    };
    let tested = Rules::new().socket("{out}/a.sock");
    let allowing = tested.clone().socket("{out}/b.sock");
    no_wins(set_up, "race_unix stream {out}/a.sock {out}/b.sock", tries(), &allowing, &tested);
}
