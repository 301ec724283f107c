//! Behaviour from outside, in one test binary. `world` is the shop the tests run in, `shop` the program as a process;
//! each other module is a feature.

#![allow(clippy::unwrap_used)]

mod cli;
mod flow_values;
mod flows;
mod integrity;
mod kills;
mod program;
mod road;
mod shop;
mod tidy;
mod world;
