//! Tables of directories that this build does not have: they say how to build one that has.

/// A table that nobody can have.
macro_rules! unbuilt {
    ($module:ident, $feature:literal, $what:literal) => {
        #[cfg(not(feature = $feature))]
        pub(crate) mod $module {
            use serde::{Deserialize, Deserializer, de};

            use crate::directories::Directory;

            #[derive(Clone, Debug)]
            pub(crate) enum Table {}

            impl Table {
                pub(crate) const fn has_secret(&self) -> bool {
                    match *self {}
                }

                pub(crate) const fn directory(&self) -> Result<Directory, String> {
                    match *self {}
                }
            }

            impl<'de> Deserialize<'de> for Table {
                fn deserialize<D: Deserializer<'de>>(_: D) -> Result<Self, D::Error> {
                    Err(de::Error::custom(concat!(
                        "this server is built without ",
                        $what,
                        ": build it by `cargo build --release --example server --features ",
                        $feature,
                        "`"
                    )))
                }
            }
        }
    };
}

unbuilt!(http_auth, "http-auth", "verification by HTTP");
unbuilt!(ldap, "ldap", "LDAP");
unbuilt!(postgres, "postgres", "PostgreSQL");

#[cfg(not(feature = "radius"))]
pub(crate) mod radius {
    //! A table that has accounting beside a directory.

    use serde::{Deserialize, Deserializer};

    use crate::{accounting::Stated, directories::Directory};

    unbuilt!(table, "radius", "RADIUS");

    #[derive(Clone, Debug)]
    pub(crate) struct Table(table::Table);

    impl Table {
        pub(crate) const fn has_secret(&self) -> bool {
            self.0.has_secret()
        }

        pub(crate) fn directory(&self) -> Result<Option<Directory>, String> {
            self.0.directory().map(Some)
        }

        pub(crate) const fn is_directory(&self) -> bool {
            match self.0 {}
        }

        pub(crate) const fn accounting(&self) -> Result<Option<Stated>, String> {
            match self.0 {}
        }
    }

    impl<'de> Deserialize<'de> for Table {
        fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
            table::Table::deserialize(deserializer).map(Self)
        }
    }
}
