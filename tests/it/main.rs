//! Behaviour from outside, in one test binary. `world` is the shop the tests run in; each other module is a feature.

#![allow(clippy::unwrap_used)]

mod kills;
mod road;
mod served;
mod tidy;
mod world;
