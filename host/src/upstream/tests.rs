//! Calls over real sockets, to upstreams that do what a script says.

mod answers;
mod connections;
mod script;
mod streams;
mod tls;
