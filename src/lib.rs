#![doc = include_str!("ARCHITECTURE.md")]

pub mod assure;
pub mod cli;
pub mod clock;
pub mod config;
pub mod domain;
pub mod engine;
pub mod failpoint;
pub mod gateway;
pub mod rehearsal;
pub mod sandbox;
pub mod schedule;
pub mod secret;
pub mod store;
pub mod web;
