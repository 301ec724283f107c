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
#[allow(dead_code)]
#[path = "../simulate/play.rs"]
mod play;
mod program;
mod race;
mod road;
#[allow(dead_code)]
#[path = "../simulate/schedule.rs"]
mod schedule;
mod shop;
mod simulation;
mod supplier;
mod tap;
mod tidy;
#[path = "../simulate/verdict.rs"]
mod verdict;
mod world;
