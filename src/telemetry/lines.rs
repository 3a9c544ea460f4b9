//! Log lines: where they go, and which.

use std::io::IsTerminal;

use tracing::Dispatch;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::util::SubscriberInitExt;

use crate::config::{Log, LogFormat};

/// Starts logging to standard error for the whole process; `main` calls it once.
///
/// A panic becomes a log line as well, with its place and without its message: messages of
/// panics quote what was being handled.
pub fn init(log: &Log) -> anyhow::Result<()> {
    subscriber(log, std::io::stderr, std::io::stderr().is_terminal())?.try_init()?;
    std::panic::set_hook(Box::new(|panic| {
        let place = panic.location().map(ToString::to_string).unwrap_or_default();
        tracing::error!(place, "a task panicked");
    }));
    Ok(())
}

/// `RUST_LOG` is not read: `log.level` takes the same filters.
pub(super) fn subscriber<W>(log: &Log, writer: W, is_coloured: bool) -> anyhow::Result<Dispatch>
where
    W: for<'a> MakeWriter<'a> + Send + Sync + 'static,
{
    let mut filter = EnvFilter::builder().parse(&log.level)?;
    // This library's traces quote the frames: what people said, and their tokens.
    for quoting in ["tungstenite=off", "tokio_tungstenite=off"] {
        filter = filter.add_directive(quoting.parse()?);
    }
    let lines = tracing_subscriber::fmt().with_env_filter(filter).with_writer(writer);
    Ok(match log.format {
        LogFormat::Text => lines.with_ansi(is_coloured).into(),
        LogFormat::Json => lines.json().flatten_event(true).with_span_list(false).into(),
    })
}
