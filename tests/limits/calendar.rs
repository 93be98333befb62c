//! Quotas of the calendar: what survives a restart, a crash, a damaged file, a full disk and a clock.

use std::{
    fs,
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicU64, AtomicUsize, Ordering},
    },
    time::{Duration, UNIX_EPOCH},
};

use tower_socks::{
    Identity, Request,
    io::{Direction, Meter},
    layer::{
        key::{self, User, UserOrClient},
        meter::{CalendarQuota, CalendarStore, MakeMeter, Periods, QuotaKey, QuotaStore, Quotas},
    },
    proto::{Address, Command},
};

const DAY: u64 = 24 * 3600;
/// 2026-11-27T12:00:00Z.
const NOON: u64 = 1_795_780_800;

/// A folder of one test.
struct Folder(PathBuf);

impl Folder {
    fn new() -> Self {
        static NEXT: AtomicUsize = AtomicUsize::new(0);
        let next = NEXT.fetch_add(1, Ordering::Relaxed);
        let path = std::env::temp_dir().join(format!("quotas-{}-{next}", std::process::id()));
        fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    fn file(&self) -> PathBuf {
        self.0.join("quotas")
    }

    fn text(&self) -> String {
        fs::read_to_string(self.file()).unwrap()
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// A store whose clock is set by the test, in seconds.
fn store(clock: &Arc<AtomicU64>, quotas: Quotas) -> CalendarStore<User> {
    let clock = Arc::clone(clock);
    CalendarStore::with_clock(quotas, Periods::new(), move || {
        UNIX_EPOCH + Duration::from_secs(clock.load(Ordering::Relaxed))
    })
}

fn clock() -> Arc<AtomicU64> {
    Arc::new(AtomicU64::new(NOON))
}

#[test]
fn a_restart_and_a_crash_keep_what_was_saved() {
    let (folder, clock) = (Folder::new(), clock());
    let quotas = Quotas::new().day(100).month(150);
    let (joe, odd) = (User::named("joe"), User::named(b"jo e\n\\\xff-"));
    let before = store(&clock, quotas).open(folder.file()).unwrap();
    assert!(!before.save().unwrap(), "nothing was counted");
    assert_eq!(before.take(&joe, 60).now(), Some(60));
    assert_eq!(before.take(&odd, 7).now(), Some(7));
    before.give_back(&joe, 10);
    assert!(before.save().unwrap());
    assert!(!before.save().unwrap(), "nothing is new");
    let mut lines: Vec<_> = folder.text().lines().map(str::to_owned).collect();
    lines[2..4].sort();
    assert_eq!(
        lines,
        [
            "tower-socks quotas 1",
            "day 2026-11-27 month 2026-11-01",
            "50 50 user:joe",
            "7 7 user:jo\\x20e\\x0a\\x5c\\xff-",
            "end 2",
        ]
    );
    // What comes now a crash loses.
    assert_eq!(before.take(&joe, 20).now(), Some(20));
    drop(before);

    let after = store(&clock, quotas).open(folder.file()).unwrap();
    assert_eq!((after.used(&joe), after.used(&odd)), ((50, 50), (7, 7)));
    assert_eq!(after.take(&joe, 1_000).now(), Some(50));
    assert!(after.has_left(&joe).now() == Some(false));
    // The next day has its bytes, of which the month allows half.
    clock.fetch_add(DAY / 2, Ordering::Relaxed);
    assert_eq!(after.used(&joe), (0, 100));
    assert_eq!(after.take(&joe, 1_000).now(), Some(50));
    assert!(after.save().unwrap());
    // And the next month all.
    clock.fetch_add(4 * DAY, Ordering::Relaxed);
    let later = store(&clock, quotas).open(folder.file()).unwrap();
    assert_eq!(later.used(&joe), (0, 0));
    assert_eq!(later.take(&joe, 1_000).now(), Some(100));
}

#[test]
fn a_damaged_file_is_moved_aside_and_nobody_is_refused_for_it() {
    let whole = "tower-socks quotas 1\nday 2026-11-27 month 2026-11-01\n50 60 user:joe\nend 1\n";
    let joe = User::named("joe");
    let open = |text: &[u8]| {
        let folder = Folder::new();
        fs::write(folder.file(), text).unwrap();
        let store = store(&clock(), Quotas::new().day(100));
        let store = store.open(folder.file()).unwrap();
        let used = store.used(&joe);
        assert_eq!(store.take(&joe, 10).now(), Some(10));
        assert!(store.save().unwrap());
        let aside = fs::read(folder.0.join("quotas.damaged")).ok();
        assert!(folder.text().contains(" user:joe\nend 1\n"));
        (used, aside)
    };
    assert_eq!(open(whole.as_bytes()), ((50, 60), None));
    // Cut anywhere, as by a disk that lost its end: but for the last line break.
    for end in 0..whole.len() - 1 {
        let cut = &whole.as_bytes()[..end];
        assert_eq!(open(cut), ((0, 0), Some(cut.to_vec())), "{end}");
    }
    for text in [
        whole.replace("quotas 1", "quotas 2"),
        whole.replace("end 1", "end 2"),
        whole.replace("50 60", "50 -60"),
        whole.replace("50 60", "99999999999999999999 60"),
        whole.replace("user:joe", "joe"),
        whole.replace("11-27", "11-31"),
        whole.replace("end 1\n", "end 1\n50 60 user:jane\n"),
        whole.replace("end 1", "50 60 user:joe\nend 2"),
        // One line of a key, and in the one form in which it is written.
        whole.replace("end 1", "70 80 user:joe\nend 1"),
        whole.replace("user:joe", "user:j\\x6fe"),
    ] {
        assert_eq!(open(text.as_bytes()).0, (0, 0), "{text}");
    }
    assert_eq!(open(b"\xff\xfe\0").0, (0, 0));
}

#[test]
fn two_processes_add_up() {
    let (folder, clock) = (Folder::new(), clock());
    let quotas = Quotas::new().day(100);
    let joe = User::named("joe");
    let old = store(&clock, quotas).open(folder.file()).unwrap();
    old.take(&joe, 10);
    old.save().unwrap();
    let new = store(&clock, quotas).open(folder.file()).unwrap();
    old.take(&joe, 20);
    new.take(&joe, 30);
    new.save().unwrap();
    old.save().unwrap();
    assert_eq!(old.used(&joe), (60, 60));
    new.take(&joe, 1);
    new.save().unwrap();
    assert_eq!(new.used(&joe), (61, 61));
    assert!(folder.text().contains("61 61 user:joe"));
    // A file that was taken away is written again.
    fs::remove_file(folder.file()).unwrap();
    new.take(&joe, 1);
    new.save().unwrap();
    assert!(folder.text().contains("62 62 user:joe"));
}

#[test]
fn where_nothing_can_be_written_it_counts_on() {
    let (folder, clock) = (Folder::new(), clock());
    let joe = User::named("joe");
    let store = store(&clock, Quotas::new().day(100));
    assert!(store.clone().open("/nowhere/at/all/quotas").is_err());
    let store = store.open(folder.file()).unwrap();
    // A folder in its place cannot be replaced.
    fs::create_dir(folder.file()).unwrap();
    store.take(&joe, 60);
    assert!(store.save().is_err());
    assert_eq!(store.take(&joe, 60).now(), Some(40));
    fs::remove_dir(folder.file()).unwrap();
    assert!(store.save().unwrap());
    assert!(folder.text().contains("100 100 user:joe"));
    let names: Vec<_> = fs::read_dir(&folder.0).unwrap().collect();
    assert_eq!(names.len(), 2, "the file and its lock: {names:?}");
}

#[test]
fn counts_go_on_in_another_file() {
    let (folder, clock) = (Folder::new(), clock());
    let quotas = Quotas::new().day(100).month(1_000);
    let (joe, jane) = (User::named("joe"), User::named("jane"));
    let other = folder.0.join("other");
    let others = store(&clock, quotas).open(&other).unwrap();
    others.take(&joe, 5);
    others.take(&jane, 70);
    others.save().unwrap();

    let counts = store(&clock, quotas).open(folder.file()).unwrap();
    counts.take(&joe, 40);
    counts.save().unwrap();
    counts.take(&joe, 10);
    counts.set_file(Some(other.clone()));
    assert_eq!(counts.used(&jane), (0, 0), "nothing is read before a save");
    assert!(counts.save().unwrap());
    assert!(folder.text().contains("50 50 user:joe"));
    // Of each the larger.
    assert_eq!(
        (counts.used(&joe), counts.used(&jane)),
        ((50, 50), (70, 70))
    );
    let text = || fs::read_to_string(&other).unwrap();
    assert!(text().contains("50 50 user:joe") && text().contains("70 70 user:jane"));
    others.take(&jane, 1);
    others.save().unwrap();
    assert_eq!(others.used(&joe), (50, 50));

    // One that cannot be there is tried again with each save, and meanwhile it counts on.
    counts.set_file(Some(folder.0.join("missing/quotas")));
    counts.give_back(&joe, 10);
    assert!(counts.save().is_err());
    assert!(counts.save().is_err());
    assert_eq!(counts.used(&joe), (40, 40));
    fs::create_dir(folder.0.join("missing")).unwrap();
    assert!(counts.save().unwrap());
    let moved = fs::read_to_string(folder.0.join("missing/quotas")).unwrap();
    assert!(moved.contains("40 40 user:joe"), "{moved}");

    // And in memory alone.
    counts.set_file(None);
    counts.take(&joe, 1);
    assert!(!counts.save().unwrap());
    counts.take(&joe, 1);
    assert_eq!(counts.used(&joe), (42, 42));
    let left = fs::read_to_string(folder.0.join("missing/quotas")).unwrap();
    assert!(left.contains("41 41 user:joe"), "{left}");
}

#[test]
fn days_and_months_can_begin_at_other_times() {
    let clock = clock();
    let joe = User::named("joe");
    let counts = store(&clock, Quotas::new().day(100));
    counts.take(&joe, 10);
    // Of the month that has begun on the 27th nothing is used; the day is the same.
    counts.set_periods(Periods::new().day_of_month(27));
    assert_eq!(counts.used(&joe), (10, 0));
    counts.take(&joe, 5);
    // One that has begun earlier goes on.
    counts.set_periods(Periods::new());
    assert_eq!(counts.used(&joe), (15, 5));
    // In Auckland it is the 28th.
    counts.set_periods(Periods::new().time_zone("Pacific/Auckland").unwrap());
    assert_eq!(counts.used(&joe), (0, 5));
}

#[test]
fn a_clock_that_is_set_back_or_not_set_begins_nothing_anew() {
    let (folder, clock) = (Folder::new(), clock());
    let quotas = Quotas::new().day(100).month(1_000);
    let joe = User::named("joe");
    let counts = store(&clock, quotas).open(folder.file()).unwrap();
    counts.take(&joe, 100);
    clock.fetch_sub(2 * DAY, Ordering::Relaxed);
    assert!(counts.has_left(&joe).now() == Some(false));
    clock.fetch_add(DAY, Ordering::Relaxed);
    assert!(
        counts.has_left(&joe).now() == Some(true),
        "the next day of a clock that was put right"
    );
    counts.take(&joe, 100);
    clock.store(NOON, Ordering::Relaxed);
    counts.save().unwrap();
    assert_eq!(counts.used(&joe), (0, 200));

    // A machine without a clock of its own, until it has asked others.
    clock.store(60, Ordering::Relaxed);
    let booted = store(&clock, quotas).open(folder.file()).unwrap();
    assert_eq!(booted.used(&joe), (0, 200));
    booted.take(&joe, 5);
    clock.store(NOON + 60, Ordering::Relaxed);
    assert_eq!(booted.used(&joe), (5, 205));
}

#[test]
fn keys_are_bounded_and_those_that_used_most_stay() {
    let store = store(&clock(), Quotas::new().day(1 << 40)).most_keys(100);
    for n in 0..10_000_u64 {
        store.take(&User::named(n.to_string()), n + 1);
        if n == 50 {
            store.take(&User::named("much"), 1 << 39);
        }
    }
    assert!(store.keys() <= 100, "{}", store.keys());
    assert_eq!(store.used(&User::named("much")).0, 1 << 39);
    let fullest = store.fullest(1);
    assert_eq!(
        (&fullest[0].key, fullest[0].most),
        (&User::named("much"), 1 << 40)
    );
}

#[test]
fn what_was_saved_stays_when_the_clock_is_set_back() {
    let (folder, clock) = (Folder::new(), clock());
    // The first of December.
    clock.store(NOON + 4 * DAY, Ordering::Relaxed);
    let quotas = Quotas::new().day(100).month(1_000);
    let (joe, jane) = (User::named("joe"), User::named("jane"));
    let counts = store(&clock, quotas).open(folder.file()).unwrap();
    counts.take(&joe, 90);
    counts.take(&jane, 80);
    counts.save().unwrap();
    // Back into November.
    clock.fetch_sub(DAY, Ordering::Relaxed);
    counts.take(&joe, 5);
    counts.save().unwrap();
    assert_eq!(counts.used(&joe), (95, 95));
    assert_eq!(counts.used(&jane), (80, 80));
    let restarted = store(&clock, quotas).open(folder.file()).unwrap();
    assert_eq!(restarted.used(&joe), (95, 95));
    assert_eq!(restarted.used(&jane), (80, 80));
}

#[test]
fn the_file_has_no_more_keys_than_are_remembered() {
    let (folder, clock) = (Folder::new(), clock());
    let store = store(&clock, Quotas::new()).most_keys(10);
    let store = store.open(folder.file()).unwrap();
    for n in 1..100_u64 {
        store.take(&User::named(n.to_string()), n);
        assert!(store.save().unwrap());
    }
    let text = folder.text();
    assert!(text.ends_with("end 10\n"), "{text}");
    assert!(text.contains("99 99 user:99\n"), "{text}");
}

#[cfg(unix)]
#[test]
fn what_is_no_file_is_not_waited_for() {
    let folder = Folder::new();
    let made = std::process::Command::new("mkfifo")
        .arg(folder.file())
        .status();
    assert!(made.unwrap().success());
    let problem = store(&clock(), Quotas::new()).open(folder.file());
    assert_eq!(problem.unwrap_err().to_string(), "it is not a file");
    let problem = store(&clock(), Quotas::new()).open(&folder.0);
    assert_eq!(problem.unwrap_err().to_string(), "it is not a file");
}

#[test]
fn quotas_change_while_tunnels_are_open() {
    let most = Arc::new(AtomicU64::new(10_000));
    let now = Arc::clone(&most);
    let store = store(&clock(), Quotas::new());
    let quota = CalendarQuota::new(
        store.clone(),
        move |_: &Request| Some(Quotas::new().day(now.load(Ordering::Relaxed))),
        key::user,
    );
    let mut request = Request::new(Command::CONNECT, Address::UNSPECIFIED);
    request.identity = Identity::named("joe");
    let mut meter = quota.meter(&request).now().unwrap().unwrap().unwrap();
    meter.moved(Direction::Down, 8_000);
    most.store(4_000, Ordering::Relaxed);
    assert!(quota.meter(&request).now().unwrap().is_err());
    most.store(20_000, Ordering::Relaxed);
    let mut second = quota.meter(&request).now().unwrap().unwrap().unwrap();
    second.moved(Direction::Up, 12_000);
    store.allow_all(|_| Some(Quotas::new().day(30_000)));
    meter.moved(Direction::Down, 5_000);
    drop((meter, second));
    assert_eq!(store.used(&"joe".into()), (25_000, 25_000));
}

#[test]
fn keys_read_as_they_were_written() {
    for key in [
        UserOrClient::User(User::named("")),
        UserOrClient::User(User::named("client:192.0.2.1")),
        UserOrClient::User(User::named((0..=255).collect::<Vec<u8>>())),
        UserOrClient::Client("2001:db8::".parse().unwrap()),
    ] {
        let text = key.write();
        assert!(!text.contains(char::is_whitespace), "{text}");
        assert_eq!(UserOrClient::read(&text), Some(key));
    }
    for text in [
        "",
        "joe",
        "user",
        "user:\\",
        "user:\\x",
        "user:\\x2",
        "user:\\xg0",
        "user:\\xé",
        "client:joe",
    ] {
        assert_eq!(UserOrClient::read(text), None, "{text}");
    }
}
