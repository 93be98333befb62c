//! A sliding window over the numbers of a session's datagrams, by which one that is sent again is noticed.

/// Numbers below the highest that are still told apart. One that comes later than that is dropped.
const WIDTH: u64 = 2_048;

/// The numbers that a session has used. They go up, and may come in another order.
#[derive(Debug)]
pub(crate) struct Window {
    /// One more than the highest number; 0 where there is none.
    next: u64,
    seen: [u64; (WIDTH / 64) as usize],
}

impl Window {
    pub(crate) const fn new() -> Self {
        Self {
            next: 0,
            seen: [0; (WIDTH / 64) as usize],
        }
    }

    /// Takes a number, unless it was taken before or is too old to tell.
    pub(crate) fn take(&mut self, number: u64) -> bool {
        let Some(after) = number.checked_add(1) else {
            return false; // none can follow it
        };
        if self.next.saturating_sub(after) >= WIDTH {
            return false;
        }
        if after > self.next {
            // What the new numbers replace is `WIDTH` below them.
            let passed = self.next..after;
            if after - self.next >= WIDTH {
                self.seen = [0; (WIDTH / 64) as usize];
            } else {
                for number in passed {
                    self.set(number, false);
                }
            }
            self.next = after;
        }
        !self.set(number, true)
    }

    /// Notes whether a number was taken, and returns whether it was before.
    fn set(&mut self, number: u64, taken: bool) -> bool {
        let bit = 1 << (number % 64);
        let Some(word) = self.seen.get_mut((number % WIDTH / 64) as usize) else {
            return true; // never: there are as many words as remainders
        };
        let before = *word & bit != 0;
        *word = if taken { *word | bit } else { *word & !bit };
        before
    }
}

#[cfg(test)]
mod tests {
    use super::{WIDTH, Window};

    #[test]
    fn a_number_is_taken_once_in_any_order() {
        let mut window = Window::new();
        for number in [0, 5, 3, 4, 1, 2] {
            assert!(window.take(number), "{number}");
        }
        for number in 0..=5 {
            assert!(!window.take(number), "{number}");
        }
    }

    #[test]
    fn the_window_ends_below_the_highest_number() {
        let mut window = Window::new();
        assert!(window.take(10_000));
        assert!(window.take(10_001 - WIDTH));
        assert!(!window.take(10_000 - WIDTH));
        assert!(!window.take(0));
    }

    #[test]
    fn numbers_that_share_a_place_are_told_apart() {
        let mut window = Window::new();
        for round in 0..5 {
            let number = 7 + round * WIDTH;
            assert!(window.take(number), "{number}");
            assert!(!window.take(number), "{number}");
            assert!(window.take(number + WIDTH / 2), "{number}");
        }
    }

    #[test]
    fn a_leap_forgets_everything_and_the_last_number_is_none() {
        let mut window = Window::new();
        assert!(window.take(3));
        assert!(window.take(u64::MAX - 1));
        assert!(!window.take(u64::MAX - 1));
        assert!(!window.take(3));
        assert!(!window.take(u64::MAX));
        assert!(window.take(u64::MAX - 2));
    }
}
