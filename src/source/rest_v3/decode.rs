//! The guide's shapes: JSON -> model. Every field is optional until seen; an absent key is "not told", never "none".
//! Fields named like a secret are dropped here, before anything is stored. Knows no paging and no HTTP.

use crate::model::{Extra, Group, GroupId, Instant, User, is_secret, without_secrets};
use crate::source::date::{self, Parsed, Raw};
use crate::source::record::Decoding;
pub(super) use crate::source::record::Id;
use crate::wire::Body;
use crate::wire::page::Row;
use serde::de::value::{MapAccessDeserializer, SeqAccessDeserializer};
use serde::de::{Deserialize, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Value};
use std::fmt;

/// What may stand in a field of any type.
trait Scalar: Sized {
    fn null() -> Self;
    fn text(text: &str) -> Self;
    /// Anything but null and text, as JSON, secrets removed.
    fn other(json: String) -> Self;
}

struct ScalarVisitor<T>(std::marker::PhantomData<T>);

impl<'de, T: Scalar> Visitor<'de> for ScalarVisitor<T> {
    type Value = T;
    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any value")
    }
    fn visit_str<E: Error>(self, text: &str) -> Result<T, E> {
        Ok(T::text(text))
    }
    fn visit_unit<E: Error>(self) -> Result<T, E> {
        Ok(T::null())
    }
    fn visit_bool<E: Error>(self, value: bool) -> Result<T, E> {
        Ok(T::other(value.to_string()))
    }
    fn visit_u64<E: Error>(self, value: u64) -> Result<T, E> {
        Ok(T::other(value.to_string()))
    }
    fn visit_i64<E: Error>(self, value: i64) -> Result<T, E> {
        Ok(T::other(value.to_string()))
    }
    fn visit_f64<E: Error>(self, value: f64) -> Result<T, E> {
        Ok(T::other(Value::from(value).to_string()))
    }
    fn visit_seq<A: SeqAccess<'de>>(self, seq: A) -> Result<T, A::Error> {
        let value = Value::deserialize(SeqAccessDeserializer::new(seq))?;
        Ok(T::other(without_secrets(value).to_string()))
    }
    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<T, A::Error> {
        let value = Value::deserialize(MapAccessDeserializer::new(map))?;
        Ok(T::other(without_secrets(value).to_string()))
    }
}

/// A text field: texts as they are, anything else as its JSON, null as none.
#[derive(Default)]
struct Text(Option<Box<str>>);

impl Scalar for Text {
    fn null() -> Self {
        Self(None)
    }
    fn text(text: &str) -> Self {
        Self(Some(text.into()))
    }
    fn other(json: String) -> Self {
        Self(Some(json.into()))
    }
}

impl<'de> Deserialize<'de> for Text {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ScalarVisitor(std::marker::PhantomData))
    }
}

/// A date field as it came; [`crate::source::date`] reads it. An instant, the common case, is read on the spot.
#[derive(Default)]
enum Date {
    #[default]
    Absent,
    Null,
    At(Parsed<Instant>),
    Text(Box<str>),
    Other(String),
}

impl Date {
    fn raw(&self) -> Raw<'_> {
        match self {
            Self::Absent => Raw::Absent,
            Self::Null => Raw::Null,
            Self::At(at) => Raw::At(*at),
            Self::Text(text) => Raw::Text(text),
            Self::Other(text) => Raw::Other(text),
        }
    }
}

impl Scalar for Date {
    fn null() -> Self {
        Self::Null
    }
    fn text(text: &str) -> Self {
        date::instant(text).map_or_else(|| Self::Text(text.into()), Self::At)
    }
    fn other(json: String) -> Self {
        Self::Other(json)
    }
}

impl<'de> Deserialize<'de> for Date {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ScalarVisitor(std::marker::PhantomData))
    }
}

/// A list's answer: the rows under their name, and a total where one is told.
pub(super) struct ListPage<T, const USERS: bool> {
    rows: Vec<T>,
    total: Option<u64>,
}

/// `{"users":[…],"total":n}`
pub(super) type UsersPage = ListPage<UserRecord, true>;
/// `{"groups":[…]}`
pub(super) type GroupsPage = ListPage<GroupRecord, false>;

impl<T, const USERS: bool> ListPage<T, USERS> {
    pub(super) fn total(&self) -> Option<u64> {
        self.total
    }
}

impl<'de, T: Deserialize<'de>, const USERS: bool> Deserialize<'de> for ListPage<T, USERS> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct PageVisitor<T, const USERS: bool>(std::marker::PhantomData<T>);
        impl<'de, T: Deserialize<'de>, const USERS: bool> Visitor<'de> for PageVisitor<T, USERS> {
            type Value = ListPage<T, USERS>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object with a list")
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let name = if USERS { "users" } else { "groups" };
                let (mut rows, mut total) = (None, None);
                while let Some(key) = map.next_key::<String>()? {
                    match key.as_str() {
                        "total" => total = map.next_value()?,
                        key if key == name => rows = Some(map.next_value()?),
                        _ => drop(map.next_value::<IgnoredAny>()?),
                    }
                }
                let rows = rows.ok_or_else(|| A::Error::missing_field(name))?;
                Ok(ListPage { rows, total })
            }
        }
        deserializer.deserialize_map(PageVisitor(std::marker::PhantomData))
    }
}

impl<T: for<'de> Deserialize<'de>, const USERS: bool> Body for ListPage<T, USERS> {
    fn rows(&self) -> Option<u64> {
        Some(self.rows.len() as u64)
    }
}

/// One user as the JSON says it.
#[derive(Default)]
pub(super) struct UserRecord {
    id: Option<Id>,
    username: Text,
    display_name: Text,
    email_address: Text,
    enabled: Option<bool>,
    account_type: Option<Text>,
    #[expect(clippy::option_option, reason = "outside: was the key there; inside: was it null")]
    group_memberships: Option<Option<Vec<Id>>>,
    public_key: Text,
    last_login: Date,
    created_at: Date,
    locale: Text,
    extra: Map<String, Value>,
}

impl<'de> Deserialize<'de> for UserRecord {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct UserVisitor;
        impl<'de> Visitor<'de> for UserVisitor {
            type Value = UserRecord;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a user")
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<UserRecord, A::Error> {
                let mut user = UserRecord::default();
                while let Some(key) = map.next_key::<std::borrow::Cow<'de, str>>()? {
                    match &*key {
                        "id" => user.id = Some(map.next_value()?),
                        "username" => user.username = map.next_value()?,
                        "display_name" => user.display_name = map.next_value()?,
                        "email_address" => user.email_address = map.next_value()?,
                        "enabled" => user.enabled = map.next_value()?,
                        "account_type" => user.account_type = Some(map.next_value()?),
                        "group_memberships" => user.group_memberships = Some(map.next_value()?),
                        "public_key" => user.public_key = map.next_value()?,
                        "last_login" => user.last_login = map.next_value()?,
                        "created_at" => user.created_at = map.next_value()?,
                        "locale" => user.locale = map.next_value()?,
                        name if is_secret(name) => drop(map.next_value::<IgnoredAny>()?),
                        _ => {
                            let value = map.next_value()?;
                            user.extra.insert(key.into_owned(), value);
                        }
                    }
                }
                if user.id.is_none() { Err(A::Error::missing_field("id")) } else { Ok(user) }
            }
        }
        deserializer.deserialize_map(UserVisitor)
    }
}

impl Body for UserRecord {}

/// One group as the JSON says it.
pub(super) struct GroupRecord {
    id: Id,
    name: Text,
    description: Text,
    extra: Map<String, Value>,
}

impl<'de> Deserialize<'de> for GroupRecord {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(serde::Deserialize)]
        struct Shape {
            id: Id,
            #[serde(default)]
            name: Text,
            #[serde(default)]
            description: Text,
            #[serde(flatten)]
            extra: Map<String, Value>,
        }
        let shape = Shape::deserialize(deserializer)?;
        Ok(Self { id: shape.id, name: shape.name, description: shape.description, extra: shape.extra })
    }
}

/// A user as the list or a record gave it.
pub(super) struct ListedUser {
    pub(super) id: Id,
    pub(super) user: User,
    /// Something that rules need was not told: the list may give less than the record.
    pub(super) sparse: bool,
}

impl ListedUser {
    /// What the record tells wins; what it does not tell stays as the list told it.
    pub(super) fn complete(&mut self, record: Self) {
        let list = std::mem::replace(&mut self.user, record.user);
        let user = &mut self.user;
        user.username = user.username.take().or(list.username);
        user.display_name = user.display_name.take().or(list.display_name);
        user.email_address = user.email_address.take().or(list.email_address);
        user.enabled = user.enabled.or(list.enabled);
        user.account_type = user.account_type.take().or(list.account_type);
        if !user.groups_known {
            user.group_memberships = list.group_memberships;
            user.groups_known = list.groups_known;
        }
        user.public_key = user.public_key.take().or(list.public_key);
        if user.last_login == crate::model::LastLogin::NotReported {
            user.last_login = list.last_login;
        }
        if user.created_at == crate::model::Told::Not {
            user.created_at = list.created_at;
        }
        user.locale = user.locale.take().or(list.locale);
        user.extra = user.extra.take().or(list.extra);
        self.sparse = false;
    }
}

impl Row for ListedUser {
    type Key = Id;
    fn key(&self) -> Id {
        self.id.clone()
    }
}

/// A group as the list gave it.
pub(super) struct ListedGroup {
    id: Id,
    pub(super) group: Group,
}

impl Row for ListedGroup {
    type Key = Id;
    fn key(&self) -> Id {
        self.id.clone()
    }
}

/// Turns records into the model.
#[derive(Default)]
pub(super) struct Decoder(Decoding);

impl Decoder {
    pub(super) fn users(&self, page: UsersPage) -> Vec<ListedUser> {
        page.rows.into_iter().map(|record| self.user(record)).collect()
    }

    pub(super) fn groups(&self, page: GroupsPage) -> Vec<ListedGroup> {
        page.rows.into_iter().map(|record| self.group(record)).collect()
    }

    pub(super) fn user(&self, record: UserRecord) -> ListedUser {
        let sparse = record.account_type.is_none()
            || record.group_memberships.is_none()
            || matches!(record.last_login, Date::Absent)
            || matches!(record.created_at, Date::Absent);
        let id = record.id.unwrap_or(Id::Number(0));
        let last_login = date::last_login(record.last_login.raw());
        let created_at = date::told(record.created_at.raw());
        if last_login.assumed_utc || created_at.assumed_utc {
            self.0.count_without_offset();
        }
        let memberships = record.group_memberships.flatten();
        let mut user = User::new(id.to_text());
        user.username = record.username.0;
        user.display_name = record.display_name.0;
        user.email_address = record.email_address.0;
        user.enabled = record.enabled;
        user.account_type = record.account_type.and_then(|t| t.0).map(|t| self.0.word(&t));
        user.groups_known = memberships.is_some();
        user.group_memberships = self.memberships(memberships.unwrap_or_default());
        user.public_key = record.public_key.0;
        user.last_login = last_login.value;
        user.created_at = created_at.value;
        user.locale = record.locale.0.map(|l| self.0.word(&l));
        user.extra = Extra::of(record.extra);
        ListedUser { id, user, sparse }
    }

    fn memberships(&self, mut ids: Vec<Id>) -> Box<[GroupId]> {
        ids.sort_unstable();
        ids.dedup();
        ids.iter().map(|id| GroupId::from(self.0.word(&id.to_text()))).collect()
    }

    fn group(&self, record: GroupRecord) -> ListedGroup {
        let mut group = Group::new(self.0.word(&record.id.to_text()));
        group.name = record.name.0;
        group.description = record.description.0;
        group.extra = Extra::of(record.extra);
        ListedGroup { id: record.id, group }
    }

    /// For the manifest: what had to be assumed.
    pub(super) fn warnings(&self) -> Vec<String> {
        self.0.warnings()
    }
}
