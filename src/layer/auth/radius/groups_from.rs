//! Where groups of a user are.

/// The attribute of an Access-Accept whose values are the groups of a user.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum GroupsFrom {
    /// Filter-Id (RFC 2865 section 5.11).
    #[default]
    FilterId,
    /// Class (RFC 2865 section 5.25).
    Class,
}
