use std::{any::Any, fmt, sync::Arc};

/// Values that ride along, found by their type.
///
/// Clones share the values, so a clone costs one reference count and an empty set costs nothing. A set that is changed
/// while clones of it are around becomes one of its own. Those of a request are held while its tunnel is open where a layer
/// holds the request, as the list of open tunnels does: what is to end with the dial does not belong here.
///
/// ```
/// use tower_socks::session::Extensions;
///
/// #[derive(Debug, PartialEq)]
/// struct Tenant(u32);
///
/// let mut extensions = Extensions::new();
/// extensions.insert(Tenant(7));
/// assert_eq!(extensions.get::<Tenant>(), Some(&Tenant(7)));
/// ```
#[derive(Clone, Default)]
pub struct Extensions(Option<Arc<Values>>);

/// A handful at most: a scan beats a hash, and three are what most connections have.
#[derive(Clone, Default)]
struct Values {
    slots: [Option<Value>; 3],
    more: Extensions,
}

type Value = Arc<dyn Any + Send + Sync>;

impl Extensions {
    /// Creates extensions with no values.
    #[must_use]
    pub const fn new() -> Self {
        Self(None)
    }

    /// Puts a value in, in place of one of the same type.
    pub fn insert<T: Send + Sync + 'static>(&mut self, value: T) {
        self.insert_shared(Arc::new(value));
    }

    /// The same of one that others hold as well.
    pub(crate) fn insert_shared<T: Send + Sync + 'static>(&mut self, value: Arc<T>) {
        let is_known = self.find::<T>().is_some();
        let mut values = Arc::make_mut(self.0.get_or_insert_default());
        loop {
            let mut slots = values.slots.iter_mut();
            let slot = slots.find(|slot| match slot {
                Some(value) => is_known && (**value).is::<T>(),
                None => !is_known,
            });
            if let Some(slot) = slot {
                *slot = Some(value);
                return;
            }
            values = Arc::make_mut(values.more.0.get_or_insert_default());
        }
    }

    /// Takes the value of this type out.
    pub(crate) fn take<T: Send + Sync + 'static>(&mut self) -> Option<Arc<T>> {
        // Nothing is copied for what is not there.
        self.find::<T>()?;
        let mut values = Arc::make_mut(self.0.as_mut()?);
        loop {
            let mut slots = values.slots.iter_mut();
            let slot = slots.find(|slot| slot.as_ref().is_some_and(|value| (**value).is::<T>()));
            if let Some(slot) = slot {
                return slot.take()?.downcast().ok();
            }
            values = Arc::make_mut(values.more.0.as_mut()?);
        }
    }

    /// Returns the value of this type.
    #[must_use]
    pub fn get<T: Send + Sync + 'static>(&self) -> Option<&T> {
        self.find::<T>()?.downcast_ref()
    }

    /// The same, to be held.
    pub(crate) fn get_shared<T: Send + Sync + 'static>(&self) -> Option<Arc<T>> {
        Arc::clone(self.find::<T>()?).downcast().ok()
    }

    /// Whether both are clones of each other that nobody has changed since.
    pub(crate) fn is_same(&self, other: &Self) -> bool {
        self.0.as_ref().map(Arc::as_ptr) == other.0.as_ref().map(Arc::as_ptr)
    }

    fn find<T: Send + Sync + 'static>(&self) -> Option<&Value> {
        self.values().find(|value| (***value).is::<T>())
    }

    fn values(&self) -> impl Iterator<Item = &Value> {
        let all = std::iter::successors(self.0.as_deref(), |values| values.more.0.as_deref());
        all.flat_map(|values| values.slots.iter().flatten())
    }
}

impl fmt::Debug for Extensions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The values are not ours to print: one of them may be a secret.
        write!(f, "Extensions({})", self.values().count())
    }
}
