//! The gate, under a paused clock.

use tokio::task::{JoinHandle, yield_now};

use super::*;

fn gate(limit: Option<u32>, queue: u32) -> Arc<Gate> {
    let queue_timeout = Duration::from_secs(2);
    Arc::new(Gate::new(config::Concurrency { limit, queue, queue_timeout, ..config::Concurrency::default() }))
}

fn counts(gate: &Gate) -> (u32, u32) {
    (gate.in_flight(), gate.queued())
}

/// Comes to the gate, and is in its queue when this returns.
async fn queue(gate: &Arc<Gate>) -> JoinHandle<Result<Place, Full>> {
    let gate = Arc::clone(gate);
    let waiting = tokio::spawn(async move { gate.enter().await });
    yield_now().await;
    waiting
}

#[tokio::test(start_paused = true)]
async fn without_a_limit_everybody_passes_and_is_counted() {
    let gate = gate(None, 0);
    let mut places = Vec::new();
    for _ in 0..1_000 {
        places.push(gate.enter().await.unwrap());
    }
    assert_eq!(counts(&gate), (1_000, 0));
    places.truncate(1);
    assert_eq!(counts(&gate), (1, 0));
}

#[tokio::test(start_paused = true)]
async fn who_comes_first_is_served_first() {
    let gate = gate(Some(1), 2);
    let place = gate.enter().await.unwrap();
    let (first, second) = (queue(&gate).await, queue(&gate).await);
    assert_eq!(counts(&gate), (1, 2));
    assert_eq!(gate.enter().await.unwrap_err(), Full::Queue);
    drop(place);
    let place = first.await.unwrap().unwrap();
    assert!(!second.is_finished() && gate.try_enter().is_none(), "nobody comes between");
    assert_eq!(counts(&gate), (1, 1));
    drop(place);
    drop(second.await.unwrap().unwrap());
    assert_eq!(counts(&gate), (0, 0));
    assert!(gate.try_enter().is_some());
}

#[tokio::test(start_paused = true)]
async fn who_waits_for_too_long_is_turned_away() {
    let gate = gate(Some(1), 10);
    let _place = gate.enter().await.unwrap();
    let begun = time::Instant::now();
    assert_eq!(gate.enter().await.unwrap_err(), Full::TimedOut(Duration::from_secs(2)));
    assert_eq!((begun.elapsed(), counts(&gate)), (Duration::from_secs(2), (1, 0)));
}

#[tokio::test(start_paused = true)]
async fn who_leaves_the_queue_makes_room_and_loses_no_place() {
    let gate = gate(Some(1), 1);
    let place = gate.enter().await.unwrap();
    let left = queue(&gate).await;
    left.abort();
    assert!(left.await.unwrap_err().is_cancelled());
    let next = queue(&gate).await;
    assert_eq!(counts(&gate), (1, 1));
    drop(place);
    assert!(next.await.unwrap().is_ok());
    assert_eq!(counts(&gate), (0, 0));
}

#[tokio::test(start_paused = true)]
async fn without_a_queue_nobody_waits() {
    let gate = gate(Some(2), 0);
    let _places = (gate.enter().await.unwrap(), gate.enter().await.unwrap());
    assert_eq!(gate.enter().await.unwrap_err(), Full::Queue);
}
