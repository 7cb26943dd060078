//! A name server of the test's own, over UDP and TCP: a table of names, every question kept.
//!
//! Invariant: it answers only what its table has (A, AAAA; NOERROR without answers for other types, NXDOMAIN for other names);
//! it ends with its test.

use std::collections::HashMap;
use std::io::{Read, Write};
use std::net::{IpAddr, SocketAddr, TcpListener, UdpSocket};
use std::sync::{Arc, Mutex};

type Table = HashMap<String, Vec<IpAddr>>;

pub struct Resolver {
    pub addr: SocketAddr,
    table: Arc<Mutex<Table>>,
    asked: Arc<Mutex<Vec<(String, u16)>>>,
}

impl Resolver {
    pub fn start(names: &[(&str, &[&str])]) -> Resolver {
        let (udp, tcp) = loop {
            let udp = UdpSocket::bind("127.0.0.1:0").expect("a port");
            if let Ok(tcp) = TcpListener::bind(udp.local_addr().expect("bound")) {
                break (udp, tcp);
            }
        };
        let addr = udp.local_addr().expect("bound");
        let table = Arc::new(Mutex::new(Table::new()));
        let asked = Arc::new(Mutex::new(Vec::new()));
        let resolver = Resolver { addr, table: table.clone(), asked: asked.clone() };
        names.iter().for_each(|(name, ips)| resolver.set(name, ips));
        let (theirs, heard) = (table.clone(), asked.clone());
        std::thread::spawn(move || {
            let mut question = [0; 1500];
            while let Ok((bytes, from)) = udp.recv_from(&mut question) {
                let answer = answer(&question[..bytes], &theirs, &heard);
                let _ = udp.send_to(&answer, from);
            }
        });
        std::thread::spawn(move || {
            for stream in tcp.incoming().flatten() {
                let (table, asked) = (table.clone(), asked.clone());
                std::thread::spawn(move || {
                    let mut stream = stream;
                    let mut len = [0; 2];
                    while stream.read_exact(&mut len).is_ok() {
                        let mut question = vec![0; usize::from(u16::from_be_bytes(len))];
                        if stream.read_exact(&mut question).is_err() {
                            return;
                        }
                        let answer = answer(&question, &table, &asked);
                        let framed = [&(answer.len() as u16).to_be_bytes()[..], &answer].concat();
                        if stream.write_all(&framed).is_err() {
                            return;
                        }
                    }
                });
            }
        });
        resolver
    }

    /// From now on the name has these addresses.
    pub fn set(&self, name: &str, ips: &[&str]) {
        let ips = ips.iter().map(|ip| ip.parse().expect("an address")).collect();
        self.table.lock().expect("whole").insert(name.to_lowercase(), ips);
    }

    /// Every question so far: name, type.
    pub fn asked(&self) -> Vec<(String, u16)> {
        self.asked.lock().expect("whole").clone()
    }
}

/// The answer to one message (RFC 1035 §4.1): header and question as they came, the table's addresses behind.
fn answer(question: &[u8], table: &Mutex<Table>, asked: &Mutex<Vec<(String, u16)>>) -> Vec<u8> {
    let (mut name, mut at) = (String::new(), 12);
    while let Some(len) = question.get(at).copied().map(usize::from).filter(|len| *len > 0) {
        let Some(label) = question.get(at + 1..at + 1 + len) else { return Vec::new() };
        if !name.is_empty() {
            name.push('.');
        }
        name.push_str(&String::from_utf8_lossy(label).to_lowercase());
        at += 1 + len;
    }
    let Some(kind) = question.get(at + 1..at + 3).map(|kind| u16::from_be_bytes([kind[0], kind[1]])) else {
        return Vec::new();
    };
    asked.lock().expect("whole").push((name.clone(), kind));
    let found = table.lock().expect("whole").get(&name).cloned();
    let fits = |ip: &&IpAddr| (kind == 1 && ip.is_ipv4()) || (kind == 28 && ip.is_ipv6());
    let ips: Vec<IpAddr> = found.iter().flatten().filter(fits).copied().collect();
    let rcode = if found.is_some() { 0 } else { 3 };
    let mut out = question[..2].to_vec();
    out.extend([0x81, 0x80 | rcode, 0, 1, 0, ips.len() as u8, 0, 0, 0, 0]);
    out.extend(&question[12..at + 5]);
    for ip in ips {
        out.extend([0xc0, 12]);
        out.extend(kind.to_be_bytes());
        out.extend([0, 1, 0, 0, 0, 60]);
        let bytes = match ip {
            IpAddr::V4(ip) => ip.octets().to_vec(),
            IpAddr::V6(ip) => ip.octets().to_vec(),
        };
        out.extend((bytes.len() as u16).to_be_bytes());
        out.extend(bytes);
    }
    out
}
