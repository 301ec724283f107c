//! Behaviour from outside, in one test binary. `world` is the shop the tests run in, `shop` the program as a process;
//! each other module is a feature.

#![allow(clippy::unwrap_used)]

mod amnesia;
mod assurance;
mod by_hand;
mod cli;
mod ending;
mod failpoints;
mod faults;
mod flow_values;
mod flows;
mod guards;
mod integrity;
mod judge;
mod kills;
mod money;
mod program;
mod race;
mod road;
mod shop;
mod supplier;
mod tap;
mod tidy;
mod world;
