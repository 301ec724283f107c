//! Behaviour from outside, in one test binary. `world` is the shop the tests run in, `shop` the program as a process;
//! each other module is a feature.

#![allow(clippy::unwrap_used)]

mod amnesia;
mod assurance;
mod by_hand;
mod caps;
mod cli;
mod clicks;
mod clocks;
mod crowd;
mod customs;
mod damage;
mod debts;
mod disputes;
mod elsewhere;
mod ending;
mod failpoints;
mod faults;
mod flow_values;
mod flows;
mod forgotten;
mod guards;
mod heard;
mod hooks;
mod integrity;
mod judge;
mod kills;
#[path = "../simulate/lane.rs"]
mod lane;
mod lanes;
mod late;
mod listed;
mod login;
mod logs;
mod machine;
mod manual;
mod money;
mod oracle;
mod payouts;
mod paypal;
#[allow(dead_code)]
#[path = "../simulate/play.rs"]
mod play;
mod post;
mod power;
mod program;
mod race;
mod random_kills;
mod rates;
mod reconcile;
mod refunds;
mod resolving;
mod restored;
mod reversals;
mod ringing;
mod road;
mod said_again;
#[allow(dead_code)]
#[path = "../simulate/schedule.rs"]
mod schedule;
mod shapes;
mod shop;
mod signing;
mod simulation;
mod strangers;
mod supplier;
mod supplier_trouble;
mod switches;
mod tap;
mod tidy;
mod trials;
mod unknowns;
mod variants;
#[path = "../simulate/verdict.rs"]
mod verdict;
mod words;
mod words_verdict;
mod world;
