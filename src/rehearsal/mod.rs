//! Rehearsals: the same engine code on a database of its own against the built-in far sides. A rehearsal can reach no
//! other host, and never the live database (L4).

pub mod plug;
