//! The values of credentials, as long as the session lives.

/// Everything that must not be seen by the agent.
#[derive(Default)]
pub struct Secrets;
