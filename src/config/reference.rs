//! The options as people read them: the commented file with the defaults, and the reference page.

use super::sources::SEED_NAMES;
use super::{Config, EACH, OptionDoc, SECTIONS};

/// What stands for a tenant's id where there is none.
const TENANT: &str = "TENANT";

impl Config {
    /// The defaults as a commented TOML file, as `default-config` prints it.
    pub fn default_toml() -> String {
        let mut text = Config::default().to_toml();
        for (section, doc) in EACH {
            text += &format!("\n{}# [{section}.{TENANT}]\n", commented(&tidy(doc)));
            for option in Config::options_of(TENANT).iter().filter(|o| is_of(o, section)) {
                text += &commented(&format!("{}{}", commented(&option.doc), line_of(option)));
            }
        }
        text
    }

    /// These values as a commented TOML file; secrets show as `***`.
    pub fn to_toml(&self) -> String {
        let options = self.described();
        let mut text = String::from(
            "# Switchboard's options with their values. Durations: \"300ms\", \"10s\", \"2m\", \
             \"12h\", \"30d\".\n",
        );
        for (section, doc) in SECTIONS {
            text += &format!("\n{}[{section}]\n", commented(&tidy(doc)));
            for option in options.iter().filter(|o| o.section == *section) {
                text += &format!("{}{}", commented(&option.doc), line_of(option));
            }
        }
        let mut section = String::new();
        for option in self.described_of_tenants() {
            if option.section != section {
                section.clone_from(&option.section);
                text += &format!("\n[{}]\n", quoted_where_needed(&section));
            }
            text += &line_of(&option);
        }
        text
    }

    /// Every option there is once, with its default.
    pub fn options() -> Vec<OptionDoc> {
        Config::default().described()
    }

    /// The reference page in Markdown.
    pub fn reference() -> String {
        let options = Config::options();
        let mut text = String::from("# Options\n");
        for (section, doc) in SECTIONS {
            text += &format!("\n## [{section}]\n\n{}\n\n", tidy(doc).replace('\n', " "));
            text += &table(options.iter().filter(|o| o.section == *section));
        }
        for (section, doc) in EACH {
            let doc = tidy(doc).replace('\n', " ");
            text += &format!("\n## [{section}.{TENANT}]\n\nOne for each tenant. {doc}\n\n");
            text += &table(Config::options_of(TENANT).iter().filter(|o| is_of(o, section)));
        }
        text += "\n## Environment\n\n`SWITCHBOARD__SECTION__KEY` sets any key, and \
                 `SWITCHBOARD__SECTION__TENANT__KEY` one of a tenant's whose id has no other letters \
                 than small ones; a list is separated by commas. These names work too:\n\n\
                 | variable | key |\n|---|---|\n";
        for (name, section, key) in SEED_NAMES {
            text += &format!("| `{name}` | `{section}.{key}` |\n");
        }
        text
    }
}

fn is_of(option: &OptionDoc, each: &str) -> bool {
    option.section.split_once('.').is_some_and(|(section, _)| section == each)
}

fn table<'a>(options: impl Iterator<Item = &'a OptionDoc>) -> String {
    let mut text = String::from("| key | default | expects | meaning |\n|---|---|---|---|\n");
    for o in options {
        let doc = o.doc.replace('\n', " ");
        text += &format!("| `{}` | `{}` | {} | {doc} |\n", o.key, o.default, o.expected);
    }
    text
}

fn line_of(option: &OptionDoc) -> String {
    format!("{} = {}\n", option.key, option.default)
}

/// `section.tenant` as the head of a table.
fn quoted_where_needed(section: &str) -> String {
    let Some((section, tenant)) = section.split_once('.') else { return section.to_owned() };
    let is_bare = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
    match tenant.chars().all(is_bare) {
        true => format!("{section}.{tenant}"),
        false => format!("{section}.\"{tenant}\""),
    }
}

/// A doc comment without the space that `///` leaves before each line.
pub(super) fn tidy(doc: &str) -> String {
    doc.lines().map(str::trim).collect::<Vec<_>>().join("\n")
}

fn commented(text: &str) -> String {
    text.lines().map(|line| format!("# {line}\n")).collect()
}
