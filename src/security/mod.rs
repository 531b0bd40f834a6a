//! Floor 2: who asks. How a client proves who it is, and what it may do, will be here too.

mod principal;

pub use principal::Principal;
