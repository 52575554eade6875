//! The data dictionary: what each column means, and what null means there. Plain text.
//!
//! `README.txt` of a snapshot prints it. `docs/data-dictionary.md` begins each description with the same words and may
//! add to them; a test compares the two.

/// Description of one column.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ColumnText {
    /// Name of the column.
    pub name: &'static str,
    /// Meaning of null; `None` for a column that always has a value.
    pub null: Option<&'static str>,
    /// Meaning of a value, in one line.
    pub meaning: &'static str,
}

const fn always(name: &'static str, meaning: &'static str) -> ColumnText {
    ColumnText { name, null: None, meaning }
}

const fn or_null(name: &'static str, null: &'static str, meaning: &'static str) -> ColumnText {
    ColumnText { name, null: Some(null), meaning }
}

const UNREPORTED: &str = "not reported";
const UNKNOWN: &str = "unknown";
const NAMELESS: &str = "no name is reported";
const NO_RECORD: &str = "no user record, or not reported";
const SOURCE: ColumnText = always("source", "name of the source in the configuration");
const EXTRA: ColumnText = or_null("extra", "none", "every other field that the product reported, as a JSON object");
const OF_USER: &str = "last successful sign-in";

pub(super) const USERS: &[ColumnText] = &[
    SOURCE,
    always("id", "the product's own id, as text"),
    or_null("username", UNREPORTED, "name that the account signs in with"),
    or_null("display_name", UNREPORTED, "name for people"),
    or_null("email_address", UNREPORTED, "e-mail address as the product has it"),
    or_null("enabled", UNKNOWN, "whether the account may sign in"),
    or_null("account_type", UNREPORTED, "type in the words of the product"),
    always("kind", "person, service, vendor or break-glass"),
    always("group_memberships", "ids of the groups that hold the account"),
    always("groups_known", "false where the account may be in more groups"),
    or_null("public_key", UNREPORTED, "public SSH key"),
    or_null("last_login", "see last_login_status", OF_USER),
    always("last_login_status", "at (a date), never, not-reported, unreadable"),
    or_null("created_at", "not reported, or unreadable", "creation of the account"),
    or_null("locale", UNREPORTED, "language of the account"),
    or_null("is_admin", UNKNOWN, "administrator by the account's own record"),
    or_null("mfa", UNKNOWN, "whether the account has a second factor"),
    or_null("expires_at", "no end is reported", "instant from which the account cannot sign in"),
    or_null("is_privileged", UNKNOWN, "administrator, or member of a privileged group"),
    always("group_names", "names of the groups in group_memberships, in the same order"),
    or_null("person", "not the account of one person, or no e-mail address", "key of the person across products"),
    or_null("blocked", "not blocked, or not reported", "why an enabled account cannot sign in"),
    or_null("signs_in_by", UNREPORTED, "method of the last sign-in"),
    or_null("inferred_type", "the type is reported, or cannot be inferred", "where the password is checked, inferred"),
    or_null("groups_confirmed_at", "never known", "newest run that knew all groups of the account"),
    or_null(
        "enabled_since",
        "no such change was seen, or the account signed in or was disabled since",
        "run that saw the account enabled after it was disabled",
    ),
    always("first_seen", "run that saw the account first"),
    always("confirmed_at", "run that last read the account"),
    or_null("unconfirmed_since", "not missing", "first run in which the account was missing from a list"),
    EXTRA,
];

pub(super) const GROUPS: &[ColumnText] = &[
    SOURCE,
    always("id", "the product's own id, as text"),
    or_null("name", UNREPORTED, "name of the group"),
    or_null("description", UNREPORTED, "description"),
    always("privileged", "whether privileged_groups of the configuration matches it"),
    or_null("member_count", UNKNOWN, "number of memberships with a listed user"),
    or_null("external_member_count", UNKNOWN, "number of members that exist in a directory only"),
    or_null("owner", "no entry of [[policy.group_owners]] matches", "who answers for the members of the group"),
    or_null("members_confirmed_at", "never known", "newest run that knew all members of this group"),
    always("first_seen", "run that saw the group first"),
    always("confirmed_at", "run that last read the group"),
    EXTRA,
];

pub(super) const MEMBERSHIPS: &[ColumnText] = &[
    SOURCE,
    always("group_id", "id of the group"),
    or_null("group_name", "the group is not listed or has no name", "name of the group"),
    or_null("user_id", "the member exists in a directory only", "id of the user"),
    or_null("username", NO_RECORD, "name of the user"),
    always("via", "direct, or directory-group"),
    or_null("external_name", "direct membership", "name of the directory object, or of the group in between"),
    or_null("email_address", NO_RECORD, "e-mail address of the user"),
    or_null("enabled", "no user record, or unknown", "whether the user may sign in"),
    or_null("last_login", "no user record, or see last_login_status of users", OF_USER),
    always("first_seen", "run that saw the membership first"),
    always("confirmed_at", "run that last read the membership"),
];

pub(super) const FINDINGS: &[ColumnText] = &[
    SOURCE,
    always("fingerprint", "identity over runs"),
    always("rule", "id of the rule"),
    always("severity", "info, low, medium, high, critical"),
    always("status", "new, open, reopened, excepted, resolved"),
    always("subject_kind", "user, group, source"),
    always("subject_id", "id of the subject"),
    or_null("subject_name", NAMELESS, "name of the subject"),
    or_null("subject_display_name", "no user, or not reported", "name of the user for people"),
    or_null("subject_email", "no user, or not reported", "e-mail address of the user"),
    always("title", "the finding in one line"),
    always("evidence", "JSON object with everything that is needed to recompute the finding"),
    always("action", "what to do"),
    always("controls", "ids of the controls that the rule is relevant to"),
    always("first_seen", "run that found it first"),
    always("last_seen", "run that found it last"),
    or_null("exception", "no exception covers it", "the accepted exception"),
];

pub(super) const CHANGES: &[ColumnText] = &[
    SOURCE,
    always("event_id", "identity of the event"),
    always("kind", "kind of change"),
    always("subject_kind", "user, or group"),
    always("subject_id", "id of the subject"),
    or_null("subject_name", NAMELESS, "name of the subject"),
    or_null("field", "the whole row changed", "name of the field that changed"),
    or_null("before", "added, unconfirmed, or there was no value", "value before"),
    or_null("after", "removed, unconfirmed, or cleared", "value after"),
    always("base_run", "run id of the snapshot compared with"),
];

pub(super) const RESOLVED: &[ColumnText] = &[
    SOURCE,
    always("fingerprint", "identity of the finding"),
    always("rule", "id of the rule"),
    always("subject_kind", "user, group, source"),
    always("subject_id", "id of the subject"),
    or_null("subject_name", NAMELESS, "name of the subject"),
    always("first_seen", "run that found it first"),
    always("last_seen", "run that found it last"),
    always("times_seen", "number of instants (as_of) at which it was found"),
    always("resolved_at", "run that resolved it"),
];

/// Columns of `review.csv`.
pub const REVIEW: &[ColumnText] = &[
    always("row_key", "identity of the row over runs"),
    SOURCE,
    always("group_id", "id of the group"),
    or_null("group_name", "the group is not listed or has no name", "name of the group"),
    or_null("group_owner", "no entry of [[policy.group_owners]] matches", "who answers for the members of the group"),
    or_null("group_privileged", "the group is not listed", "whether privileged_groups of the configuration matches it"),
    or_null("user_id", "the member exists in a directory only", "id of the user"),
    or_null("username", NO_RECORD, "name of the user"),
    or_null("display_name", NO_RECORD, "name for people"),
    or_null("email_address", NO_RECORD, "e-mail address of the user"),
    or_null("person", "not the account of one person, or no e-mail address", "key of the person across products"),
    or_null("kind", "no user record", "person, service, vendor or break-glass"),
    or_null("enabled", "no user record, or unknown", "whether the user may sign in"),
    or_null("last_login", "no user record, or see last_login_status of users", OF_USER),
    always("findings", "ids of the rules that have an unresolved finding about the user"),
    always("confirmed_at", "run that last read the membership"),
    or_null("decision", "not decided yet", "keep, revoke or change"),
    or_null("decided_by", "not decided yet", "who decided"),
    or_null("decided_on", "not decided yet", "day of the decision"),
    or_null("comment", "no comment", "reason of the decision"),
];
