//! Amounts as people write them.

use tower_socks::session::{Amounts, Bytes, BytesPerSecond};

#[test]
fn sizes_are_read_as_people_write_them() {
    for (text, bytes) in [
        ("0", Some(0)),
        ("500 GB", Some(500_000_000_000)),
        ("500GB", Some(500_000_000_000)),
        (" 500 GB ", Some(500_000_000_000)),
        ("1.5 GiB", Some(1_610_612_736)),
        ("0.1 KiB", Some(102)),
        ("1_000", Some(1_000)),
        ("18446744073709551614", Some(u64::MAX - 1)),
        ("off", Some(u64::MAX)),
        // More than there is room for, and what nobody can tell.
        ("18446744073709551615", None),
        ("18446744073709551616", None),
        ("16384 PiB", None),
        ("99999999999999999999999999 GB", None),
        ("1.00000000000000000000000001 GB", None),
        ("", None),
        ("GB", None),
        ("-1", None),
        ("+1", None),
        ("1.", None),
        (".5 GB", None),
        ("_1", None),
        ("1.2.3", None),
        ("1,5 GB", None),
        ("5 gb", None),
        ("5 G", None),
        ("5 GB/s", None),
        ("5 Gbit", None),
        ("5 GB GB", None),
        ("Off", None),
        ("٣ GB", None),
    ] {
        assert_eq!(text.parse().ok(), bytes.map(Bytes), "{text}");
    }
}

#[test]
fn rates_have_bits_and_bytes() {
    for (text, bytes) in [
        ("10 Mbit/s", Some(1_250_000)),
        ("10Mbps", Some(1_250_000)),
        ("2 MB/s", Some(2_000_000)),
        ("2 MiB /s", Some(2_097_152)),
        ("1.5 kbit/s", Some(187)),
        ("7 bit/s", Some(0)),
        ("2000000", Some(2_000_000)),
        ("off", Some(u64::MAX)),
        ("10 Mbit", None),
        ("10M", None),
        ("2 MB", None),
        ("2 mb/s", None),
        ("2 MBps", None),
        ("2 /s", None),
        ("bps", None),
        ("é/s", None),
    ] {
        assert_eq!(text.parse().ok(), bytes.map(BytesPerSecond), "{text}");
    }
}

#[test]
fn what_is_written_reads_the_same() {
    for bytes in [
        0,
        1,
        999,
        1_000,
        1_024,
        1_500,
        10_485_760,
        u64::MAX - 1,
        u64::MAX,
    ] {
        assert_eq!(Bytes(bytes).to_string().parse(), Ok(Bytes(bytes)));
        let rate = BytesPerSecond(bytes);
        assert_eq!(rate.to_string().parse(), Ok(rate));
    }
}

#[test]
fn a_table_states_some_of_them() {
    let amounts: Amounts = toml::from_str(
        "tunnels = 5\nupload = \"10 Mbit/s\"\nbytes_per_month = \"500 GB\"\nbinds = \"off\"\n\
         requests_per_second = 5_000_000_000\ndownload_burst = 1_000",
    )
    .unwrap();
    let expected = Amounts::new()
        .tunnels(5)
        .upload(1_250_000)
        .bytes_per_month(500_000_000_000)
        .binds(usize::MAX)
        .requests_per_second(u32::MAX)
        .download_burst(1_000);
    assert_eq!(amounts, expected);
    let written = toml::to_string(&amounts).unwrap();
    assert_eq!(
        written,
        "tunnels = 5\nrequests_per_second = \"off\"\nupload = \"1250 kB/s\"\ndownload_burst = \"1 kB\"\n\
         bytes_per_month = \"500 GB\"\nbinds = \"off\"\n"
    );
    assert_eq!(toml::from_str::<Amounts>(&written).unwrap(), expected);
    assert_eq!(
        format!("{amounts:?}"),
        "Amounts { tunnels: 5, requests_per_second: off, upload: 1250 kB/s, download_burst: 1 kB, \
         bytes_per_month: 500 GB, binds: off }"
    );
    for (text, problem) in [
        ("tunels = 5", "unknown field `tunels`, expected one of"),
        ("tunnels = -1", "an amount cannot be below zero"),
        (
            "tunnels = \"5 MB\"",
            "`5 MB` is no number: write it like 100, or \"off\"",
        ),
        ("tunnels = 1.5", "expected a number: write it like 100"),
        (
            "upload = \"10 MB\"",
            "`10 MB` is no rate: write it like 2000000, \"2 MB/s\"",
        ),
        (
            "bytes_per_day = \"5 Gbit\"",
            "`5 Gbit` is no size: write it like",
        ),
    ] {
        let error = toml::from_str::<Amounts>(text).unwrap_err().to_string();
        assert!(error.contains(problem), "{text}: {error}");
    }
}

#[test]
fn amounts_are_put_together() {
    let own = Amounts::new().tunnels(1).binds(0);
    let others = Amounts::new().tunnels(9).sessions(9);
    let both = own.clone().or(&others);
    assert_eq!(both, Amounts::new().tunnels(1).binds(0).sessions(9));
    let larger = own.larger(&others);
    assert_eq!(larger, Amounts::new().tunnels(9).binds(0).sessions(9));

    let mut set = Amounts::new();
    for name in Amounts::NAMES {
        set.set(name, "7").unwrap();
    }
    assert_eq!(
        format!("{set:?}").matches(": 7").count(),
        Amounts::NAMES.len()
    );
    let before = set.clone();
    let error = set.set("tunnel", "7").unwrap_err().to_string();
    assert!(error.starts_with("there is no amount `tunnel`: use one of tunnels, "));
    let long = "x".repeat(100_000);
    assert!(set.set("tunnels", &long).unwrap_err().to_string().len() < 200);
    assert_eq!(set, before);
}
