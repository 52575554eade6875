//! Custom rules (CEL), and the policy that the targets share.

use crate::configuration::{ENVIRONMENT, MINIMAL};
use bt_rollcall::config::Config;
use bt_rollcall::model::{
    Group, GroupId, Instant, Inventory, LastLogin, ReportedDate, Severity, SourceIdentity, SourceReading, User,
};
use bt_rollcall::rules::custom::{CustomRule, Expression};
use bt_rollcall::rules::evaluate;
use bt_rollcall::rules::policy::Policy;
use std::path::Path;
use std::sync::OnceLock;

/// Returns the instant of the evaluation.
pub(crate) fn as_of() -> Instant {
    "2026-11-20T08:00:00Z".parse().expect("an instant")
}

/// Returns a configuration with the default policy.
pub(crate) fn policy() -> &'static Config {
    static CONFIG: OnceLock<Config> = OnceLock::new();
    CONFIG.get_or_init(|| Config::parse(Path::new("c.toml"), MINIMAL, &ENVIRONMENT).expect("a valid configuration"))
}

/// Compiles an expression, and evaluates it for accounts that differ in what is reported.
pub(crate) fn cel(data: &[u8]) -> String {
    let text = String::from_utf8_lossy(data);
    let expression = match Expression::read(&text) {
        Ok(expression) => expression,
        Err(error) => {
            assert!(error.line > 0 && error.column > 0, "an error has a place: {error:?}");
            return error.message;
        }
    };
    let base = &policy().policy;
    let rule = CustomRule {
        rule: bt_rollcall::model::Rule::custom("custom-x"),
        severity: Severity::Low,
        title: "x".to_owned(),
        action: "x".to_owned(),
        when: expression,
    };
    let policy = Policy { custom_rules: vec![rule], ..base.clone() };
    let output = evaluate(accounts(), &policy, as_of());
    let is_custom = |rule: &str| rule == "custom-x";
    let found = output.findings.iter().filter(|finding| is_custom(finding.rule.as_str()));
    let found: Vec<&str> = found.map(|finding| &*finding.subject.id).collect();
    let outcome = output.evaluations.iter().find(|evaluation| is_custom(evaluation.rule.as_str()));
    format!("{found:?} {:?}", outcome.map(|evaluation| &evaluation.outcome))
}

/// Returns an inventory of three accounts: one reports nothing, one usual values, one extreme ones.
fn accounts() -> &'static Inventory {
    static INVENTORY: OnceLock<Inventory> = OnceLock::new();
    INVENTORY.get_or_init(|| {
        let identity = SourceIdentity {
            name: "s".into(),
            kind: "scim".to_owned(),
            url: "https://localhost".to_owned(),
            client_id: "c".to_owned(),
        };
        let mut usual = User::new("2");
        usual.username = Some("alice".into());
        usual.display_name = Some("Alice".into());
        usual.enabled = Some(true);
        usual.groups_known = true;
        usual.group_memberships = [GroupId::from("10")].into();
        usual.last_login = LastLogin::At("2026-01-01T00:00:00Z".parse().expect("an instant"));
        let mut extreme = User::new("3");
        extreme.username = Some("\u{202e}\n\"\0".repeat(50).into());
        extreme.last_login = LastLogin::At(Instant::MIN_UTC);
        extreme.created_at = ReportedDate::At(Instant::MAX_UTC);
        extreme.groups_known = true;
        extreme.group_memberships = (0..500).map(|n| GroupId::from(n.to_string())).collect();
        let mut reading = SourceReading::of(identity);
        reading.users = vec![User::new("1"), usual, extreme];
        reading.groups = (0..500).map(|n| Group::new(n.to_string())).collect();
        Inventory::join(vec![reading], &policy().classes)
    })
}
