//! The least that such a program must do: it fetches the pages, eight at once, decodes them, and writes one CSV and one
//! Parquet file of the users. It omits groups, memberships, proofs, joins, rules, hashes, the report and the rename.

use super::sandbox::Sandbox;
use super::{AT_ONCE, Outcome, PAGE};
use arrow::array::{ArrayRef, BooleanArray, ListBuilder, RecordBatch, StringArray, StringBuilder};
use futures_util::stream::{self, StreamExt};
use parquet::arrow::ArrowWriter;
use parquet::basic::{Compression, ZstdLevel};
use parquet::file::properties::WriterProperties;
use serde::de::IgnoredAny;
use serde::{Deserialize, Serialize};
use std::fs::File;
use std::path::Path;
use std::sync::Arc;

#[derive(Deserialize)]
struct Page {
    users: Vec<User>,
}

#[derive(Deserialize, Serialize)]
struct User {
    id: Any,
    #[serde(default)]
    username: Any,
    #[serde(default)]
    display_name: Any,
    #[serde(default)]
    email_address: Any,
    #[serde(default)]
    enabled: Option<bool>,
    #[serde(default)]
    account_type: Any,
    #[serde(default, skip_serializing)]
    group_memberships: Option<Vec<Any>>,
    #[serde(default)]
    public_key: Any,
    #[serde(default)]
    last_login: Any,
    #[serde(default)]
    created_at: Any,
    #[serde(default)]
    locale: Any,
}

/// Field of any type, as text: the users of the sandbox are as irregular as real ones.
#[derive(Default, Serialize)]
struct Any(Option<String>);

impl<'de> Deserialize<'de> for Any {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(AnyVisitor)
    }
}

struct AnyVisitor;

impl<'de> serde::de::Visitor<'de> for AnyVisitor {
    type Value = Any;
    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("any value")
    }
    fn visit_str<E>(self, text: &str) -> Result<Any, E> {
        Ok(Any(Some(text.to_owned())))
    }
    fn visit_u64<E>(self, number: u64) -> Result<Any, E> {
        Ok(Any(Some(number.to_string())))
    }
    fn visit_i64<E>(self, number: i64) -> Result<Any, E> {
        Ok(Any(Some(number.to_string())))
    }
    fn visit_f64<E>(self, number: f64) -> Result<Any, E> {
        Ok(Any(Some(number.to_string())))
    }
    fn visit_bool<E>(self, flag: bool) -> Result<Any, E> {
        Ok(Any(Some(flag.to_string())))
    }
    fn visit_unit<E>(self) -> Result<Any, E> {
        Ok(Any(None))
    }
    fn visit_seq<A: serde::de::SeqAccess<'de>>(self, seq: A) -> Result<Any, A::Error> {
        IgnoredAny.visit_seq(seq).map(|_| Any(None))
    }
    fn visit_map<A: serde::de::MapAccess<'de>>(self, map: A) -> Result<Any, A::Error> {
        IgnoredAny.visit_map(map).map(|_| Any(None))
    }
}

/// Runs the program: `bare URL USERS FOLDER`.
pub(crate) fn run(args: &[String]) -> Outcome<()> {
    let [url, users, folder] = args else { return Err("bare URL USERS FOLDER".into()) };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(fetch(url, users.parse()?, Path::new(folder)))
}

async fn fetch(url: &str, users: usize, folder: &Path) -> Outcome<()> {
    let bearer = &Sandbox::authorization(url, folder).await?;
    let http = &reqwest::Client::builder().no_proxy().build()?;
    let page = |offset| async move {
        let request = http.get(format!("{url}/api/public/v3/users?offset={offset}&limit={PAGE}"));
        request.header("authorization", bearer).send().await?.bytes().await
    };
    let mut bodies = stream::iter((0..users).step_by(PAGE).map(page)).buffered(AT_ONCE);
    let mut csv = csv::Writer::from_path(folder.join("bare.csv"))?;
    let mut parquet: Option<ArrowWriter<File>> = None;
    while let Some(body) = bodies.next().await {
        let page: Page = serde_json::from_slice(&body?)?;
        for user in &page.users {
            csv.serialize(user)?;
        }
        let batch = batch(&page.users)?;
        let writer = match &mut parquet {
            Some(writer) => writer,
            None => parquet.insert(writer(&folder.join("bare.parquet"), &batch)?),
        };
        writer.write(&batch)?;
    }
    csv.flush()?;
    parquet.map(ArrowWriter::close).transpose()?;
    Ok(())
}

fn writer(path: &Path, batch: &RecordBatch) -> Outcome<ArrowWriter<File>> {
    let zstd = Compression::ZSTD(ZstdLevel::try_new(3)?);
    let properties = WriterProperties::builder().set_compression(zstd).set_dictionary_enabled(false).build();
    Ok(ArrowWriter::try_new(File::create(path)?, batch.schema(), Some(properties))?)
}

fn batch(users: &[User]) -> Outcome<RecordBatch> {
    let text = |get: fn(&User) -> Option<&str>| Arc::new(users.iter().map(get).collect::<StringArray>()) as ArrayRef;
    let mut groups = ListBuilder::new(StringBuilder::new());
    for user in users {
        for id in user.group_memberships.iter().flatten() {
            groups.values().append_option(id.0.as_deref());
        }
        groups.append(true);
    }
    let enabled: BooleanArray = users.iter().map(|user| user.enabled).collect();
    Ok(RecordBatch::try_from_iter_with_nullable([
        ("id", text(|user| user.id.0.as_deref()), true),
        ("username", text(|user| user.username.0.as_deref()), true),
        ("display_name", text(|user| user.display_name.0.as_deref()), true),
        ("email_address", text(|user| user.email_address.0.as_deref()), true),
        ("enabled", Arc::new(enabled), true),
        ("account_type", text(|user| user.account_type.0.as_deref()), true),
        ("group_memberships", Arc::new(groups.finish()), true),
        ("public_key", text(|user| user.public_key.0.as_deref()), true),
        ("last_login", text(|user| user.last_login.0.as_deref()), true),
        ("created_at", text(|user| user.created_at.0.as_deref()), true),
        ("locale", text(|user| user.locale.0.as_deref()), true),
    ])?)
}
