//! What a call can do to the host instead of returning, or before it does.

use std::hint::black_box;

use weir_plugin::log;

/// Does one of them. A name that is not known traps, so that a test with a typing error fails.
pub fn commit(misdeed: &str) {
    match misdeed {
        "spin" => spin(),
        "allocate" => allocate(),
        "recurse" => {
            black_box(dive(1));
        }
        "flood-log" => flood_log(),
        "flood-stderr" => flood_stderr(),
        _ => std::process::abort(),
    }
}

/// A text of 24 MB: more than a call may return, and less than the memory that a plugin has by default.
pub fn large() -> String {
    "x".repeat(24_000_000)
}

/// A text of 1 GB, in pieces of 1 MB.
pub fn huge() -> String {
    let piece = "x".repeat(1_000_000);
    let mut text = String::new();
    for _ in 0..1_000 {
        text.push_str(&piece);
    }
    text
}

/// Tries to leave the sandbox: a socket to this address, a file, the environment. Says what it got.
pub fn reach(address: &str) -> String {
    let socket = std::net::TcpStream::connect(address).map(|_| "connected");
    let file = std::fs::read_to_string("/etc/hostname");
    let folder = std::fs::read_dir("/").map(Iterator::count);
    let environment = std::env::vars().count();
    let arguments = std::env::args().count();
    format!(
        "socket={} file={} folder={} environment={environment} arguments={arguments}",
        socket.is_ok(),
        file.is_ok(),
        folder.is_ok_and(|entries| entries > 0),
    )
}

fn spin() {
    loop {
        black_box(());
    }
}

fn allocate() {
    let mut hoard: Vec<Vec<u8>> = Vec::new();
    loop {
        // Written to, so that the pages are really there.
        hoard.push(vec![1; 1 << 20]);
        black_box(&hoard);
    }
}

#[allow(unconditional_recursion, reason = "that is the point")]
fn dive(depth: u64) -> u64 {
    let ballast = [depth; 64];
    dive(black_box(depth + 1)) + black_box(ballast)[7]
}

fn flood_log() {
    let message = "a flood of log lines ".repeat(1_000);
    for _ in 0..20_000 {
        log::warn(&message);
    }
}

fn flood_stderr() {
    let message = "a flood of lines on stderr ".repeat(1_000);
    for _ in 0..2_000 {
        eprintln!("{message}");
    }
}
