//! WHAT IS TRUE: the trade's words and rules. No input or output, no clock, no SQL, no serialisation; imports nothing
//! of ours. Time comes in as an argument.
//!
//! Read in this order: [`order`], [`claim`], [`checkout`], [`purchase`], [`sale`], [`payout`], [`refund`], [`dispute`],
//! [`ledger`],
//! [`entries`], [`policy`], [`trade`] and then [`pipeline`], which says what happens next. [`statement`] and [`reconcile`]
//! compare the books with what the far sides say moved.

pub mod address_rules;
pub mod checkout;
pub mod claim;
pub mod dispute;
pub mod entries;
pub mod fx;
pub mod guards;
pub mod hold;
pub mod ledger;
pub mod money;
pub mod order;
pub mod payout;
pub mod pipeline;
pub mod policy;
pub mod purchase;
pub mod reconcile;
pub mod refund;
pub mod sale;
pub mod settlement;
pub mod statement;
pub mod trade;

#[cfg(test)]
mod entries_tests;
#[cfg(test)]
mod guards_tests;
#[cfg(test)]
mod pipeline_dispute_tests;
#[cfg(test)]
mod pipeline_out_tests;
#[cfg(test)]
mod pipeline_random_tests;
#[cfg(test)]
mod pipeline_refund_tests;
#[cfg(test)]
mod pipeline_tests;
#[cfg(test)]
mod reconcile_tests;
#[cfg(test)]
pub(crate) mod standard;

/// An enum whose variants are words in the database, in the API and in the log. `parse` answers `None` to any other.
macro_rules! words {
    ($(#[$meta:meta])* pub enum $name:ident { $($(#[$vmeta:meta])* $variant:ident = $word:literal),+ $(,)? }) => {
        $(#[$meta])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum $name { $($(#[$vmeta])* $variant),+ }

        impl $name {
            pub const ALL: &'static [$name] = &[$($name::$variant),+];

            pub fn word(self) -> &'static str {
                match self { $($name::$variant => $word),+ }
            }

            pub fn parse(word: &str) -> Option<Self> {
                match word { $($word => Some($name::$variant),)+ _ => None }
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(self.word())
            }
        }
    };
}
pub(crate) use words;
