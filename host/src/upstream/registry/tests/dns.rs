//! A name server with a zone, over UDP and TCP.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use hickory_proto::op::{Message, ResponseCode};
use hickory_proto::rr::rdata::{A, AAAA, SRV};
use hickory_proto::rr::{Name, RData, Record};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, UdpSocket};

use super::super::dns::Records;
use super::*;
use crate::config::{DnsSrv, Form};

const SERVICE: &str = "_gpus._tcp.example.internal.";

/// What the server knows, and how it behaves.
#[derive(Default)]
struct Zone {
    records: Vec<Record>,
    /// What it says unasked.
    additionals: Vec<Record>,
    /// The codes of its first answers, before it is well.
    failures: Vec<ResponseCode>,
    /// Somebody answers before it does, without knowing the number of the question.
    is_spoofed: bool,
    /// The questions, with the way that they came by.
    asked: Vec<String>,
}

impl Zone {
    fn answer(&mut self, bytes: &[u8], over: &str) -> Message {
        let query = Message::from_vec(bytes).unwrap();
        let question = query.queries[0].clone();
        self.asked.push(format!("{} {} {over}", question.name, question.query_type));
        let mut answer = Message::response(query.metadata.id, query.metadata.op_code);
        answer.metadata.recursion_available = true;
        answer.add_query(question.clone());
        if !self.failures.is_empty() {
            answer.metadata.response_code = self.failures.remove(0);
            return answer;
        }
        let fits = |record: &&Record| record.name == question.name && record.record_type() == question.query_type;
        answer.add_answers(self.records.iter().filter(fits).cloned());
        if self.records.iter().all(|record| record.name != question.name) {
            answer.metadata.response_code = ResponseCode::NXDomain;
        }
        answer.add_additionals(self.additionals.iter().cloned());
        answer
    }
}

/// Serves a zone on a port of its own, both ways.
async fn serve(zone: Zone) -> (SocketAddr, Arc<Mutex<Zone>>) {
    let (tcp, udp) = loop {
        let tcp = TcpListener::bind("127.0.0.1:0").await.unwrap();
        if let Ok(udp) = UdpSocket::bind(tcp.local_addr().unwrap()).await {
            break (tcp, udp);
        }
    };
    let address = tcp.local_addr().unwrap();
    let zone = Arc::new(Mutex::new(zone));
    tokio::spawn(over_udp(udp, Arc::clone(&zone)));
    tokio::spawn(over_tcp(tcp, Arc::clone(&zone)));
    (address, zone)
}

async fn over_udp(socket: UdpSocket, zone: Arc<Mutex<Zone>>) {
    let mut buffer = [0; 4096];
    loop {
        let (length, from) = socket.recv_from(&mut buffer).await.unwrap();
        let (answer, is_spoofed) = {
            let mut zone = zone.lock().unwrap();
            (zone.answer(&buffer[..length], "udp"), zone.is_spoofed)
        };
        if is_spoofed {
            let mut forged = answer.clone();
            forged.metadata.id = forged.metadata.id.wrapping_add(1);
            forged.answers.clear();
            socket.send_to(&forged.to_vec().unwrap(), from).await.unwrap();
            socket.send_to(b"no message", from).await.unwrap();
        }
        let bytes = answer.to_vec().unwrap();
        let bytes = if bytes.len() > 1232 { answer.truncate().to_vec().unwrap() } else { bytes };
        socket.send_to(&bytes, from).await.unwrap();
    }
}

async fn over_tcp(listener: TcpListener, zone: Arc<Mutex<Zone>>) {
    loop {
        let (mut stream, _) = listener.accept().await.unwrap();
        let length = stream.read_u16().await.unwrap();
        let mut buffer = vec![0; usize::from(length)];
        stream.read_exact(&mut buffer).await.unwrap();
        let bytes = zone.lock().unwrap().answer(&buffer, "tcp").to_vec().unwrap();
        stream.write_u16(bytes.len().try_into().unwrap()).await.unwrap();
        stream.write_all(&bytes).await.unwrap();
    }
}

fn name(text: &str) -> Name {
    Name::from_ascii(text).unwrap()
}

fn srv(priority: u16, weight: u16, port: u16, target: &str, ttl: u32) -> Record {
    Record::from_rdata(name(SERVICE), ttl, RData::SRV(SRV::new(priority, weight, port, name(target))))
}

fn a(host: &str, address: [u8; 4]) -> Record {
    Record::from_rdata(name(host), 60, RData::A(A::from(std::net::Ipv4Addr::from(address))))
}

fn aaaa(host: &str, address: &str) -> Record {
    Record::from_rdata(name(host), 60, RData::AAAA(AAAA::from(address.parse::<std::net::Ipv6Addr>().unwrap())))
}

fn config(resolver: SocketAddr, tls: bool) -> DnsSrv {
    DnsSrv {
        name: SERVICE.trim_end_matches('.').to_owned(),
        form: Form { tls, path: "/v1".into() },
        resolver: Some(resolver),
        interval: Duration::from_secs(30),
    }
}

async fn listing(zone: Zone, tls: bool) -> (Result<Listing, String>, Arc<Mutex<Zone>>) {
    let (address, zone) = serve(zone).await;
    let listing = next(&mut watch(&Endpoints::DnsSrv(config(address, tls)))).await;
    (listing.map_err(|error| error.to_string()), zone)
}

#[tokio::test]
async fn targets_are_at_the_addresses_that_come_with_them_or_are_asked_for() {
    let records = vec![
        srv(10, 60, 8000, "a.example.internal.", 30),
        srv(20, 0, 8001, "b.example.internal.", 30),
        srv(10, 20, 8002, "c.example.internal.", 30),
        a("b.example.internal.", [10, 0, 0, 9]),
        a("b.example.internal.", [10, 0, 0, 2]),
        aaaa("c.example.internal.", "fd00::3"),
    ];
    let additionals = vec![a("a.example.internal.", [10, 0, 0, 1])];
    let (listing, zone) = listing(Zone { records, additionals, ..Zone::default() }, false).await;
    let listing = listing.unwrap();
    let expected = ["http://10.0.0.1:8000/v1", "http://[fd00::3]:8002/v1", "http://10.0.0.2:8001/v1"];
    assert_eq!(urls_of(&listing), expected, "the preferred ones first");
    let facts: Vec<_> =
        listing.members.iter().map(|member| (member.label().to_owned(), member.priority, member.weight)).collect();
    let expected = [
        ("a.example.internal:8000".to_owned(), 10, 60),
        ("c.example.internal:8002".to_owned(), 10, 20),
        ("b.example.internal:8001".to_owned(), 20, 1),
    ];
    assert_eq!(facts, expected);
    let asked = zone.lock().unwrap().asked.clone();
    assert_eq!(asked[0], format!("{SERVICE} SRV udp"));
    assert!(!asked.iter().any(|asked| asked.starts_with("a.example")), "what came unasked is not asked for: {asked:?}");
}

#[tokio::test]
async fn with_tls_targets_keep_their_names() {
    let records = vec![srv(1, 1, 443, "a.example.internal.", 30)];
    let additionals = vec![a("a.example.internal.", [10, 0, 0, 1])];
    let (listing, _) = listing(Zone { records, additionals, ..Zone::default() }, true).await;
    assert_eq!(urls_of(&listing.unwrap()), ["https://a.example.internal:443/v1"]);
}

#[tokio::test]
async fn what_does_not_fit_into_a_datagram_is_asked_for_over_tcp() {
    let records: Vec<_> = (0..100).map(|number| srv(1, 1, 8000 + number, "a.example.internal.", 30)).collect();
    let additionals = vec![a("a.example.internal.", [10, 0, 0, 1])];
    let (listing, zone) = listing(Zone { records, additionals, ..Zone::default() }, false).await;
    assert_eq!(listing.unwrap().members.len(), 100);
    assert_eq!(zone.lock().unwrap().asked, [format!("{SERVICE} SRV udp"), format!("{SERVICE} SRV tcp")]);
}

#[tokio::test]
async fn that_there_is_nothing_is_an_answer_and_a_failure_is_none() {
    let root = srv(0, 0, 0, ".", 30);
    for (name, zone, expected) in [
        ("no such name", Zone::default(), Ok(())),
        ("no such service", Zone { records: vec![root], ..Zone::default() }, Ok(())),
        ("a failure that passes", Zone { failures: vec![ResponseCode::ServFail], ..Zone::default() }, Ok(())),
        ("a failure", Zone { failures: vec![ResponseCode::ServFail; 9], ..Zone::default() }, Err("Server Failure")),
        ("a refusal", Zone { failures: vec![ResponseCode::Refused; 9], ..Zone::default() }, Err("Query Refused")),
    ] {
        let (listing, _) = listing(zone, false).await;
        match (listing, expected) {
            (Ok(listing), Ok(())) => assert_eq!(listing, Listing::default(), "{name}"),
            (Err(error), Err(expected)) => {
                assert!(error.to_lowercase().contains(&expected.to_lowercase()), "{name}: {error}")
            }
            (listing, _) => panic!("{name}: {listing:?}"),
        }
    }
}

#[tokio::test]
async fn an_answer_to_another_question_is_passed_over() {
    let records = vec![srv(1, 1, 443, "a.example.internal.", 30)];
    let (listing, _) = listing(Zone { records, is_spoofed: true, ..Zone::default() }, true).await;
    assert_eq!(urls_of(&listing.unwrap()), ["https://a.example.internal:443/v1"]);
}

#[tokio::test]
async fn records_are_asked_for_again_when_they_expire_within_bounds() {
    for (lifetimes, interval, expected) in [
        (&[12][..], 30, 12),
        (&[20, 12, 25], 30, 12),
        (&[0], 30, 5),
        (&[3600], 30, 30),
        (&[3600], 2, 2),
        (&[1], 2, 2),
        (&[], 30, 30),
    ] {
        let record = |(index, ttl): (usize, &u32)| srv(1, 1, 8000 + index as u16, "a.example.internal.", *ttl);
        let records = lifetimes.iter().enumerate().map(record).collect();
        let (address, _) = serve(Zone { records, ..Zone::default() }).await;
        let interval = Duration::from_secs(interval);
        let (_, fresh) = Records::new(&DnsSrv { interval, ..config(address, true) }).list().await.unwrap();
        assert_eq!(fresh.as_secs(), expected, "{lifetimes:?}");
    }
}
