//! How long connections live: clients that stand still, drip, leave or do not read, and the drain.

use super::*;

const HALF_A_HEAD: &[u8] = b"GET / HTTP/1.1\r\nHost: a\r\n";

#[tokio::test]
async fn a_client_that_stands_still_is_given_up_after_its_time() {
    let clock = StoppedClock::new();
    let options = Options::default();
    let server = Running::start(options.clone());
    let half_a_body = b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nabc";
    let half_a_chunk = b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nabc";
    let cases: [(&[u8], &[u16], Duration); 7] = [
        (b"", &[], options.header_timeout),
        (b"PRI * HTTP/2.0", &[], options.header_timeout),
        (b"\r\n", &[], options.keep_alive),
        (b"G", &[408], options.header_timeout),
        (HALF_A_HEAD, &[408], options.header_timeout),
        (half_a_body, &[408], options.body_timeout),
        (half_a_chunk, &[408], options.body_timeout),
    ];
    for (sent, expected, timeout) in cases {
        let (time, answer) = clock.run(server.talk(sent)).await;
        assert_eq!(statuses(&answer), expected, "{answer}");
        assert!(is_about(time, timeout), "{} after {time:?}", sent.escape_ascii());
    }
}

#[tokio::test]
async fn a_head_that_drips_steadily_is_too_slow_too() {
    let clock = StoppedClock::new();
    let options = Options::default();
    let server = Running::start(options.clone());
    let (mut reader, mut writer) = server.connect().await.into_split();
    let dripping = tokio::spawn(async move {
        writer.write_all(HALF_A_HEAD).await.unwrap();
        while writer.write_all(b"x").await.is_ok() {
            tokio::time::sleep(Duration::from_millis(700)).await;
        }
    });
    let mut answer = String::new();
    let (time, read) = clock.run(reader.read_to_string(&mut answer)).await;
    read.unwrap();
    assert_eq!(statuses(&answer), [408], "{answer}");
    assert!(is_about(time, options.header_timeout), "{time:?}");
    dripping.abort();
}

#[tokio::test]
async fn an_idle_connection_is_closed_after_its_time_and_empty_lines_do_not_prolong_it() {
    let clock = StoppedClock::new();
    let options = Options::default();
    let server = Running::start(options.clone());
    for empty in ["", "\r\n"] {
        let mut socket = server.connect().await;
        for _ in 0..3 {
            let request = format!("GET / HTTP/1.1\r\nHost: a\r\n\r\n{empty}");
            socket.write_all(request.as_bytes()).await.unwrap();
            read_answer(&mut socket).await;
            clock.pass(options.keep_alive - Duration::from_secs(5)).await;
        }
        socket.write_all(empty.as_bytes()).await.unwrap();
        let (time, rest) = clock.run(read_to_end(&mut socket)).await;
        assert_eq!(rest, "");
        assert!(is_about(time, Duration::from_secs(5)), "{time:?}");
    }
}

#[tokio::test]
async fn a_client_that_leaves_cancels_the_handler_before_the_first_byte() {
    let server = Running::start(Options::default());
    let requests = [
        "GET /hang HTTP/1.1\r\nHost: a\r\n\r\n",
        // What was sent too early must not hide that the client has left.
        "GET /hang HTTP/1.1\r\nHost: a\r\n\r\n\r\n",
        "GET /hang HTTP/1.1\r\nHost: a\r\n\r\nGET /never HTTP/1.1\r\nHost: a\r\n\r\n",
        "POST /hang HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc",
        "POST /hang HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n0\r\n\r\n",
    ];
    for request in requests {
        for closes_one_side_only in [true, false] {
            let mut socket = server.connect().await;
            socket.write_all(request.as_bytes()).await.unwrap();
            server.arrival().await;
            let start = Instant::now();
            if closes_one_side_only {
                socket.shutdown().await.unwrap();
            } else {
                drop(socket);
            }
            server.cancellation().await;
            assert!(start.elapsed() < Duration::from_millis(100), "{request:?}");
        }
        assert_eq!(server.paths(), ["/hang", "/hang"]);
    }
}

#[tokio::test]
async fn a_client_that_leaves_in_the_middle_of_an_answer_cancels_it() {
    let server = Running::start(Options::default());
    let mut socket = server.connect().await;
    socket.write_all(b"GET /endless HTTP/1.1\r\nHost: a\r\n\r\n").await.unwrap();
    socket.read_exact(&mut [0; 100_000]).await.unwrap();
    drop(socket);
    server.cancellation().await;
}

#[tokio::test]
async fn a_client_that_does_not_read_is_disconnected_and_costs_bounded_memory() {
    let clock = StoppedClock::new();
    let options = Options::default();
    let server = Running::start(options.clone());
    let mut socket = server.connect().await;
    socket.write_all(b"GET /endless HTTP/1.1\r\nHost: a\r\n\r\n").await.unwrap();
    server.arrival().await;
    let (time, ()) = clock.run(server.seen.cancelled.notified()).await;
    assert!(is_about(time, options.write_timeout), "{time:?}");
    let mut received = Vec::new();
    let _ = soon(socket.read_to_end(&mut received)).await;
    // What the handler has given is in the kernel's buffers, but for what hyper keeps.
    let kept = server.seen.given.load(Ordering::Relaxed).saturating_sub(received.len());
    assert!(kept < 256 * 1024, "{kept} bytes were given and not sent");
}

#[tokio::test]
async fn a_slow_reader_gets_its_answer_whole_however_long_it_takes() {
    let clock = StoppedClock::new();
    let options = Options::default();
    let server = Running::start(options.clone());
    let mut socket = server.connect().await;
    socket.write_all(b"GET /large HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n").await.unwrap();
    let mut received = 0;
    let mut piece = vec![0; LARGE / 8];
    while received < LARGE {
        clock.pass(options.write_timeout / 2).await;
        let read = soon(socket.read(&mut piece)).await.unwrap();
        assert!(read > 0, "cut off after {received} bytes");
        received += read;
    }
}

#[tokio::test]
async fn a_panic_in_the_handler_ends_its_connection_only() {
    let server = Running::start(Options::default());
    assert_eq!(server.talk(b"GET /panic HTTP/1.1\r\nHost: a\r\n\r\n").await, "");
    let answer = server.talk(b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n").await;
    assert_eq!(statuses(&answer), [200]);
}

#[tokio::test]
async fn connections_over_the_limit_are_turned_away_and_there_is_room_again_later() {
    let server = Running::start(Options { connections: 1, ..Options::default() });
    let mut first = server.connect().await;
    first.write_all(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n").await.unwrap();
    read_answer(&mut first).await;

    let request = b"GET /turned-away HTTP/1.1\r\nHost: a\r\n\r\n";
    let answer = server.talk(request).await;
    assert!(answer.contains("connection: close") && answer.ends_with("Some(Full)"), "{answer}");

    drop(first);
    let request = b"GET /turned-away HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";
    let mut tries = 0;
    while !server.talk(request).await.ends_with("None") {
        tries += 1;
        assert!(tries < 1000, "there is no room again");
    }
}

#[tokio::test]
async fn a_drain_lets_requests_in_flight_end_and_closes_the_idle_connections() {
    let mut server = Running::start(Options::default());
    let mut idle = server.connect().await;
    idle.write_all(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n").await.unwrap();
    read_answer(&mut idle).await;
    let silent = server.connect().await;
    let mut arriving = server.connect().await;
    arriving.write_all(HALF_A_HEAD).await.unwrap();
    let mut busy = server.connect().await;
    busy.write_all(b"GET /wait HTTP/1.1\r\nHost: a\r\n\r\n").await.unwrap();
    server.arrival().await;
    server.arrival().await;

    server.stop();
    for mut socket in [idle, silent] {
        assert_eq!(read_to_end(&mut socket).await, "");
    }
    arriving.write_all(b"\r\n").await.unwrap();
    let answer = read_to_end(&mut arriving).await;
    assert_eq!(statuses(&answer), [200], "{answer}");
    server.seen.release.notify_one();
    let answer = read_to_end(&mut busy).await;
    assert!(answer.contains("connection: close") && answer.ends_with("waited"), "{answer}");
    assert_eq!(server.task.await.unwrap(), Drained { aborted: 0 });
    assert!(TcpStream::connect(server.address).await.is_err(), "it accepts no more");
}

#[tokio::test]
async fn who_connects_during_a_drain_is_answered_once_and_turned_away() {
    let mut server = Running::start(Options::default());
    let mut busy = server.connect().await;
    busy.write_all(b"GET /wait HTTP/1.1\r\nHost: a\r\n\r\n").await.unwrap();
    server.arrival().await;
    let late = b"GET /turned-away HTTP/1.1\r\nHost: a\r\n\r\n";
    let mut early = server.connect().await;
    early.write_all(late).await.unwrap();
    assert!(read_answer(&mut early).await.ends_with("None"));

    server.stop();
    assert_eq!(read_to_end(&mut early).await, "");
    for _ in 0..3 {
        let answer = server.talk(late).await;
        assert!(answer.contains("connection: close") && answer.ends_with("Some(Draining)"), "{answer}");
    }
    let silent = server.connect().await;
    server.seen.release.notify_one();
    assert!(read_to_end(&mut busy).await.ends_with("waited"));
    assert_eq!(soon(server.task).await.unwrap(), Drained { aborted: 0 });
    drop(silent);
}

#[tokio::test]
async fn a_drain_cuts_off_what_takes_too_long() {
    let clock = StoppedClock::new();
    let options = Options::default();
    let mut server = Running::start(options.clone());
    let mut socket = server.connect().await;
    socket.write_all(b"GET /hang HTTP/1.1\r\nHost: a\r\n\r\n").await.unwrap();
    server.arrival().await;
    server.stop();
    let (time, drained) = clock.run(&mut server.task).await;
    assert_eq!(drained.unwrap(), Drained { aborted: 1 });
    assert!(is_about(time, options.drain), "{time:?}");
    server.cancellation().await;
}
