//! A registry that is the DNS: SRV records (RFC 2782), asked of the name servers over UDP, and over TCP where an answer
//! does not fit. The messages are read and written by `hickory-proto`; what is here is who is asked, and what counts as
//! an answer.

use std::collections::BTreeMap;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use hickory_proto::op::{Edns, Message, MessageType, Query, ResponseCode};
use hickory_proto::rr::rdata::SRV;
use hickory_proto::rr::{Name, RData, RecordType};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpStream, UdpSocket};

use super::{Listing, MOST_ENDPOINTS, RegistryError};
use crate::config::{DnsSrv, Form, Member};

/// Where the system says which name servers it has.
const SYSTEM: &str = "/etc/resolv.conf";
const MOST_SERVERS: usize = 3;

/// How long one question may take, and how often each server is asked: a datagram may be lost.
const PATIENCE: Duration = Duration::from_secs(2);
const TRIES: usize = 2;

/// What fits into a datagram on any network, in bytes (DNS flag day 2020).
const DATAGRAM: u16 = 1232;

/// Records are not asked for again before this, however short they live.
const LEAST_INTERVAL: Duration = Duration::from_secs(5);

/// The records of one name.
#[derive(Debug)]
pub(super) struct Records {
    name: String,
    form: Form,
    resolver: Option<SocketAddr>,
    interval: Duration,
}

impl Records {
    pub(super) fn new(config: &DnsSrv) -> Self {
        let DnsSrv { name, form, resolver, interval } = config.clone();
        Self { name, form, resolver, interval }
    }

    /// What is registered, and how long that holds: as long as its records live, within bounds.
    pub(super) async fn list(&self) -> Result<(Listing, Duration), RegistryError> {
        let servers = match self.resolver {
            Some(resolver) => vec![resolver],
            None => of_system(&tokio::fs::read_to_string(SYSTEM).await.unwrap_or_default()),
        };
        let mut name = Name::from_ascii(&self.name).map_err(|_| RegistryError::new("the name is none of the DNS"))?;
        name.set_fqdn(true);
        let answer = ask(&servers, &name, RecordType::SRV).await?;
        let found = Found::of(&answer);
        let lives = found.lives.map_or(self.interval, Duration::from_secs);
        let fresh = lives.clamp(LEAST_INTERVAL.min(self.interval), self.interval);
        Ok((Listing::of(self.members(&servers, found).await?), fresh))
    }

    /// Where the targets are. With TLS the certificate is for the name, which then stays one; else it is enough to know
    /// the address, which a name server of a registry's own is often the only one to know.
    async fn members(
        &self,
        servers: &[SocketAddr],
        found: Found,
    ) -> Result<Vec<Result<Member, &'static str>>, RegistryError> {
        let mut members = Vec::new();
        for record in found.records {
            let host = record.target.to_ascii();
            let host = host.trim_end_matches('.');
            let mut address = found.addresses.get(&record.target).copied();
            if address.is_none() && !self.form.tls && self.resolver.is_some() {
                address = address_of(servers, &record.target).await?;
            }
            let url = match address.filter(|_| !self.form.tls) {
                Some(address) => self.form.url(&address.to_string(), record.port),
                None => self.form.url(host, record.port),
            };
            members.push(url.map(|url| Member {
                name: Some(format!("{host}:{}", record.port)),
                // Most zones have zero for all, which says that they are alike.
                weight: u32::from(record.weight).max(1),
                priority: record.priority,
                ..Member::new(url)
            }));
        }
        Ok(members)
    }
}

/// What an answer holds of use.
struct Found {
    records: Vec<SRV>,
    /// The least of their lifetimes, in seconds.
    lives: Option<u64>,
    /// What the server said unasked of where the targets are: of several addresses the lowest, so that it stays the
    /// same when servers take turns with their order.
    addresses: BTreeMap<Name, IpAddr>,
}

impl Found {
    fn of(answer: &Message) -> Self {
        let (mut records, mut lives, mut addresses) = (Vec::new(), None, BTreeMap::new());
        for record in answer.answers.iter().take(MOST_ENDPOINTS) {
            if let RData::SRV(target) = &record.data {
                lives = Some(lives.unwrap_or(u64::MAX).min(record.ttl.into()));
                // The root as a target says that there is no such service.
                if !target.target.is_root() {
                    records.push(target.clone());
                }
            }
        }
        for record in &answer.additionals {
            if let Some(address) = record.data.ip_addr() {
                let known = addresses.entry(record.name.clone()).or_insert(address);
                *known = address.min(*known);
            }
        }
        Self { records, lives, addresses }
    }
}

/// The lowest address of a name.
async fn address_of(servers: &[SocketAddr], name: &Name) -> Result<Option<IpAddr>, RegistryError> {
    for kind in [RecordType::A, RecordType::AAAA] {
        let answer = ask(servers, name, kind).await?;
        if let Some(address) = answer.answers.iter().filter_map(|record| record.data.ip_addr()).min() {
            return Ok(Some(address));
        }
    }
    Ok(None)
}

/// The name servers of `resolv.conf`. Without any: the one on this machine, as the C library has it.
fn of_system(file: &str) -> Vec<SocketAddr> {
    let named = file.lines().filter_map(|line| {
        let mut words = line.split_whitespace();
        let address = words.next().filter(|word| *word == "nameserver").and_then(|_| words.next())?;
        Some(SocketAddr::new(address.parse().ok()?, 53))
    });
    let servers: Vec<SocketAddr> = named.take(MOST_SERVERS).collect();
    if servers.is_empty() { vec![SocketAddr::from(([127, 0, 0, 1], 53))] } else { servers }
}

/// Asks one server after the other until one has an answer. That there is no such name is one.
async fn ask(servers: &[SocketAddr], name: &Name, kind: RecordType) -> Result<Message, RegistryError> {
    let mut reason = "there is no name server".to_owned();
    for server in servers.iter().cycle().take(servers.len() * TRIES) {
        let asked = tokio::time::timeout(PATIENCE, exchange(*server, name, kind)).await;
        match asked.unwrap_or_else(|_| Err(io::Error::other("no answer in time"))) {
            Ok(answer) => match answer.metadata.response_code {
                ResponseCode::NoError | ResponseCode::NXDomain => return Ok(answer),
                code => reason = format!("{server}: {code}"),
            },
            Err(error) => reason = format!("{server}: {error}"),
        }
    }
    Err(RegistryError::new(reason))
}

async fn exchange(server: SocketAddr, name: &Name, kind: RecordType) -> io::Result<Message> {
    let query = query(name, kind);
    let bytes = query.to_vec().map_err(io::Error::other)?;
    let local: IpAddr = if server.is_ipv4() { [0; 4].into() } else { [0; 16].into() };
    // A port of its own for each question: the answer has to know it, beside the number.
    let socket = UdpSocket::bind((local, 0)).await?;
    socket.connect(server).await?;
    socket.send(&bytes).await?;
    let mut buffer = vec![0; usize::from(DATAGRAM)];
    let answer = loop {
        let length = socket.recv(&mut buffer).await?;
        // What does not belong to the question may be an attempt to answer in the server's place: it is passed over.
        if let Some(answer) = answer_to(&query, &buffer[..length]) {
            break answer;
        }
    };
    if !answer.metadata.truncation {
        return Ok(answer);
    }
    over_tcp(server, &query, &bytes).await
}

async fn over_tcp(server: SocketAddr, query: &Message, bytes: &[u8]) -> io::Result<Message> {
    let mut stream = TcpStream::connect(server).await?;
    let length = u16::try_from(bytes.len()).map_err(io::Error::other)?;
    stream.write_all(&[&length.to_be_bytes(), bytes].concat()).await?;
    let length = stream.read_u16().await?;
    let mut buffer = vec![0; usize::from(length)];
    stream.read_exact(&mut buffer).await?;
    answer_to(query, &buffer).ok_or_else(|| io::Error::other("an answer to another question"))
}

fn query(name: &Name, kind: RecordType) -> Message {
    let mut message = Message::query();
    message.metadata.recursion_desired = true;
    message.add_query(Query::query(name.clone(), kind));
    let mut edns = Edns::new();
    edns.set_max_payload(DATAGRAM);
    message.set_edns(edns);
    message
}

/// The message, if it is one and answers this question.
fn answer_to(query: &Message, bytes: &[u8]) -> Option<Message> {
    let message = Message::from_vec(bytes).ok()?;
    let is_answer = message.metadata.message_type == MessageType::Response
        && message.metadata.id == query.metadata.id
        && message.queries == query.queries;
    is_answer.then_some(message)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn name_servers_are_those_of_the_system() {
        for (file, expected) in [
            ("nameserver 10.0.0.2\n", &["10.0.0.2:53"][..]),
            (
                "# nameserver 1.1.1.1\nsearch a b\nnameserver  10.0.0.2\t\nnameserver fd00::1\n",
                &["10.0.0.2:53", "[fd00::1]:53"],
            ),
            (
                "nameserver 1.0.0.1\nnameserver 1.0.0.2\nnameserver 1.0.0.3\nnameserver 1.0.0.4\n",
                &["1.0.0.1:53", "1.0.0.2:53", "1.0.0.3:53"],
            ),
            ("nameserver nonsense\n", &["127.0.0.1:53"]),
            ("", &["127.0.0.1:53"]),
        ] {
            let servers: Vec<String> = of_system(file).iter().map(ToString::to_string).collect();
            assert_eq!(servers, expected, "{file}");
        }
    }
}
