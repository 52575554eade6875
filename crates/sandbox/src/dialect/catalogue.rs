//! The table of all dialects: name, interfaces, loss, description.

use super::super::surface::Surface::{self, Guide, PasswordSafe, Pra, Rs, Scim};
use super::Dialect::{
    self, BareMembers, BrokenText, ByteOrderMark, Deflate, DirectoryGroups, EightBusy, EmptyWithTotal,
    FirstMembersNotFound, FloatIntegers, ForeignDates, ForeignMemberTypes, GuidIds, IgnoresInactive, LowerCaseKeys,
    MembersFailing, MembersForbidden, MembersGone, MembersNotFound, NoContent, NoGroups, NoIsActive, NoUserType,
    NullLists, NumberBooleans, ObjectIds, OddValues, PageTotals, PascalCaseKeys, RawBasic, RecordsNotFound, RefMembers,
    ShortLists, SilentNever, SingleValues, TextBooleans, TextNumbers, VendorUsersNotFound, WrongKeys,
};
use super::Loss::{self, Below, Lists, NotOffered, Nothing, Values};

/// Number of dialects.
pub(super) const COUNT: usize = 38;

/// One line of the table.
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

/// In the order of the variants.
#[rustfmt::skip]
pub(super) const CATALOGUE: [DialectInfo; COUNT] = [
    entry(TextBooleans, "text-booleans", EVERY, Nothing, "booleans are texts: \"true\", \"False\", \"TRUE\", by row"),
    entry(NumberBooleans, "number-booleans", EVERY, Nothing, "booleans are 1 and 0"),
    entry(TextNumbers, "text-numbers", EVERY, Nothing, "totals, counts and numeric ids are texts"),
    entry(FloatIntegers, "float-integers", EVERY, Nothing, "totals, counts and numeric ids have a fraction: 5.0"),
    entry(ObjectIds, "object-ids", &[Guide], Nothing, "group_memberships holds objects, or is a single id, by row"),
    entry(ByteOrderMark, "byte-order-mark", EVERY, Nothing, "every JSON answer begins with EF BB BF, token answers too"),
    entry(Deflate, "deflate", EVERY, Nothing, "every answer is compressed by deflate (zlib), also where nobody asks for it"),
    entry(NoContent, "no-content", EVERY, Nothing, "an empty list is answered with 204 and no body"),
    entry(NullLists, "null-lists", &[Guide, Scim], Nothing, "an empty list is null, with a total of 0"),
    entry(ForeignDates, "foreign-dates", EVERY, Nothing, "dates are /Date(ms)/, epoch seconds or milliseconds, or in other notations, by row"),
    entry(LowerCaseKeys, "lower-case-keys", SCIM, Nothing, "names of attributes are in lower case"),
    entry(PascalCaseKeys, "pascal-case-keys", SCIM, Nothing, "names of attributes begin with a capital letter"),
    entry(BareMembers, "bare-members", SCIM, Nothing, "members are texts or numbers instead of objects, by group"),
    entry(SingleValues, "single-values", SCIM, Nothing, "a list of one object is that object"),
    entry(RefMembers, "ref-members", SCIM, Nothing, "members carry $ref alone, absolute or relative, by group"),
    entry(ForeignMemberTypes, "foreign-member-types", SCIM, Nothing, "the type of a member is missing or a foreign word"),
    entry(GuidIds, "guid-ids", SCIM, Nothing, "ids are GUIDs in lower case, references to them in upper case"),
    entry(ShortLists, "short-lists", SCIM, Nothing, "the list of groups leaves out members that the group's own record has"),
    entry(PageTotals, "page-totals", PAGED, Nothing, "the total is the number of rows of the page"),
    entry(RawBasic, "raw-basic", PAGED, Nothing, "the token endpoint takes HTTP Basic only, and compares the raw secret byte by byte"),
    entry(EightBusy, "eight-busy", EVERY, Nothing, "the first eight requests of the API answer 429 without Retry-After"),
    entry(OddValues, "odd-values", EVERY, Values, "one field of most records has a type that nobody expects, by row"),
    entry(BrokenText, "broken-text", EVERY, Values, "names hold lone surrogates or bytes that are not UTF-8, by row"),
    entry(MembersNotFound, "members-not-found", MEMBER_LISTS, Below, "the members of every group answer 404"),
    entry(FirstMembersNotFound, "first-members-not-found", MEMBER_LISTS, Below, "the members of the first group answer 404, in HTML"),
    entry(MembersGone, "members-gone", MEMBER_LISTS, Below, "the members of every group answer 410"),
    entry(MembersForbidden, "members-forbidden", MEMBER_LISTS, Below, "the members of every group with an even id answer 403"),
    entry(MembersFailing, "members-failing", MEMBER_LISTS, Below, "the members of the last group always answer 500"),
    entry(VendorUsersNotFound, "vendor-users-not-found", &[Pra], Below, "the users of every vendor answer 404"),
    entry(RecordsNotFound, "records-not-found", &[Guide, PasswordSafe], Below, "lists are sparse, and the own record of every third user answers 404"),
    entry(WrongKeys, "wrong-keys", &[Guide, Scim], Lists, "lists are under other keys: Data and TotalCount, or Items"),
    entry(EmptyWithTotal, "empty-with-total", PAGED, Lists, "lists have no rows and a total above 0"),
    entry(NoIsActive, "no-is-active", SAFE, Values, "users have no IsActive, as in older versions; includeInactive works"),
    entry(IgnoresInactive, "ignores-inactive", SAFE, NotOffered, "users have no IsActive, and inactive ones are never listed"),
    entry(NoUserType, "no-user-type", SAFE, Values, "only application users have a UserType"),
    entry(DirectoryGroups, "directory-groups", SAFE, NotOffered, "some groups belong to a directory; reading their members counts as a synchronisation"),
    entry(SilentNever, "silent-never", CONFIGURATION, NotOffered, "last_authentication is absent for an account that never signed in"),
    entry(NoGroups, "no-groups", SCIM, NotOffered, "there is no /Groups (501), and users carry no groups"),
];
