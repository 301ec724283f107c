//! What is true. No input or output, no clock, no SQL; imports nothing of ours.

pub mod money;
