//! The checker finds what is wrong with a history, and nothing in one that is right.

mod answers;
mod exclusion;
mod log;
mod loss;
mod order;
mod script;
