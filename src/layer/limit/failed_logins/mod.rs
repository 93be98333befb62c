mod attempts;
mod bounds;
mod future;
mod layer;
mod live;
mod memory;
mod store;

pub use self::{
    layer::{FailedLogins, FailedLoginsLayer},
    store::{FailedLoginStore, LoginHistory, LoginKey},
};
