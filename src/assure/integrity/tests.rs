//! The whole answer on a database of its own.


