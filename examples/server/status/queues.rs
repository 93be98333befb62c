//! What waits to be written or sent, and what was dropped instead, for metrics.

use metrics::{counter, describe_counter, describe_gauge, gauge};

use tokio::sync::watch;

use crate::{accounting, accounts::Accounts, directories, fleet, records::Records, shared::Shared};

const LOG: &str = "socks_log_lines_total";
const LOG_WAITING: &str = "socks_log_lines_waiting";
const ACCESS: &str = "access_log_lines_total";
const ACCESS_WAITING: &str = "access_log_lines_waiting";
const ACCOUNTING: &str = "socks_accounting_records_dropped_total";
const ACCOUNTING_WAITING: &str = "socks_accounting_records_waiting";
const LOGINS: &str = "socks_directory_logins_waiting";
const LOGINS_MOST: &str = "socks_directory_logins_waiting_limit";
const STORE: &str = "socks_store_up";

/// Those who have the queues.
pub(super) struct Queues {
    records: Records,
    accounting: accounting::InForce,
    fleet: fleet::InForce,
    accounts: watch::Receiver<Accounts>,
}

impl Queues {
    pub(super) fn of(shared: &Shared) -> Self {
        describe_counter!(LOG, "Lines of the log, by what became of them.");
        describe_gauge!(LOG_WAITING, "Lines of the log that wait to be written.");
        describe_counter!(ACCESS, "Lines of the access log, by what became of them.");
        describe_gauge!(
            ACCESS_WAITING,
            "Lines of the access log that wait to be written."
        );
        describe_counter!(
            ACCOUNTING,
            "Records of RADIUS accounting that no server has taken, and none will get."
        );
        describe_gauge!(
            ACCOUNTING_WAITING,
            "Records of RADIUS accounting that wait for a server."
        );
        describe_gauge!(LOGINS, "Logins that wait for a directory.");
        describe_gauge!(
            LOGINS_MOST,
            "Logins that may wait for a directory: more are refused."
        );
        Self {
            records: shared.records.clone(),
            accounting: shared.accounting.clone(),
            fleet: shared.fleet.clone(),
            accounts: shared.accounts(),
        }
    }

    /// Tells the recorder what waits by now. All of it begins with 0, also what the file does not have.
    pub(super) fn record(&self) {
        let lines = self.records.log_counts();
        counter!(LOG, "outcome" => "written").absolute(lines.written);
        counter!(LOG, "outcome" => "dropped").absolute(lines.dropped);
        set(LOG_WAITING, lines.waiting);
        let lines = self.records.access_log_counts();
        counter!(ACCESS, "outcome" => "written").absolute(lines.written);
        counter!(ACCESS, "outcome" => "dropped").absolute(lines.dropped);
        set(ACCESS_WAITING, lines.waiting);
        let (waiting, dropped) = self.accounting.counts();
        counter!(ACCOUNTING).absolute(dropped);
        set(ACCOUNTING_WAITING, waiting);
        let accounts = self.accounts.borrow();
        for directory in directories::NAMES {
            let (waiting, most) = accounts.directories().queue(directory).unwrap_or_default();
            set_of(LOGINS, directory, waiting);
            set_of(LOGINS_MOST, directory, most);
        }
        if let Some(node) = self.fleet.node() {
            // It was connected before there was anything that counts.
            gauge!(STORE, "store" => "redis").set(f64::from(u8::from(node.up)));
        }
    }
}

fn set(name: &'static str, waiting: u64) {
    // Queues are bounded far below the whole numbers that it has.
    #[expect(clippy::cast_precision_loss)]
    gauge!(name).set(waiting as f64);
}

fn set_of(name: &'static str, directory: &'static str, waiting: usize) {
    #[expect(clippy::cast_precision_loss)]
    gauge!(name, "directory" => directory).set(waiting as f64);
}
