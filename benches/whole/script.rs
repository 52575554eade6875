//! What a script would do: `curl -Z` fetches the pages of users into files, and DuckDB writes them as CSV and Parquet.
//!
//! Measured where both are installed. `PYTHON` names the interpreter that has the package `duckdb`.

use super::measure::{Cost, cost};
use super::sandbox::Sandbox;
use super::{AT_ONCE, Outcome, PAGE};
use std::fmt::Write as _;
use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

/// Values of irregular types would otherwise cost DuckDB the column, so each field is read as text.
const QUERY: &str = r"
import duckdb, sys
folder = sys.argv[1]
fields = 'id username display_name email_address enabled account_type group_memberships public_key last_login created_at locale'
texts = ', '.join(f'''u->>'{field}' as {field}''' for field in fields.split())
duckdb.sql(f'''create table users as select {texts} from
    (select unnest(users) as u from read_json('{folder}/pages/*.json', columns = {{users: 'JSON[]'}}))''')
duckdb.sql(f'''copy users to '{folder}/script.csv' (header)''')
duckdb.sql(f'''copy users to '{folder}/script.parquet' (compression zstd)''')
sys.exit(duckdb.sql('select count(*) from users').fetchall()[0][0] != int(sys.argv[2]))
";

/// Returns the interpreter of Python that has DuckDB, if there is one and curl is installed.
pub(crate) fn python() -> Option<String> {
    let works = |program: &str, args: &[&str]| {
        let status = Command::new(program).args(args).stdout(Stdio::null()).stderr(Stdio::null()).status();
        status.is_ok_and(|status| status.success())
    };
    let named = std::env::var("PYTHON").ok();
    let known = concat!(env!("CARGO_MANIFEST_DIR"), "/target/ci-tools/python/bin/python");
    let candidates = named.into_iter().chain([known.to_owned(), "python3".to_owned()]);
    let python = candidates.into_iter().find(|python| works(python, &["-c", "import duckdb"]));
    python.filter(|_| works("curl", &["--version"]))
}

/// Runs the script once.
pub(crate) fn measured(sandbox: &Sandbox, users: usize, python: &str) -> Outcome<Cost> {
    let folder = sandbox.folder();
    let pages = folder.join("pages");
    fs::create_dir_all(&pages)?;
    let list = urls(&sandbox.url, users, &pages);
    fs::write(folder.join("urls"), list)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let authorization = runtime.block_on(Sandbox::authorization(&sandbox.url, folder))?;
    fs::write(folder.join("header"), format!("authorization: {authorization}"))?;
    let mut curl = Command::new("curl");
    curl.args([
        "-s",
        "-f",
        "--no-progress-meter",
        "-Z",
        "--noproxy",
        "*",
        "--parallel-max",
        &AT_ONCE.to_string(),
        "-H",
    ]);
    curl.arg(format!("@{}", folder.join("header").display())).arg("-K").arg(folder.join("urls"));
    let mut duckdb = Command::new(python);
    duckdb.args(["-c", QUERY]).arg(folder).arg(users.to_string());
    let needed = cost(&mut curl)?.then(cost(&mut duckdb)?);
    fs::remove_dir_all(&pages)?;
    Ok(needed)
}

fn urls(url: &str, users: usize, pages: &Path) -> String {
    (0..users).step_by(PAGE).fold(String::new(), |mut list, offset| {
        let file = pages.join(format!("{offset}.json"));
        // Writing into a String cannot fail.
        let _ = writeln!(
            list,
            "url = \"{url}/api/public/v3/users?offset={offset}&limit={PAGE}\"\noutput = \"{}\"",
            file.display()
        );
        list
    })
}
