//! Programs with resolvers of their own, told of no proxy.

use std::process::Command;

use crate::server;
use crate::world::World;

const NAMES: &[(&str, &[&str])] = &[("api.test", &["127.66.0.9"])];

/// By name alone: no rule speaks of the address.
fn world() -> (World, u16) {
    let port = server::http("127.66.0.9").port();
    (World::new(&format!("allow = ['api.test:{port}']\nprivate = ['api.test']"), NAMES), port)
}

#[test]
fn curl_gets_there_by_name_and_nowhere_else() {
    let (world, port) = world();
    assert_eq!(world.bare(&["curl", "-sS", &format!("http://api.test:{port}/c")]).said(), "GET /c");
    assert_eq!(world.run(&["curl", "-sS", &format!("http://api.test:{port}/p")]).said(), "GET /p");
    let status = |url: &str| world.bare(&["curl", "-s", "-m", "60", url]).status;
    assert_eq!(status(&format!("http://other.test:{port}/")), Some(6), "no such name");
    assert_eq!(status(&format!("http://127.66.0.9:{port}/")), Some(7), "an address that nobody was told");
    assert!(world.events("net").iter().any(|event| event["verdict"] == "deny" && event["op"] == "connect"));
}

/// c-ares takes no answer from anybody but whom it asked.
#[test]
fn node_resolves_and_fetches() {
    let (world, port) = world();
    let script = format!(
        "require('dns').resolve4('api.test', (error, found) => {{ console.log(error && error.code, found.join());\n\
         fetch('http://api.test:{port}/n').then(r => r.text()).then(console.log); }})"
    );
    assert_eq!(world.bare(&["node", "-e", &script]).said(), "null 127.66.0.9\nGET /n");
}

/// Neither does musl, of which a program may be all there is.
#[test]
fn a_static_program_resolves_with_musl() {
    let (world, port) = world();
    world.write(
        "get.c",
        r#"#include <netdb.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
int main(int count, char **word) {
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM}, *found;
    int error = getaddrinfo(word[1], word[2], &hints, &found);
    if (error) return puts(gai_strerror(error)), 1;
    int s = socket(found->ai_family, SOCK_STREAM, 0);
    if (connect(s, found->ai_addr, found->ai_addrlen)) return perror("connect"), 1;
    char ask[200], got[4096];
    snprintf(ask, sizeof ask, "GET /m HTTP/1.0\r\nHost: %s:%s\r\n\r\n", word[1], word[2]);
    write(s, ask, strlen(ask));
    ssize_t n, all = 0;
    while ((n = read(s, got + all, sizeof got - 1 - all)) > 0) all += n;
    got[all] = 0;
    puts(strrchr(got, '\n') + 1);
    return 0;
}
"#,
    );
    let build = ["-static", "-O1", "-o", "get", "get.c"];
    let built = Command::new("musl-gcc").args(build).current_dir(world.path("work")).status().expect("musl-gcc runs");
    assert!(built.success());
    assert_eq!(world.bare(&["./get", "api.test", &port.to_string()]).said(), "GET /m");
    assert_eq!(world.bare(&["./get", "other.test", &port.to_string()]).status, Some(1));
}

/// What the session serves with is not the agent's to read, but for the certificates; they are there where a connection ends
/// here.
#[test]
fn certificates_are_there_to_be_read() {
    let (plain, _) = world();
    assert_eq!(
        plain.run(&["sh", "-c", "case $SSL_CERT_FILE in */trust/*) echo ours;; *) echo other;; esac"]).said(),
        "other"
    );
    let world = World::new("allow = ['api.test']\nhttp = [{ host = 'api.test', methods = ['GET'] }]", NAMES);
    let said = world.run(&[
        "sh",
        "-c",
        "head -1 $SSL_CERT_FILE; cat $NODE_EXTRA_CA_CERTS | grep -c BEGIN; echo x >> $SSL_CERT_FILE || echo kept; \
         cat ${SSL_CERT_FILE%/*}/* | grep -c PRIVATE",
    ]);
    // The key is nowhere: it would follow the last line.
    assert_eq!(said.out.trim(), "-----BEGIN CERTIFICATE-----\n1\nkept\n0", "{said:?}");
}
