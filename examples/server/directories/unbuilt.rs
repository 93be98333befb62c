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

unbuilt!(ldap, "ldap", "LDAP");
unbuilt!(postgres, "postgres", "PostgreSQL");
