//! Several statements sent in one go over one line: one round trip for all, answered in order.

use std::pin::Pin;

use futures_util::FutureExt;
use tokio_postgres::types::ToSql;
use tokio_postgres::{Row, Statement};

use super::connect::{Fault, Line, within};

/// A parameter; mostly a column of many rows.
pub(super) type Param<'a> = Box<dyn ToSql + Sync + Send + 'a>;

/// A statement and its parameters.
pub(super) struct Call<'a> {
    pub(super) sql: &'static str,
    pub(super) params: Vec<Param<'a>>,
}

impl<'a> Call<'a> {
    pub(super) fn new(sql: &'static str, params: Vec<Param<'a>>) -> Call<'a> {
        Call { sql, params }
    }
}

/// A column of the rows that these become.
pub(super) fn column<'a, R, T>(rows: &'a [R], of: impl Fn(&'a R) -> T) -> Param<'a>
where
    Vec<T>: ToSql + Sync + Send + 'a,
{
    Box::new(rows.iter().map(of).collect::<Vec<T>>())
}

/// Prepares what a pipeline will need, so that it need not wait in the middle.
pub(super) async fn prepare_all(line: &Line, statements: &[&'static str]) -> Result<(), Fault> {
    futures_util::future::try_join_all(statements.iter().map(|sql| line.statement(sql))).await?;
    Ok(())
}

/// Sends all of these at once, and waits for all answers.
///
/// # Errors
/// The first that failed; within a transaction those behind it failed for that reason.
pub(super) async fn run(line: &Line, calls: Vec<Call<'_>>) -> Result<Vec<Vec<Row>>, Fault> {
    let mut ready = Vec::with_capacity(calls.len());
    for call in &calls {
        ready.push(line.statement(call.sql).await?);
    }
    let sent: Vec<_> = ready.iter().zip(&calls).map(|(s, call)| ask(line, s, call)).collect();
    within(answers(sent)).await
}

type Asked<'a> = Pin<Box<dyn Future<Output = Result<Vec<Row>, tokio_postgres::Error>> + Send + 'a>>;

fn ask<'a>(line: &'a Line, statement: &'a Statement, call: &'a Call<'_>) -> Asked<'a> {
    Box::pin(async move {
        let params: Vec<&(dyn ToSql + Sync)> =
            call.params.iter().map(|param| &**param as &(dyn ToSql + Sync)).collect();
        line.client.query(statement, &params).await
    })
}

/// A question is sent when it is first polled: all of them before any answer is waited for.
async fn answers(mut sent: Vec<Asked<'_>>) -> Result<Vec<Vec<Row>>, tokio_postgres::Error> {
    let mut first = Vec::with_capacity(sent.len());
    for question in &mut sent {
        first.push(question.as_mut().now_or_never());
    }
    let mut rows = Vec::with_capacity(sent.len());
    for (question, answer) in sent.into_iter().zip(first) {
        rows.push(match answer {
            Some(answer) => answer?,
            None => question.await?,
        });
    }
    Ok(rows)
}
