//! postsale: the post-sale back office of a small dropshipping seller, in one file.

pub mod clock;
pub mod domain;
