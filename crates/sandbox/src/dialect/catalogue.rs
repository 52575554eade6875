//! The catalogue of all dialects: name, interfaces, loss, description.

use super::Dialect::{
    self, BareMembers, BrokenText, ByteOrderMark, CappedPages, Deflate, DirectoryGroups, DoubleUser, EightBusy,
    EmptyWithTotal, FirstMembersNotFound, FloatIntegers, ForeignDates, ForeignMemberTypes, GuidIds, IgnoresInactive,
    LowerCaseKeys, MembersFailing, MembersForbidden, MembersGone, MembersNotFound, NoContent, NoGroups, NoIsActive,
    NoUserType, NullLists, NumberBooleans, ObjectIds, OddValues, PageTotals, PascalCaseKeys, RawBasic, RecordsNotFound,
    RefMembers, ShortLists, ShortPages, SilentNever, SingleValues, TextBooleans, TextNumbers, VendorUsersNotFound,
    WrongKeys, ZeroTotals,
};
use super::Loss::{self, Below, Lists, NotOffered, Nothing, Values};
use crate::surface::Surface::{self, Guide, PasswordSafe, Pra, Rs, Scim};

/// Number of dialects.
pub(super) const COUNT: usize = 42;

/// A row of the catalogue.
pub(super) struct DialectInfo {
    pub(super) dialect: Dialect,
    pub(super) name: &'static str,
    pub(super) surfaces: &'static [Surface],
    pub(super) loss: Loss,
    pub(super) description: &'static str,
}

const EVERY: &[Surface] = &Surface::ALL;
const CONFIGURATION: &[Surface] = &[Pra, Rs];
const MEMBER_LISTS: &[Surface] = &[Pra, Rs, PasswordSafe];
const PAGED: &[Surface] = &[Guide, Pra, Rs, Scim];
const SCIM: &[Surface] = &[Scim];
const SAFE: &[Surface] = &[PasswordSafe];

const fn entry(
    dialect: Dialect,
    name: &'static str,
    surfaces: &'static [Surface],
    loss: Loss,
    description: &'static str,
) -> DialectInfo {
    DialectInfo { dialect, name, surfaces, loss, description }
}

/// All dialects, in the order of the variants.
#[rustfmt::skip]
pub(super) const CATALOGUE: [DialectInfo; COUNT] = [
    entry(TextBooleans, "text-booleans", EVERY, Nothing, "booleans are texts: \"true\", \"False\", \"TRUE\", by row"),
    entry(NumberBooleans, "number-booleans", EVERY, Nothing, "booleans are 1 and 0"),
    entry(TextNumbers, "text-numbers", EVERY, Nothing, "totals, counts and numeric ids are texts"),
    entry(FloatIntegers, "float-integers", EVERY, Nothing, "totals, counts and numeric ids have a fraction: 5.0"),
    entry(ObjectIds, "object-ids", &[Guide], Nothing, "group_memberships contains objects, or is a single id, by row"),
    entry(ByteOrderMark, "byte-order-mark", EVERY, Nothing, "every JSON response starts with EF BB BF, token responses too"),
    entry(Deflate, "deflate", EVERY, Nothing, "every response is compressed with deflate (zlib), even if the client does not accept it"),
    entry(NoContent, "no-content", EVERY, Nothing, "an empty list is answered with 204 and no body"),
    entry(NullLists, "null-lists", &[Guide, Scim], Nothing, "an empty list is null, with a total of 0"),
    entry(ForeignDates, "foreign-dates", EVERY, Nothing, "dates are /Date(ms)/, epoch seconds or milliseconds, or in other notations, by row"),
    entry(LowerCaseKeys, "lower-case-keys", SCIM, Nothing, "attribute names are in lower case"),
    entry(PascalCaseKeys, "pascal-case-keys", SCIM, Nothing, "attribute names start with a capital letter"),
    entry(BareMembers, "bare-members", SCIM, Nothing, "members are texts or numbers instead of objects, by group"),
    entry(SingleValues, "single-values", SCIM, Nothing, "a list of one object is that object"),
    entry(RefMembers, "ref-members", SCIM, Nothing, "members have only $ref, absolute or relative, by group"),
    entry(ForeignMemberTypes, "foreign-member-types", SCIM, Nothing, "the type of a member is missing or an unknown word"),
    entry(GuidIds, "guid-ids", SCIM, Nothing, "ids are GUIDs in lower case, references to them in upper case"),
    entry(ShortLists, "short-lists", SCIM, Nothing, "the list of groups leaves out members that the group's own record has"),
    entry(PageTotals, "page-totals", PAGED, Nothing, "the total is the number of rows of the page"),
    entry(ShortPages, "short-pages", PAGED, Nothing, "a page has at most 13 rows; total, page size and number of pages are those of the request"),
    entry(CappedPages, "capped-pages", PAGED, Nothing, "a page has at most 13 rows, and everything reported says that these are all"),
    entry(ZeroTotals, "zero-totals", PAGED, Nothing, "the total is 0, also next to rows"),
    entry(DoubleUser, "double-user", EVERY, Below, "the first user is listed twice, the second time with another name"),
    entry(RawBasic, "raw-basic", PAGED, Nothing, "the token endpoint accepts only HTTP Basic and compares the raw secret byte by byte"),
    entry(EightBusy, "eight-busy", EVERY, Nothing, "the first eight requests of the API get 429 without Retry-After"),
    entry(OddValues, "odd-values", EVERY, Values, "one field of most records has an unexpected type, by row"),
    entry(BrokenText, "broken-text", EVERY, Values, "names contain lone surrogates or bytes that are not UTF-8, by row"),
    entry(MembersNotFound, "members-not-found", MEMBER_LISTS, Below, "the member list of every group returns 404"),
    entry(FirstMembersNotFound, "first-members-not-found", MEMBER_LISTS, Below, "the member list of the first group returns 404, in HTML"),
    entry(MembersGone, "members-gone", MEMBER_LISTS, Below, "the member list of every group returns 410"),
    entry(MembersForbidden, "members-forbidden", MEMBER_LISTS, Below, "the member list of every group with an even id returns 403"),
    entry(MembersFailing, "members-failing", MEMBER_LISTS, Below, "the member list of the last group always returns 500"),
    entry(VendorUsersNotFound, "vendor-users-not-found", &[Pra], Below, "the user list of every vendor returns 404"),
    entry(RecordsNotFound, "records-not-found", &[Guide, PasswordSafe], Below, "lists are sparse, and the own record of every third user returns 404"),
    entry(WrongKeys, "wrong-keys", &[Guide, Scim], Lists, "lists are under other keys: Data and TotalCount, or Items"),
    entry(EmptyWithTotal, "empty-with-total", PAGED, Lists, "lists have no rows and a total above 0"),
    entry(NoIsActive, "no-is-active", SAFE, Values, "users have no IsActive, as in older versions; includeInactive works"),
    entry(IgnoresInactive, "ignores-inactive", SAFE, NotOffered, "users have no IsActive, and inactive ones are never listed"),
    entry(NoUserType, "no-user-type", SAFE, Values, "only application users have a UserType"),
    entry(DirectoryGroups, "directory-groups", SAFE, NotOffered, "some groups belong to a directory; reading their members counts as a synchronisation"),
    entry(SilentNever, "silent-never", CONFIGURATION, NotOffered, "last_authentication is absent for an account that never signed in"),
    entry(NoGroups, "no-groups", SCIM, NotOffered, "/Groups returns 501, and users have no groups"),
];
