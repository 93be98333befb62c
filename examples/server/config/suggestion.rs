//! What was most likely meant, where a word is not known.

/// Adds it to a message that says what is expected, such as "unknown field `x`, expected one of `y`, `z`".
pub(super) fn suggestion(message: &str) -> String {
    let Some((unknown, expected)) = message.split_once(", expected ") else {
        return message.to_owned();
    };
    let (Some(word), true) = (quoted(unknown).next(), unknown.starts_with("unknown ")) else {
        return message.to_owned();
    };
    let meant = quoted(expected)
        .map(|known| (distance(word, known), known))
        .filter(|(distance, known)| *distance <= (known.len() / 3).clamp(1, 3))
        .min();
    match meant {
        Some((_, known)) => format!("{unknown}: did you mean `{known}`?"),
        None => message.to_owned(),
    }
}

/// What stands between backticks.
fn quoted(text: &str) -> impl Iterator<Item = &str> {
    text.split('`').skip(1).step_by(2)
}

/// How many letters have to be put in, taken away, replaced or swapped with the next.
fn distance(one: &str, other: &str) -> usize {
    // No field is as long: time and room are bounded.
    if one.len() > 64 {
        return usize::MAX;
    }
    let (one, other) = (one.as_bytes(), other.as_bytes());
    let mut before: Vec<usize> = Vec::new();
    let mut last: Vec<usize> = (0..=other.len()).collect();
    for (row, letter) in one.iter().enumerate() {
        let mut this = vec![row + 1];
        for (column, other_letter) in other.iter().enumerate() {
            let at =
                |line: &[usize], column: usize| line.get(column).copied().unwrap_or(usize::MAX / 2);
            let replaced = at(&last, column) + usize::from(letter != other_letter);
            let mut least = replaced
                .min(at(&last, column + 1) + 1)
                .min(at(&this, column) + 1);
            let is_swapped = row > 0
                && column > 0
                && one.get(row - 1) == Some(other_letter)
                && other.get(column - 1) == Some(letter);
            if is_swapped {
                least = least.min(at(&before, column - 1) + 1);
            }
            this.push(least);
        }
        before = std::mem::replace(&mut last, this);
    }
    last.last().copied().unwrap_or(usize::MAX)
}
