//! The interface from outside, without a socket and without far sides.
