//! Values that ride along with requests.

use std::sync::Arc;

use tower_socks::session::Extensions;

#[derive(Debug, PartialEq)]
struct Number<const N: usize>(u32);

/// Puts in ten values of ten types.
fn ten(value: u32) -> Extensions {
    let mut extensions = Extensions::new();
    extensions.insert(Number::<0>(value));
    extensions.insert(Number::<1>(value));
    extensions.insert(Number::<2>(value));
    extensions.insert(Number::<3>(value));
    extensions.insert(Number::<4>(value));
    extensions.insert(Number::<5>(value));
    extensions.insert(Number::<6>(value));
    extensions.insert(Number::<7>(value));
    extensions.insert(Number::<8>(value));
    extensions.insert(Number::<9>(value));
    extensions
}

#[test]
fn each_type_has_one_value() {
    let mut extensions = ten(1);
    assert_eq!(format!("{extensions:?}"), "Extensions(10)");
    extensions.insert(Number::<0>(2));
    extensions.insert(Number::<4>(2));
    extensions.insert(Number::<9>(2));
    assert_eq!(format!("{extensions:?}"), "Extensions(10)");
    assert_eq!(extensions.get(), Some(&Number::<0>(2)));
    assert_eq!(extensions.get(), Some(&Number::<3>(1)));
    assert_eq!(extensions.get(), Some(&Number::<4>(2)));
    assert_eq!(extensions.get(), Some(&Number::<8>(1)));
    assert_eq!(extensions.get(), Some(&Number::<9>(2)));
    assert_eq!(extensions.get::<u32>(), None);
}

#[test]
fn what_a_clone_takes_in_is_its_own() {
    let extensions = ten(1);
    let mut clone = extensions.clone();
    clone.insert(Number::<1>(2));
    clone.insert(Number::<7>(2));
    clone.insert("more");
    assert_eq!(extensions.get(), Some(&Number::<1>(1)));
    assert_eq!(extensions.get(), Some(&Number::<7>(1)));
    assert_eq!(extensions.get::<&str>(), None);
    assert_eq!(clone.get(), Some(&Number::<1>(2)));
    assert_eq!(clone.get(), Some(&Number::<2>(1)));
    assert_eq!(clone.get(), Some(&Number::<7>(2)));
    assert_eq!(clone.get(), Some(&"more"));
}

#[test]
fn a_value_is_dropped_with_the_last_that_has_it() {
    let value = Arc::new(());
    let mut extensions = ten(1);
    extensions.insert(Arc::clone(&value));
    let clone = extensions.clone();
    assert_eq!(Arc::strong_count(&value), 2, "the clone shares it");
    extensions.insert(Arc::new(()));
    assert_eq!(Arc::strong_count(&value), 2, "the clone has it still");
    drop(clone);
    assert_eq!(Arc::strong_count(&value), 1, "nobody has it");
}
