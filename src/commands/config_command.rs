//! `config`: writes a first configuration, prints the settings in force, or prints the JSON Schema.
//!
//! Questions go to stderr and are asked on a terminal only, so that stdout is the configuration with `--output -`.

use super::{log_config_error, log_error, print};
use crate::cli::Global;
use crate::cli::config::{ConfigCommand, InitArgs, KINDS, ShowArgs};
use crate::config::init::{self, Answers, Secret};
use crate::config::{self, Config, SCHEMA, with_credential};
use crate::escape::shell_word;
use crate::run::Exit;
use std::fs::{self, OpenOptions, Permissions};
use std::io::{self, BufRead, IsTerminal, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

/// Executes `config` and returns its exit code.
pub(super) fn execute(global: &Global, command: &ConfigCommand) -> Exit {
    match command {
        ConfigCommand::Init(args) => init(args),
        ConfigCommand::Schema => print(SCHEMA),
        ConfigCommand::Show(args) => show(global, *args),
    }
}

fn show(global: &Global, args: ShowArgs) -> Exit {
    // Secrets are shown as references only, so anybody who may read the configuration may see it.
    match config::locate(global.config.clone()).and_then(|path| Config::load_without_secrets(&path)) {
        Ok(config) if args.json => print(&format!("{:#}\n", config::effective(&config))),
        Ok(config) => print(&config::in_words(&config)),
        Err(error) => log_config_error(global, &error),
    }
}

/// Writes a first configuration and prints what to do next.
fn init(args: &InitArgs) -> Exit {
    if !args.force && args.output.exists() {
        let why = format!("{}: the file exists; name another one with --output, or add --force", args.output.display());
        return log_error(&why, None, Exit::NothingPublished);
    }
    let terminal = io::stdin().is_terminal() && io::stderr().is_terminal();
    let answers = if terminal { ask_all(args, &mut io::stdin().lock(), &mut io::stderr()) } else { from_flags(args) };
    match answers {
        Ok(answers) if args.output == Path::new("-") => print(&init::text(&answers)),
        Ok(answers) => match write(&args.output, &init::text(&answers)) {
            Ok(()) => print(&next_steps(&args.output, &answers)),
            Err(error) => {
                log_error(&format!("{}: failed to write: {error}", args.output.display()), None, Exit::NothingPublished)
            }
        },
        Err(why) => log_error(&why, None, Exit::Usage),
    }
}

/// Returns the answers that the flags give. The error names the flags that are missing, or what is wrong.
fn from_flags(args: &InitArgs) -> Result<Answers, String> {
    let required = [("--kind", &args.kind), ("--url", &args.url), ("--client-id", &args.client_id)];
    let missing: Vec<&str> = required.iter().filter(|(_, value)| value.is_none()).map(|(flag, _)| *flag).collect();
    if !missing.is_empty() {
        return Err(format!("config init asks on a terminal only; write {} as well", missing.join(", ")));
    }
    let answers = with_flags(args);
    init::problem(&answers).map_or(Ok(answers), Err)
}

fn with_flags(args: &InitArgs) -> Answers {
    let usual = Answers::default();
    Answers {
        kind: args.kind.clone().unwrap_or(usual.kind),
        url: args.url.clone().unwrap_or(usual.url),
        client_id: args.client_id.clone().unwrap_or(usual.client_id),
        secret: secret(args).unwrap_or(usual.secret),
        syslog: args.syslog.clone(),
        state_dir: args.state_dir.clone().unwrap_or(usual.state_dir),
    }
}

fn secret(args: &InitArgs) -> Option<Secret> {
    let credential = args.secret_credential.clone().map(Secret::Credential);
    credential.or_else(|| args.secret_file.clone().map(Secret::File))
}

/// Whether a question is open, its text, the usual answer, and where an answer goes.
type Question<'q> = (bool, &'q str, &'q str, fn(&mut Answers, String));

/// Asks for what the flags do not say. A wrong answer is asked again, with the reason.
fn ask_all(args: &InitArgs, input: &mut impl BufRead, output: &mut impl Write) -> Result<Answers, String> {
    let mut answers = with_flags(args);
    if let Some(why) = init::problem(&answers) {
        return Err(why);
    }
    let kinds = format!("Product ({})", KINDS.join(", "));
    let questions: [Question<'_>; 6] = [
        (args.kind.is_none(), &kinds, "", |answers, text| answers.kind = text),
        (args.url.is_none(), "Address of the appliance, such as https://bt.example.com", "", |it, text| it.url = text),
        (args.client_id.is_none(), "Client id of its API account", "", |it, text| it.client_id = text),
        (secret(args).is_none(), "File with the client secret", "/etc/bt-rollcall/secret", |it, text| {
            it.secret = Secret::File(PathBuf::from(text));
        }),
        (args.syslog.is_none(), "Syslog receiver, such as tls://siem.example.com:6514", "none", |it, text| {
            it.syslog = (text != "none").then_some(text);
        }),
        (args.state_dir.is_none(), "Folder of state and snapshots", "/var/lib/bt-rollcall", |it, text| {
            it.state_dir = PathBuf::from(text);
        }),
    ];
    for (_, question, usual, set) in questions.into_iter().filter(|(is_open, ..)| *is_open) {
        answers = ask(&answers, question, usual, set, input, output)?;
    }
    Ok(answers)
}

/// Asks one question until the answer is valid. An empty answer is the usual one.
fn ask(
    before: &Answers,
    question: &str,
    usual: &str,
    set: fn(&mut Answers, String),
    input: &mut impl BufRead,
    output: &mut impl Write,
) -> Result<Answers, String> {
    let shown = if usual.is_empty() { String::new() } else { format!(" [{usual}]") };
    loop {
        let _ = write!(output, "{question}{shown}: ").and_then(|()| output.flush());
        let mut line = String::new();
        if input.read_line(&mut line).map_err(|error| format!("failed to read the answer: {error}"))? == 0 {
            return Err("the input ended before all questions were answered; nothing was written".to_owned());
        }
        let mut answers = before.clone();
        let text = line.trim();
        set(&mut answers, if text.is_empty() { usual } else { text }.to_owned());
        let Some(why) = init::problem(&answers) else { return Ok(answers) };
        let _ = writeln!(output, "  {why}");
    }
}

/// Writes the file with mode 0644: it contains no secret, and the job runs as another user than the one who writes it.
fn write(path: &Path, text: &str) -> io::Result<()> {
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder)?;
    }
    let mut file = OpenOptions::new().write(true).create(true).truncate(true).open(path)?;
    // Set after the creation: the umask, or the mode of a file that is replaced, would keep other users out.
    if file.metadata()?.is_file() {
        file.set_permissions(Permissions::from_mode(0o644))?;
    }
    file.write_all(text.as_bytes())
}

fn next_steps(path: &Path, answers: &Answers) -> String {
    let word = |path: &Path| shell_word(&path.to_string_lossy()).into_owned();
    let check = format!("bt-rollcall check --online --config {}", word(path));
    let (secret, check) = match &answers.secret {
        Secret::File(file) => (format!("store the secret: install -m 600 /dev/stdin {}", word(file)), check),
        Secret::Credential(name) => (
            format!("add LoadCredential={name}:PATH to the unit, unless it has this line"),
            format!("{} {check}", with_credential(name)),
        ),
    };
    format!("{} is written (mode 0644: it contains no secret)\n  next: {secret}\n  then: {check}\n", path.display())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wrong_answer_is_asked_again_with_the_reason() {
        let mut input = &b"PRA\npra\nbt.example.com\nhttps://bt.example.com\nabc\n\n\n\n"[..];
        let mut output = Vec::new();
        let answers = ask_all(&InitArgs::default(), &mut input, &mut output).unwrap();
        assert_eq!((answers.kind.as_str(), answers.url.as_str()), ("pra", "https://bt.example.com"));
        assert_eq!((answers.syslog, answers.secret), (None, Secret::File("/etc/bt-rollcall/secret".into())));
        let output = String::from_utf8(output).unwrap();
        assert!(output.contains("did you mean \"pra\"?") && output.contains("is not an address"), "{output}");
    }

    #[test]
    fn question_with_a_flag_is_not_asked_and_the_end_of_the_input_writes_nothing() {
        let args = InitArgs { kind: Some("scim".to_owned()), ..InitArgs::default() };
        let mut output = Vec::new();
        let why = ask_all(&args, &mut &b""[..], &mut output).unwrap_err();
        assert!(why.contains("nothing was written"), "{why}");
        assert!(String::from_utf8(output).unwrap().starts_with("Address"));
    }

    #[test]
    fn without_a_terminal_the_missing_flags_are_named() {
        let args = InitArgs { kind: Some("pra".to_owned()), ..InitArgs::default() };
        let why = from_flags(&args).unwrap_err();
        assert!(why.ends_with("write --url, --client-id as well"), "{why}");
    }

    #[test]
    fn file_has_the_mode_that_is_printed_also_where_it_replaces_another_one() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("c.toml");
        fs::write(&path, "").unwrap();
        fs::set_permissions(&path, Permissions::from_mode(0o600)).unwrap();
        write(&path, "state_dir = \"/x\"\n").unwrap();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o644);
        assert!(next_steps(&path, &Answers::default()).contains("is written (mode 0644:"));
    }

    #[test]
    fn next_step_passes_the_credential_and_quotes_the_path() {
        let answers = Answers { secret: Secret::Credential("client_secret".to_owned()), ..Answers::default() };
        let steps = next_steps(Path::new("/etc/b t/c.toml"), &answers);
        assert!(steps.contains("-p LoadCredential=client_secret:/etc/bt-rollcall/secret bt-rollcall check"), "{steps}");
        assert!(steps.ends_with("--config '/etc/b t/c.toml'\n"), "{steps}");
    }
}
