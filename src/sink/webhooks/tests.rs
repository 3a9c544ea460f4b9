//! What more than one file takes: the schedule under whatever may happen, and requests to receivers
//! that misbehave.

mod order;
mod properties;
mod requests;

use super::*;
use crate::model::Moment;

fn item(position: u64, lane: i64) -> Item {
    let at = Moment(i64::try_from(position).unwrap());
    Item { position, lane, at, attempts: 0, first_at: None, next_at: at }
}
