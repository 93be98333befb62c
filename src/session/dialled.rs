use std::{
    net::SocketAddr,
    sync::{Arc, Mutex, PoisonError},
};

/// The address that a request led to in the end, told by whoever uses it to whoever wants to know.
#[derive(Clone, Debug, Default)]
pub(crate) struct Dialled(Arc<Mutex<Option<SocketAddr>>>);

impl Dialled {
    pub(super) fn set(&self, address: SocketAddr) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(address);
    }

    pub(crate) fn get(&self) -> Option<SocketAddr> {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
