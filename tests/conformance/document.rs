//! The table of lines and results, printed.

use crate::{
    case::{Case, Miss},
    server::foreign,
};

/// Runs everything, prints the result of each line, and answers how many fail.
pub fn report(cases: impl Iterator<Item = &'static Case>) -> usize {
    let whom = foreign().map_or("ours".to_owned(), |server| server.address.to_string());
    println!("conformance of {whom}");
    let mut failed = 0;
    for case in cases {
        let (result, why) = match case.outcome() {
            Ok(()) => ("pass", String::new()),
            Err(Miss::Skipped(why)) => ("skip", why),
            Err(Miss::Fails(why)) => ("fail", why),
        };
        failed += usize::from(result == "fail");
        println!("{:<4} {result} {why}", case.id);
    }
    failed
}
