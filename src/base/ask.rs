//! What a state machine may be asked, with the answer that belongs to it.
//!
//! Each question is a type of its own that names the type of its reply. Whoever asks gets that reply or an error of
//! the host, and never has to look which kind of reply it is.

/// A question to a state machine, or a change that it is asked for.
///
/// A room with a machine implements this for each thing that may be asked of it, and has a trait of its own that says
/// how the machine decides on it. A host passes questions on without knowing which they are.
pub trait Ask: Send + 'static {
    /// What the machine answers.
    type Reply: Send + 'static;
}
