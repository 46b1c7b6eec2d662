//! Whether there is memory for more requests: what the process holds, held against what it may.

use std::sync::{Arc, Weak};
use std::time::Duration;

use tokio::time::{MissedTickBehavior, interval};

use crate::memory::give_back;
use weir::pipeline::Gateway;
use weir::telemetry::resident_bytes;

/// How often it is looked at.
const INTERVAL: Duration = Duration::from_secs(1);

/// Tells the gateway whether the process holds more than `limits.memory_bytes`, from now on.
pub(crate) fn watch(gateway: &Arc<Gateway>) {
    tokio::spawn(keep_watching(Arc::downgrade(gateway)));
}

async fn keep_watching(gateway: Weak<Gateway>) {
    let mut clock = interval(INTERVAL);
    clock.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        clock.tick().await;
        let Some(gateway) = gateway.upgrade() else { return };
        let limit = gateway.snapshot().config().limits.memory_bytes;
        let mut is_over = holds_more_than(limit);
        if is_over {
            // What requests of a moment ago have left behind is no reason to turn anybody away. It takes a while to
            // find, for which nothing else may wait.
            is_over = tokio::task::spawn_blocking(move || {
                give_back();
                holds_more_than(limit)
            })
            .await
            .unwrap_or(true);
        }
        gateway.set_short_of_memory(is_over);
    }
}

fn holds_more_than(limit: Option<usize>) -> bool {
    let resident = limit.and_then(|_| usize::try_from(resident_bytes()?).ok());
    resident.zip(limit).is_some_and(|(resident, limit)| resident > limit)
}
