//! The policy in force, for who runs on while another is published.

use std::sync::{Arc, PoisonError, RwLock};

use crate::Policy;

/// The policy that is in force now, shared by all that go by it in a process. Whoever answers something takes one by [`Current::now`] and goes by that
/// until it is answered.
#[derive(Debug, Clone)]
pub struct Current(Arc<RwLock<Arc<Policy>>>);

impl Current {
    /// In force until another is.
    #[must_use]
    pub fn new(policy: Arc<Policy>) -> Self {
        Self(Arc::new(RwLock::new(policy)))
    }

    /// What is in force at this moment.
    #[must_use]
    pub fn now(&self) -> Arc<Policy> {
        // It holds a whole policy before and after each change, also when somebody panicked in between.
        Arc::clone(&self.0.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// From now on this one is in force.
    pub fn put(&self, policy: Arc<Policy>) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = policy;
    }
}
