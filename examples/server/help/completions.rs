//! `--completions`: what a shell completes the command line by.

use std::{
    fmt::{self, Write},
    str::FromStr,
};

use super::{COMMANDS, FLAGS, Flag, Value};
use crate::about::NAME;

/// A shell whose completions there are.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Shell {
    Bash,
    Zsh,
    Fish,
}

impl FromStr for Shell {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        match name {
            "bash" => Ok(Self::Bash),
            "zsh" => Ok(Self::Zsh),
            "fish" => Ok(Self::Fish),
            _ => Err(format!("expected {}", Self::NAMES.join(", "))),
        }
    }
}

impl Shell {
    pub(crate) const NAMES: &[&str] = &["bash", "zsh", "fish"];

    /// Returns the script that the shell reads. It is for the program as it is installed.
    pub(crate) fn completions(self) -> String {
        let mut script = format!("# {NAME} --completions {}\n", self.name());
        _ = match self {
            Self::Bash => bash(&mut script),
            Self::Zsh => zsh(&mut script),
            Self::Fish => fish(&mut script),
        };
        script
    }

    const fn name(self) -> &'static str {
        match self {
            Self::Bash => "bash",
            Self::Zsh => "zsh",
            Self::Fish => "fish",
        }
    }
}

/// Each name of a flag, with what follows it.
fn names() -> impl Iterator<Item = (&'static Flag, &'static str, Value)> {
    FLAGS.iter().flat_map(|flag| {
        flag.names
            .iter()
            .map(move |(name, value)| (flag, *name, *value))
    })
}

fn bash(script: &mut String) -> fmt::Result {
    let flags: Vec<_> = names().map(|(_, name, _)| format!("--{name}")).collect();
    let commands: Vec<_> = COMMANDS.iter().map(|(command, _)| *command).collect();
    script.push_str("_tower_socks() {\n  local word=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD-1]}\n  case $before in\n");
    for (_, name, value) in names() {
        let complete = match value {
            Value::No => continue,
            Value::Text(_) | Value::Address(_) => "COMPREPLY=()".to_owned(),
            // Directories are continued, and blanks in names survive.
            Value::File(_) => {
                "compopt -o filenames; mapfile -t COMPREPLY < <(compgen -f -- \"$word\")".to_owned()
            }
            Value::Word(_, words) => format!(
                "mapfile -t COMPREPLY < <(compgen -W '{}' -- \"$word\")",
                words.join(" ")
            ),
            Value::List(_, words) => format!(
                "local kept=; [[ $word != *,* ]] || kept=${{word%,*}},\n    \
                 mapfile -t COMPREPLY < <(compgen -P \"$kept\" -W '{}' -- \"${{word##*,}}\")",
                words.join(" ")
            ),
        };
        writeln!(script, "  --{name})\n    {complete}\n    return ;;")?;
    }
    writeln!(
        script,
        "  esac\n  mapfile -t COMPREPLY < <(compgen -W '{} {}' -- \"$word\")\n}}\ncomplete -F _tower_socks {NAME}",
        flags.join(" "),
        commands.join(" ")
    )
}

fn zsh(script: &mut String) -> fmt::Result {
    // A completion of zsh's says in its first line what it is for.
    script.insert_str(0, &format!("#compdef {NAME}\n"));
    script.push_str("_arguments \\\n");
    for (flag, name, value) in names() {
        let follows = match value {
            Value::No => String::new(),
            Value::Text(what) | Value::Address(what) => format!(":{}: ", in_zsh(what)),
            Value::File(what) => format!(":{what}:_files"),
            Value::Word(what, words) => format!(":{what}:({})", words.join(" ")),
            Value::List(what, words) => format!(":{what}:_values -s , {what} {}", words.join(" ")),
        };
        let repeated = if flag.what.contains("may be repeated") {
            "*"
        } else {
            ""
        };
        writeln!(
            script,
            "  '{repeated}--{name}[{}]{follows}' \\",
            in_zsh(&first_sentence(flag.what))
        )?;
    }
    for (command, _) in COMMANDS {
        writeln!(script, "  '1:command:({command})'")?;
    }
    Ok(())
}

fn fish(script: &mut String) -> fmt::Result {
    writeln!(script, "complete -c {NAME} -f")?;
    for (flag, name, value) in names() {
        let follows = match value {
            Value::No => String::new(),
            Value::Text(_) | Value::Address(_) => " -x".to_owned(),
            Value::File(_) => " -r -F".to_owned(),
            Value::Word(_, words) | Value::List(_, words) => {
                format!(" -x -a '{}'", words.join(" "))
            }
        };
        let short = flag
            .short
            .map(|short| format!(" -s {short}"))
            .unwrap_or_default();
        let what = first_sentence(flag.what).replace('\'', "\\'");
        writeln!(
            script,
            "complete -c {NAME} -l {name}{short}{follows} -d '{what}'"
        )?;
    }
    for (command, what) in COMMANDS {
        writeln!(
            script,
            "complete -c {NAME} -n __fish_use_subcommand -a {command} -d '{what}'"
        )?;
    }
    Ok(())
}

/// What a shell has room for.
fn first_sentence(what: &str) -> String {
    let end = [". ", "; ", ": "]
        .iter()
        .filter_map(|end| what.find(end))
        .min();
    end.and_then(|end| what.get(..end))
        .unwrap_or(what)
        .to_owned()
}

/// In quotes, and within the brackets of a specification.
fn in_zsh(text: &str) -> String {
    text.replace('\'', "'\\''")
        .replace('[', "\\[")
        .replace(']', "\\]")
        .replace(':', "\\:")
}
