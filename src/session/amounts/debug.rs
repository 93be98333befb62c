use std::fmt;

use super::{Amounts, Bytes, BytesPerSecond, written::Number};

/// Those that are stated.
impl fmt::Debug for Amounts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut all = f.debug_struct("Amounts");
        if let Some(it) = self.tunnels.map(Number::from) {
            all.field("tunnels", &format_args!("{it}"));
        }
        if let Some(it) = self.requests_per_second.map(Number::from) {
            all.field("requests_per_second", &format_args!("{it}"));
        }
        if let Some(it) = self.request_burst.map(Number::from) {
            all.field("request_burst", &format_args!("{it}"));
        }
        if let Some(it) = self.upload.map(BytesPerSecond) {
            all.field("upload", &format_args!("{it}"));
        }
        if let Some(it) = self.download.map(BytesPerSecond) {
            all.field("download", &format_args!("{it}"));
        }
        if let Some(it) = self.upload_burst.map(Bytes) {
            all.field("upload_burst", &format_args!("{it}"));
        }
        if let Some(it) = self.download_burst.map(Bytes) {
            all.field("download_burst", &format_args!("{it}"));
        }
        if let Some(it) = self.bytes_per_day.map(Bytes) {
            all.field("bytes_per_day", &format_args!("{it}"));
        }
        if let Some(it) = self.bytes_per_month.map(Bytes) {
            all.field("bytes_per_month", &format_args!("{it}"));
        }
        if let Some(it) = self.associations.map(Number::from) {
            all.field("associations", &format_args!("{it}"));
        }
        if let Some(it) = self.binds.map(Number::from) {
            all.field("binds", &format_args!("{it}"));
        }
        if let Some(it) = self.sessions.map(Number::from) {
            all.field("sessions", &format_args!("{it}"));
        }
        all.finish()
    }
}
