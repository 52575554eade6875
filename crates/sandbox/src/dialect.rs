//! Variations of the simulated appliance, as real appliances show them: named, several at once.
//!
//! Most are pure: [`answer`] rewrites the JSON of one answer after its handler made it, record by record ([`scene`]).
//! Which records change depends on their ids, never on chance. `refusals` holds the requests that a dialect answers with an
//! error. The oracle uses [`scene`] for the cells that keep what the server wrote, and nothing else of this module.

mod catalogue;
mod dates;
mod guid;
mod odd;
mod place;
mod refusals;
mod response;
mod safe;
mod scalars;
mod scene;
mod scim;

pub(super) use guid::{folded, with_plain_ids};
pub(super) use place::{ApiPlace, InterfaceFamily, RecordKind};
pub(super) use refusals::{has_no_record, is_unread, refusal};
pub(super) use response::EditableResponse;
pub(super) use safe::is_directory_group;
pub(super) use scene::Scene;

use super::surface::Surface;
use catalogue::{CATALOGUE, COUNT, DialectInfo};

/// One variation.
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

/// What a correct reader can no longer know.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Loss {
    /// Nothing: only the wording differs. The inventory is the same, cell by cell, except for what `extra` quotes.
    Nothing,
    /// Single cells: the row stays, the cell is null, repaired or inferred.
    Values,
    /// Lists or records below a listed object: the object stays, what depends on them is unknown, the source is partial.
    Below,
    /// Whole lists: the source fails.
    Lists,
    /// Something that this product or version does not offer: unknown, and the source is complete.
    NotOffered,
}

impl Dialect {
    /// All of them, in the order of their names in the help.
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

    /// Parses a name.
    pub fn parse(name: &str) -> Option<Self> {
        CATALOGUE.iter().find(|entry| entry.name == name).map(|entry| entry.dialect)
    }

    /// Describes it in one line, for the help.
    pub fn description(self) -> &'static str {
        self.entry().description
    }

    /// Returns whether the answers of an interface change at all.
    pub fn applies_to(self, surface: Surface) -> bool {
        self.entry().surfaces.contains(&surface)
    }

    /// Returns what a correct reader can no longer know.
    pub fn loss(self) -> Loss {
        self.entry().loss
    }

    fn entry(self) -> &'static DialectInfo {
        // `tests::dialect` checks that the catalogue has the order of the variants.
        &CATALOGUE[self as usize]
    }
}
