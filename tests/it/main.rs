//! Behaviour from outside, in one test binary. `world` is the shop the tests run in; each other module is a feature.

#![allow(clippy::unwrap_used)]

mod road;
mod tidy;
mod world;
