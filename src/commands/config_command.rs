//! `config`: writes a first configuration, prints the settings in force, or prints the JSON Schema.
//!
//! Questions go to stderr and are asked on a terminal only, so that stdout is the configuration with `--output -`.

mod destination;

use super::stdout::{Printed, print_product, print_summary};
use super::{log_config_error, log_error};
use crate::cli::Global;
use crate::cli::config::{ConfigCommand, InitArgs, KINDS, ShowArgs};
use crate::config::init::{self, Answer, AnswerProblem, Answers, Secret};
use crate::config::{self, Config, SCHEMA, STATE_DIR, with_credential};
use crate::escape::{Lines, shell_word, visible};
use crate::run::Exit;
use std::io::{self, BufRead, IsTerminal, Write};
use std::path::{Path, PathBuf};

/// Executes `config` and returns its exit code.
pub(super) fn execute(global: &Global, command: &ConfigCommand) -> Exit {
    match command {
        ConfigCommand::Init(args) => init(global, args),
        ConfigCommand::Schema => print_product(&Printed::Format(SCHEMA)),
        ConfigCommand::Show(args) => show(global, *args),
    }
}

fn show(global: &Global, args: ShowArgs) -> Exit {
    // Only looks up whether a variable exists, because its name may be a secret that somebody pasted.
    let environment = |name: &str| std::env::var(name).ok();
    // Secrets are shown as references only, so anybody who may read the configuration may see it.
    match config::locate(global.config.clone()).and_then(|path| Config::load_without_secrets(&path, &environment)) {
        Ok(config) if args.json => print_product(&Printed::Json(&format!("{:#}", config::effective(&config)))),
        Ok(config) => print_product(&Printed::Lines(&config::in_words(&config))),
        Err(error) => log_config_error(global, &error),
    }
}

/// Writes a first configuration and prints what to do next.
fn init(global: &Global, args: &InitArgs) -> Exit {
    // `--config` names the file that the other commands read, so this one writes it.
    let path = args.output.as_ref().or(global.config.as_ref());
    let path = path.map_or(Path::new("bt-rollcall.toml"), PathBuf::as_path);
    let is_stdout = path == Path::new("-");
    // Before the questions: nobody answers six of them for nothing.
    if let Some(why) = destination::why_not_written(path, args.force).filter(|_| !is_stdout) {
        return log_error(&why, None, Exit::NothingPublished);
    }
    let terminal = io::stdin().is_terminal() && io::stderr().is_terminal();
    let answers = if terminal { ask_all(args, &mut io::stdin().lock(), &mut io::stderr()) } else { from_flags(args) };
    match answers {
        Ok(answers) if is_stdout => print_product(&Printed::Format(&init::text(&answers))),
        Ok(answers) => match destination::write(path, &init::text(&answers), args.force) {
            Ok(()) => {
                print_summary(&Printed::Lines(&next_steps(path, &answers)));
                Exit::Complete
            }
            Err(why) => log_error(&why, None, Exit::NothingPublished),
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
    init::problem(&answers).map_or(Ok(answers), |problem| Err(of_flag(args, &problem)))
}

/// Describes a problem of an answer that a flag gave.
fn of_flag(args: &InitArgs, problem: &AnswerProblem) -> String {
    let flag = match problem.answer {
        Answer::Kind => "--kind",
        Answer::Url => "--url",
        Answer::ClientId => "--client-id",
        Answer::Secret if args.secret_credential.is_some() => "--secret-credential",
        Answer::Secret => "--secret-file",
        Answer::Syslog => "--syslog",
        Answer::StateDir => "--state-dir",
    };
    format!("{flag}: {}", problem.text)
}

fn with_flags(args: &InitArgs) -> Answers {
    let usual = Answers::default();
    Answers {
        kind: args.kind.clone().unwrap_or(usual.kind),
        url: args.url.clone().unwrap_or(usual.url),
        client_id: args.client_id.clone().unwrap_or(usual.client_id),
        secret: secret(args).unwrap_or(usual.secret),
        syslog: args.syslog.clone().filter(|receiver| receiver != NO_RECEIVER),
        state_dir: args.state_dir.clone().unwrap_or(usual.state_dir),
    }
}

fn secret(args: &InitArgs) -> Option<Secret> {
    let credential = args.secret_credential.clone().map(Secret::Credential);
    credential.or_else(|| args.secret_file.clone().map(Secret::File))
}

/// Answer to the question for a receiver of events where there is none.
const NO_RECEIVER: &str = "none";

/// A question about one answer.
struct Question<'q> {
    answer: Answer,
    /// What it asks for.
    subject: &'q str,
    /// What follows the subject: an example, or the words to choose from.
    example: &'q str,
    /// The answer to an empty line.
    usual: &'q str,
    set: fn(&mut Answers, String),
}

/// Returns the questions that the flags leave open.
fn questions<'q>(args: &InitArgs, kinds: &'q str) -> Vec<Question<'q>> {
    let question = |answer, subject, example, usual, set| Question { answer, subject, example, usual, set };
    let all: [(bool, Question<'q>); 6] = [
        (args.kind.is_none(), question(Answer::Kind, "Product", kinds, "", |it, text| it.kind = text)),
        (
            args.url.is_none(),
            question(Answer::Url, "Address of the appliance", ", such as https://bt.example.com", "", |it, text| {
                it.url = text;
            }),
        ),
        (
            args.client_id.is_none(),
            question(Answer::ClientId, "Client id of its API account", "", "", |it, text| it.client_id = text),
        ),
        (
            secret(args).is_none(),
            question(Answer::Secret, "File with the client secret", "", "/etc/bt-rollcall/secret", |it, text| {
                it.secret = Secret::File(PathBuf::from(text));
            }),
        ),
        (
            args.syslog.is_none(),
            question(
                Answer::Syslog,
                "Syslog receiver",
                ", such as tls://siem.example.com:6514",
                NO_RECEIVER,
                |it, text| {
                    it.syslog = (text != NO_RECEIVER).then_some(text);
                },
            ),
        ),
        (
            args.state_dir.is_none(),
            question(Answer::StateDir, "Folder of state and snapshots", "", STATE_DIR, |it, text| {
                it.state_dir = text.into();
            }),
        ),
    ];
    all.into_iter().filter(|(is_open, _)| *is_open).map(|(_, question)| question).collect()
}

/// Asks for what the flags do not say. A wrong answer is asked again, with the reason.
fn ask_all(args: &InitArgs, input: &mut impl BufRead, output: &mut impl Write) -> Result<Answers, String> {
    let mut answers = with_flags(args);
    // What an address may contain depends on the product, which may be asked for.
    let is_known = |problem: &AnswerProblem| problem.answer != Answer::Url || args.kind.is_some();
    if let Some(problem) = init::problem(&answers).filter(is_known) {
        return Err(of_flag(args, &problem));
    }
    let kinds = format!(" ({})", KINDS.join(", "));
    for question in questions(args, &kinds) {
        answers = ask(&answers, args, &question, input, output)?;
    }
    Ok(answers)
}

/// Asks one question until the answer is valid. An empty answer is the usual one.
fn ask(
    before: &Answers,
    args: &InitArgs,
    question: &Question<'_>,
    input: &mut impl BufRead,
    output: &mut impl Write,
) -> Result<Answers, String> {
    let Question { answer, subject, example, usual, set } = question;
    let shown = if usual.is_empty() { String::new() } else { format!(" [{usual}]") };
    loop {
        let _ = write!(output, "{subject}{example}{shown}: ").and_then(|()| output.flush());
        let mut line = String::new();
        if input.read_line(&mut line).map_err(|error| format!("failed to read the answer: {error}"))? == 0 {
            return Err(format!("the input ended at the question {subject:?}; nothing was written"));
        }
        let mut answers = before.clone();
        let text = line.trim();
        set(&mut answers, if text.is_empty() { usual } else { text }.to_owned());
        match init::problem(&answers) {
            None => return Ok(answers),
            Some(problem) if problem.answer == *answer => {
                let _ = writeln!(output, "  {}", visible(&format!("{subject}: {}", problem.text)));
            }
            // Another answer does not fit this one, and it was given by a flag.
            Some(problem) => return Err(of_flag(args, &problem)),
        }
    }
}

fn next_steps(path: &Path, answers: &Answers) -> Lines {
    let check = format!("bt-rollcall check --online --config {}", shell_word(path));
    let (secret, check) = match &answers.secret {
        Secret::File(file) => (format!("store the secret: install -m 600 /dev/stdin {}", shell_word(file)), check),
        Secret::Credential(name) => (
            format!("add LoadCredential={name}:PATH to the unit, unless it has this line"),
            format!("{} {check}", with_credential(name)),
        ),
    };
    let mut lines = Lines::default();
    lines.line(format_args!("{} is written (mode 0644: it contains no secret)", path.display()));
    lines.line(format_args!("  next: {secret}"));
    lines.line(format_args!("  then: {check}"));
    lines
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs::{self, Permissions};
    use std::os::unix::fs::PermissionsExt;

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
    fn wrong_value_names_its_flag_or_its_question() {
        let flags = |url: &str, syslog: Option<&str>| InitArgs {
            kind: Some("pra".to_owned()),
            url: Some(url.to_owned()),
            client_id: Some("abc".to_owned()),
            syslog: syslog.map(str::to_owned),
            ..InitArgs::default()
        };
        let of_flags = |args: &InitArgs| from_flags(args).unwrap_err();
        assert!(of_flags(&flags("bt.example.com", None)).starts_with("--url: is not an address"));
        assert!(of_flags(&flags("https://bt", Some("siem"))).starts_with("--syslog: must begin with tls://"));
        let credential = InitArgs { secret_credential: Some("a/b".to_owned()), ..flags("https://bt", None) };
        assert!(of_flags(&credential).starts_with("--secret-credential: a credential is a name"));
        assert!(from_flags(&flags("https://bt", Some("none"))).unwrap().syslog.is_none());
        let mut output = Vec::new();
        let mut input = &b"\nsiem\n\n\n"[..];
        ask_all(&flags("https://bt", None), &mut input, &mut output).unwrap();
        let output = String::from_utf8(output).unwrap();
        assert!(output.contains("  Syslog receiver: must begin with tls://"), "{output}");
    }

    #[test]
    fn address_of_a_flag_is_compared_with_the_product_that_is_asked_for() {
        let args = InitArgs { url: Some("https://bt.example.com/scim/v2".to_owned()), ..InitArgs::default() };
        let answers = ask_all(&args, &mut &b"scim\nabc\n\n\n\n"[..], &mut Vec::new()).unwrap();
        assert_eq!(answers.kind, "scim");
        let why = ask_all(&args, &mut &b"password-safe\n"[..], &mut Vec::new()).unwrap_err();
        assert!(why.starts_with("--url: contains the path /scim/v2"), "{why}");
    }

    #[test]
    fn file_has_the_mode_that_is_printed_also_where_it_replaces_another_one() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("c.toml");
        fs::write(&path, "").unwrap();
        fs::set_permissions(&path, Permissions::from_mode(0o600)).unwrap();
        destination::write(&path, "state_dir = \"/x\"\n", true).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o644);
        assert!(next_steps(&path, &Answers::default()).as_str().contains("is written (mode 0644:"));
    }

    #[test]
    fn next_step_passes_the_credential_and_quotes_the_path() {
        let answers = Answers { secret: Secret::Credential("client_secret".to_owned()), ..Answers::default() };
        let steps = next_steps(Path::new("/etc/b t/c.toml"), &answers).to_string();
        assert!(steps.contains("-p LoadCredential=client_secret:/etc/bt-rollcall/secret bt-rollcall check"), "{steps}");
        assert!(steps.ends_with("--config '/etc/b t/c.toml'\n"), "{steps}");
    }
}
