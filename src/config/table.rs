//! How the table of options becomes code: from one list come the structs, their defaults, what is
//! known of every key, and how a key is set. Knows no option.

/// The structs of the table, and [`Config`](super::Config) of them.
///
/// Sections under `for each tenant` are there once for every tenant that the configuration names:
/// `[section.tenant]`.
macro_rules! options {
    (
        $(
            $(#[doc = $section_doc:literal])*
            [$section:ident] $Section:ident { $($options:tt)* }
            $(at run time { $($run_time:tt)* })?
        )*
        for each tenant {
            $(
                $(#[doc = $each_doc:literal])*
                [$each:ident] $Each:ident { $($each_options:tt)* }
            )*
        }
    ) => {
        /// The whole configuration.
        #[derive(Clone, Debug, Default, PartialEq)]
        pub struct Config {
            $($(#[doc = $section_doc])* pub $section: $Section,)*
            $($(#[doc = $each_doc])* pub $each: BTreeMap<TenantId, $Each>,)*
        }

        $(section! {
            $(#[doc = $section_doc])*
            $Section { $($options)* }
            $(at run time { $($run_time)* })?
        })*
        $(section! {
            $(#[doc = $each_doc])*
            $Each { $($each_options)* }
        })*

        /// The sections of the file with what they are about.
        const SECTIONS: &[(&str, &str)] =
            &[$((stringify!($section), concat!($($section_doc, "\n"),*)),)*];

        /// The sections that every tenant may have, likewise.
        const EACH: &[(&str, &str)] =
            &[$((stringify!($each), concat!($($each_doc, "\n"),*)),)*];

        impl Config {
            /// Every option of the sections there are once, with the values of this configuration.
            fn described(&self) -> Vec<OptionDoc> {
                let mut all = Vec::new();
                $(all.extend(self.$section.described(stringify!($section).to_owned()));)*
                all
            }

            /// Every option of the tenants' sections, of those tenants that have one.
            fn described_of_tenants(&self) -> Vec<OptionDoc> {
                let mut all = Vec::new();
                $(for (tenant, given) in &self.$each {
                    all.extend(given.described(format!("{}.{tenant}", stringify!($each))));
                })*
                all
            }

            /// Every option that any tenant may have, with its default.
            fn options_of(tenant: &str) -> Vec<OptionDoc> {
                let mut all = Vec::new();
                $({
                    let section = format!("{}.{tenant}", stringify!($each));
                    all.extend($Each::default().described(section));
                })*
                all
            }

            /// Sets one option; `None` when there is no such key.
            fn set(&mut self, section: &str, key: &str, given: &value::Given)
                -> Option<Result<(), String>>
            {
                if let Some((section, tenant)) = section.split_once('.') {
                    let Ok(tenant) = TenantId::parse(tenant) else {
                        return Some(Err(format!("expected a tenant's id: {}", crate::model::BadId)));
                    };
                    return match section {
                        $(stringify!($each) => {
                            self.$each.entry(tenant).or_default().set(key, given)
                        })*
                        _ => None,
                    };
                }
                match section {
                    $(stringify!($section) => self.$section.set(key, given),)*
                    _ => None,
                }
            }
        }
    };
}

/// One struct of the table.
macro_rules! section {
    (
        $(#[doc = $section_doc:literal])*
        $Section:ident {
            $($(#[doc = $doc:literal])*
            $key:ident: $type:ty = $default:expr $(, $check:path)?;)*
        }
        $(at run time {
            $($(#[doc = $run_doc:literal])* $run_key:ident: $run_type:ty = $run_default:expr;)*
        })?
    ) => {
        $(#[doc = $section_doc])*
        #[derive(Clone, Debug, PartialEq)]
        pub struct $Section {
            $($(#[doc = $doc])* pub $key: $type,)*
            $($($(#[doc = $run_doc])* pub $run_key: $run_type,)*)?
        }

        impl Default for $Section {
            fn default() -> $Section {
                $Section {
                    $($key: $default,)*
                    $($($run_key: $run_default,)*)?
                }
            }
        }

        impl $Section {
            /// Every option with its value here.
            fn described(&self, section: String) -> Vec<OptionDoc> {
                vec![$(OptionDoc {
                    section: section.clone(),
                    key: stringify!($key),
                    expected: <$type as Value>::EXPECTED,
                    default: self.$key.to_toml(),
                    doc: tidy(concat!($($doc, "\n"),*)),
                },)*]
            }

            /// Sets one option; `None` when there is no such key.
            fn set(&mut self, key: &str, given: &value::Given) -> Option<Result<(), String>> {
                match key {
                    $(stringify!($key) => {
                        let check = |v: &$type| checked!(v $(, $check)?);
                        Some(value::read(given, check).map(|v| self.$key = v))
                    })*
                    _ => None,
                }
            }
        }
    };
}

macro_rules! checked {
    ($value:ident) => {{
        let _ = $value;
        Ok(())
    }};
    ($value:ident, $check:path) => {
        $check($value)
    };
}
