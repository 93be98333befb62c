//! The attributes of RADIUS that are used here, and what values of them mean.

pub(super) const USER_NAME: u8 = 1;
pub(super) const USER_PASSWORD: u8 = 2;
pub(super) const SERVICE_TYPE: u8 = 6;
pub(super) const FILTER_ID: u8 = 11;
pub(super) const REPLY_MESSAGE: u8 = 18;
pub(super) const CLASS: u8 = 25;
pub(super) const VENDOR_SPECIFIC: u8 = 26;
pub(super) const CALLED_STATION_ID: u8 = 30;
pub(super) const CALLING_STATION_ID: u8 = 31;
pub(super) const NAS_IDENTIFIER: u8 = 32;
pub(super) const ACCT_STATUS_TYPE: u8 = 40;
pub(super) const ACCT_DELAY_TIME: u8 = 41;
pub(super) const ACCT_INPUT_OCTETS: u8 = 42;
pub(super) const ACCT_OUTPUT_OCTETS: u8 = 43;
pub(super) const ACCT_SESSION_ID: u8 = 44;
pub(super) const ACCT_AUTHENTIC: u8 = 45;
pub(super) const ACCT_SESSION_TIME: u8 = 46;
pub(super) const ACCT_INPUT_PACKETS: u8 = 47;
pub(super) const ACCT_OUTPUT_PACKETS: u8 = 48;
pub(super) const ACCT_TERMINATE_CAUSE: u8 = 49;
pub(super) const ACCT_MULTI_SESSION_ID: u8 = 50;
pub(super) const ACCT_INPUT_GIGAWORDS: u8 = 52;
pub(super) const ACCT_OUTPUT_GIGAWORDS: u8 = 53;
pub(super) const EVENT_TIMESTAMP: u8 = 55;
pub(super) const NAS_PORT_TYPE: u8 = 61;
pub(super) const PORT_LIMIT: u8 = 62;
pub(super) const CONNECT_INFO: u8 = 77;
pub(super) const MESSAGE_AUTHENTICATOR: u8 = 80;
pub(super) const ACCT_INTERIM_INTERVAL: u8 = 85;

/// NAS-Port-Type: none that is a device.
pub(super) const VIRTUAL: u32 = 5;

/// Service-Type: the user is connected to a host.
pub(super) const LOGIN: u32 = 1;

/// Of the Wi-Fi Alliance, whose two attributes for bandwidth are what servers have.
pub(super) const WISPR: u32 = 14122;
pub(super) const WISPR_BANDWIDTH_MAX_UP: u8 = 7;
pub(super) const WISPR_BANDWIDTH_MAX_DOWN: u8 = 8;
