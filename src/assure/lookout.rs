//! What a report needs to see outside of the rows: the server that runs here, and the book of far sides on this machine.
//! It only asks; whatever cannot be had is said with its reason and is never taken for good.

use super::readiness::{Installation, Seen};
use crate::gateway::probe::{self, Looked};
use crate::gateway::wire::{UreqWire, Wire};
use serde_json::Value;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::Path;

/// Where the far sides' own book can be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Book {
    /// The built-in far sides of the server that runs here.
    Builtin,
    /// Far sides of ours on this machine: scheme and authority.
    At(String),
    Nowhere,
}

/// The address of the server that runs in this directory, as this machine reaches it. `None` = none runs.
pub fn own_url(data_dir: &Path) -> Option<String> {
    url_in(&data_dir.join("address"))
}

/// What can be seen from here: who answers at our own address, and what the far sides say they did.
pub fn look_around(at: &Installation, build: &str) -> Seen {
    let wire: &dyn Wire = &UreqWire::default();
    let service = own_url(&at.settings.data_dir).map(|url| match probe::look(wire, &url, build) {
        Looked::Right(service) => Ok(service),
        Looked::WrongBuild { found, expected } => Err(format!("WRONG_BUILD: {found} answers, not {expected}")),
        Looked::NoAnswer(reason) => Err(reason),
    });
    Seen { service, book: book(wire, at), far_clock: None }
}

pub fn book(wire: &dyn Wire, at: &Installation) -> Option<Result<Value, String>> {
    let base = match &at.book {
        Book::Nowhere => return None,
        Book::At(base) => base.clone(),
        Book::Builtin => match url_in(&at.settings.data_dir.join("sandbox-address")) {
            Some(base) => base,
            None => return Some(Err("the built-in far sides do not run".to_owned())),
        },
    };
    let answer = match probe::get(wire, &format!("{base}/__control/book"), None) {
        Ok(answer) if answer.status == 200 => answer,
        Ok(answer) => return Some(Err(format!("the book is not shown: status {}", answer.status))),
        Err(error) => return Some(Err(error.to_string())),
    };
    Some(serde_json::from_slice(&answer.body).map_err(|error| format!("the book cannot be read: {error}")))
}

fn url_in(file: &Path) -> Option<String> {
    let mut address: SocketAddr = std::fs::read_to_string(file).ok()?.trim().parse().ok()?;
    if address.ip().is_unspecified() {
        address.set_ip(match address.ip() {
            IpAddr::V4(_) => Ipv4Addr::LOCALHOST.into(),
            IpAddr::V6(_) => Ipv6Addr::LOCALHOST.into(),
        });
    }
    Some(format!("http://{address}"))
}
