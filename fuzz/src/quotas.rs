//! The file of quotas, as a crash, a disk or an operator leaves it.

use std::{
    env, fs,
    path::{Path, PathBuf},
    process,
    sync::atomic::{AtomicUsize, Ordering},
    time::{Duration, UNIX_EPOCH},
};

use jiff::civil::Date;
use tower_socks::layer::{
    key::{User, UserOrClient},
    meter::{CalendarStore, Periods, QuotaKey, QuotaStore, Quotas},
};

/// 2026-11-27T12:00:00Z.
const NOON: u64 = 1_795_780_800;

/// A file, in memory where that is possible, with what lies beside it.
struct File(PathBuf);

impl File {
    fn new(content: &[u8]) -> Self {
        static NEXT: AtomicUsize = AtomicUsize::new(0);
        let memory = Path::new("/dev/shm");
        let folder = match memory.is_dir() {
            true => memory.to_owned(),
            false => env::temp_dir(),
        };
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let path = folder.join(format!("quotas-{}-{number}", process::id()));
        fs::write(&path, content).expect("room for a file");
        Self(path)
    }

    fn beside(&self, ending: &str) -> PathBuf {
        let mut path = self.0.clone().into_os_string();
        path.push(ending);
        path.into()
    }

    fn open(&self) -> CalendarStore<UserOrClient> {
        let now = || UNIX_EPOCH + Duration::from_secs(NOON);
        let store = CalendarStore::with_clock(Quotas::new().day(1_000), Periods::new(), now);
        store.open(&self.0).expect("whatever is in the file")
    }
}

impl Drop for File {
    fn drop(&mut self) {
        for ending in ["", ".new", ".lock", ".damaged"] {
            let _ = fs::remove_file(self.beside(ending));
        }
    }
}

/// A file of quotas. A damaged one is moved aside whole, and another one counts.
pub fn quotas(data: &[u8]) {
    let file = File::new(data);
    let store = file.open();
    let expected = read(data);
    let aside = fs::read(file.beside(".damaged")).ok();
    let Some(expected) = expected else {
        assert_eq!(aside.as_deref(), Some(data), "it is kept as it was");
        assert!(!file.0.exists());
        assert_eq!(store.keys(), 0);
        return counted(&file, &store);
    };
    assert_eq!(aside, None);
    for (key, used) in &expected {
        assert_eq!(store.used(key), *used, "{}", key.write());
        assert_eq!(UserOrClient::read(&key.write()).as_ref(), Some(key));
    }
    assert!(store.keys() <= expected.len());
    counted(&file, &store);
}

/// What is counted now is there after a restart, beside what was.
fn counted(file: &File, store: &CalendarStore<UserOrClient>) {
    let joe = UserOrClient::User(User::named(b"jo e\\\xff"));
    let had = store.used(&joe);
    let taken = store.take(&joe, 10).now().expect("a store in memory");
    let used = store.used(&joe);
    assert_eq!(
        (used.0, used.1),
        (had.0 + taken, had.1.saturating_add(taken))
    );
    assert_eq!(store.save().expect("a folder to write to"), taken > 0);
    let again = file.open();
    assert_eq!(again.used(&joe), used);
    assert!(!file.beside(".new").exists());
}

type Used = Vec<(UserOrClient, (u64, u64))>;

/// What a file that is not damaged says of this day and this month.
fn read(data: &[u8]) -> Option<Used> {
    let text = str::from_utf8(data).ok()?;
    let lines: Vec<&str> = text.lines().collect();
    let ["tower-socks quotas 1", period, keys @ .., end] = &*lines else {
        return None;
    };
    let (day, month) = period.strip_prefix("day ")?.split_once(" month ")?;
    // A clock that was set back begins nothing anew.
    let counts = |of: &str, since| Some(of.parse::<Date>().ok()? >= since);
    let is_of_day = counts(day, jiff::civil::date(2026, 11, 27))?;
    let is_of_month = counts(month, jiff::civil::date(2026, 11, 1))?;
    let mut used = Used::new();
    for line in keys {
        let mut fields = line.splitn(3, ' ');
        let mut number = || fields.next()?.parse::<u64>().ok();
        let counts = (number()?, number()?);
        let key = UserOrClient::read(fields.next()?)?;
        if used.iter().any(|(other, _)| *other == key) {
            return None;
        }
        used.push((key, counts));
    }
    let is_whole = end.strip_prefix("end ")?.parse() == Ok(used.len());
    for (_, (of_day, of_month)) in &mut used {
        *of_day *= u64::from(is_of_day);
        *of_month *= u64::from(is_of_month);
    }
    is_whole.then_some(used)
}
