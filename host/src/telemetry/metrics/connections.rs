//! The figures of connections in both directions, and of what is turned away before it becomes a request to anybody.

use prometheus::{IntCounter, IntGauge};

/// The count of a listener's connections.
#[derive(Debug, Clone)]
pub struct Connections {
    open: IntGauge,
    shed: Shed,
}

impl Connections {
    pub(super) fn new(open: IntGauge, shed: Shed) -> Self {
        Self { open, shed }
    }

    /// Counts a connection for as long as what is returned is there.
    pub fn open(&self) -> OpenConnection {
        self.open.inc();
        OpenConnection(self.open.clone())
    }

    /// Counts a connection for which there is no room.
    pub fn count_turned_away(&self) {
        self.shed.count();
    }
}

/// The count of the connections to the upstreams of one provider.
#[derive(Debug, Clone)]
pub struct UpstreamConnections(IntGauge);

impl UpstreamConnections {
    pub(super) fn new(open: IntGauge) -> Self {
        Self(open)
    }

    /// Counts a connection for as long as what is returned is there.
    pub fn open(&self) -> OpenConnection {
        self.0.inc();
        OpenConnection(self.0.clone())
    }
}

/// The count of what is turned away for one reason.
#[derive(Debug, Clone)]
pub struct Shed(IntCounter);

impl Shed {
    pub(super) fn new(shed: IntCounter) -> Self {
        Self(shed)
    }

    /// Counts one.
    pub fn count(&self) {
        self.0.inc();
    }
}

/// A connection that is counted.
#[derive(Debug)]
pub struct OpenConnection(IntGauge);

impl Drop for OpenConnection {
    fn drop(&mut self) {
        self.0.dec();
    }
}
