//! What one sees: the public socket, the HTTP shell behind it and the routing table. Nothing in here moves money or
//! calls the outside; a route asks the engine or reads a view.
//!
//! A request travels `gate` (bytes of strangers, strictly parsed and bounded) → `upstream` (tiny_http on a private
//! socket) → `server` (a pool of handlers) → `route` (who may ask what) → the route's function, and its answer the same
//! way back.

pub mod api;
pub mod auth;
mod body;
mod gate;
mod head;
mod ids;
mod inlet;
mod limits;
mod peer;
mod priority;
pub mod problem;
pub mod rate;
mod relay;
pub mod request;
pub mod response;
pub mod route;
mod seats;
pub mod server;
mod upstream;

#[cfg(test)]
mod tests;

pub use auth::{Caller, Door, Scope};
pub use limits::Limits;
pub use problem::Problem;
pub use request::{Request, decode_query};
pub use response::Response;
pub use route::{Method, Route, Table};
pub use server::{Answered, App, OnAnswer, Options, Server};
