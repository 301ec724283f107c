//! Behaviour from outside, in one test binary. `world` is the shop the tests run in; each other module is a feature.

mod road;
mod world;
