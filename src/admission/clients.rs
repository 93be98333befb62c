//! How many associations each client has.

use std::{
    collections::HashMap,
    net::IpAddr,
    sync::{Arc, Mutex, PoisonError},
};

/// The associations that are open, by client. Clones share the count.
#[derive(Clone, Debug, Default)]
pub(crate) struct Clients {
    open: Arc<Mutex<HashMap<IpAddr, usize>>>,
}

/// One association of a client, until it is dropped.
#[derive(Debug)]
pub(crate) struct Place {
    clients: Clients,
    client: IpAddr,
}

impl Clients {
    /// A place for one more association, unless the client has `most` already.
    pub(crate) fn enter(&self, client: IpAddr, most: usize) -> Option<Place> {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        let count = open.get(&client).copied().unwrap_or_default();
        if count >= most {
            return None;
        }
        open.insert(client, count + 1);
        drop(open);
        Some(Place {
            clients: self.clone(),
            client,
        })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let open = &self.clients.open;
        let mut open = open.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = open.get_mut(&self.client) {
            *count -= 1;
            if *count == 0 {
                open.remove(&self.client);
            }
        }
    }
}
