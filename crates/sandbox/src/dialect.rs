//! Dialects: the ways in which real appliances deviate from the documentation. Each has a name; several can be used at
//! once.
//!
//! Most dialects are pure: they rewrite the JSON of a response after its handler made it, record by record
//! ([`context`]). Which records change depends on their ids, never on chance. `refusals` holds the requests that a
//! dialect answers with an error. The oracle uses [`context`] to expect the cells that quote what the server wrote, and
//! nothing else of this module.

mod catalogue;
mod context;
mod dates;
mod guid;
mod pages;
mod refusals;
mod response;
mod safe;
mod scalars;
mod scim;
mod target;
mod unexpected;

pub(super) use context::DialectContext;
pub(super) use guid::{folded, with_plain_ids};
pub(crate) use pages::{ListWindow, offset_of_users};
pub(super) use refusals::{has_no_record, is_unread, refusal};
pub(super) use response::EditableResponse;
pub(super) use safe::is_directory_group;
pub(super) use target::{InterfaceFamily, RecordKind, RequestTarget};

use crate::surface::Surface;
use catalogue::{CATALOGUE, COUNT, DialectInfo};

/// A way in which real appliances deviate from the documentation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[expect(missing_docs, reason = "each is described once, in the catalogue")]
pub enum Dialect {
    TextBooleans,
    NumberBooleans,
    TextNumbers,
    FloatIntegers,
    ObjectIds,
    ByteOrderMark,
    Deflate,
    NoContent,
    NullLists,
    ForeignDates,
    LowerCaseKeys,
    PascalCaseKeys,
    BareMembers,
    SingleValues,
    RefMembers,
    ForeignMemberTypes,
    GuidIds,
    ShortLists,
    PageTotals,
    ShortPages,
    CappedPages,
    ZeroTotals,
    DoubleUser,
    RawBasic,
    EightBusy,
    OddValues,
    BrokenText,
    MembersNotFound,
    FirstMembersNotFound,
    MembersGone,
    MembersForbidden,
    MembersFailing,
    VendorUsersNotFound,
    RecordsNotFound,
    WrongKeys,
    EmptyWithTotal,
    NoIsActive,
    IgnoresInactive,
    NoUserType,
    DirectoryGroups,
    SilentNever,
    NoGroups,
}

/// The loss of information that even a correct reader cannot avoid.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Loss {
    /// Nothing is lost: only the wording differs. Every cell stays the same, except for what `extra` quotes.
    Nothing,
    /// Single cells are lost: the row stays, and the cell is null, repaired or inferred.
    Values,
    /// Lists or records below a listed object are lost. The object stays, what depends on them is unknown, and the
    /// source is partial.
    Below,
    /// Whole lists are lost: the source fails.
    Lists,
    /// This product or version does not offer something. It is unknown, and the source is complete.
    NotOffered,
}

impl Dialect {
    /// All dialects, in the order of the help.
    pub const ALL: [Self; COUNT] = {
        let mut all = [Self::TextBooleans; COUNT];
        let mut at = 0;
        while at < COUNT {
            all[at] = CATALOGUE[at].dialect;
            at += 1;
        }
        all
    };

    /// Returns the name that `--dialect` takes.
    pub fn as_str(self) -> &'static str {
        self.entry().name
    }

    /// Returns the dialect with this name.
    pub fn parse(name: &str) -> Option<Self> {
        CATALOGUE.iter().find(|entry| entry.name == name).map(|entry| entry.dialect)
    }

    /// Returns a description in one line, for the help.
    pub fn description(self) -> &'static str {
        self.entry().description
    }

    /// Returns whether the dialect changes any response of an interface.
    pub fn applies_to(self, surface: Surface) -> bool {
        self.entry().surfaces.contains(&surface)
    }

    /// Returns the loss of information that even a correct reader cannot avoid.
    pub(crate) fn loss(self) -> Loss {
        self.entry().loss
    }

    fn entry(self) -> &'static DialectInfo {
        // `tests::dialects` checks that the catalogue has the order of the variants.
        &CATALOGUE[self as usize]
    }
}
