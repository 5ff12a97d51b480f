//! Every backend keeps the same promises: the functions of [`suite`], run against
//! each line of [`backends`].

mod backends;
mod suite;
