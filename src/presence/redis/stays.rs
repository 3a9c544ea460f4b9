//! What a first and a last connection of this node mean to all nodes, whether Redis answers or not.

use super::{Entered, Left, Noted, Place, Shared, State, Whose};
use crate::limits::PRESENCE_UNSURE_MAX;
use crate::model::{Member, Moment, Role};

impl Shared {
    /// Somebody's first connection here: whether it is the first anywhere.
    pub(super) async fn enter_first(
        &self,
        whose: &Whose,
        role: Role,
        joined_at: Moment,
        away_ms: Option<u64>,
    ) -> Entered {
        let (tenant, place, user) = whose;
        let as_here_known = Entered::First { joined_at, away_ms };
        if self.state() == State::Away {
            return as_here_known;
        }
        let member = Member { user_id: user.clone(), user_type: role, joined_at };
        match self.note(whose, &member, 1).await {
            // It was told as gone while Redis was away, so it has to be told as here.
            Ok(Noted::Another(since)) if self.unsure().remove(whose).is_some() => {
                self.here.set_joined_at(tenant, *place, user, since);
                Entered::First { joined_at: since, away_ms }
            }
            Ok(Noted::Another(since)) => {
                self.here.set_joined_at(tenant, *place, user, since);
                Entered::Another
            }
            Ok(Noted::WithRole(other)) => {
                self.here.forget(tenant, *place, user);
                Entered::WithRole(other)
            }
            Ok(Noted::First(away_ms)) => {
                self.unsure().remove(whose);
                Entered::First { joined_at, away_ms }
            }
            Ok(Noted::Last | Noted::NotLast) => as_here_known,
            Err(err) => {
                self.fail(&err);
                as_here_known
            }
        }
    }

    /// Somebody's last connection here: whether it was the last anywhere.
    pub(super) async fn leave_last(&self, whose: &Whose, member: Member) -> Left {
        if self.state() != State::Away {
            match self.note(whose, &member, 0).await {
                Ok(Noted::Last) => return Left::Last,
                Ok(_) => return Left::NotLast,
                Err(err) => self.fail(&err),
            }
        }
        let mut unsure = self.unsure();
        // Beyond it the old epoch's stays are ended as those of a lost node are.
        if unsure.len() < PRESENCE_UNSURE_MAX {
            unsure.insert(whose.clone(), member);
        }
        Left::Last
    }

    /// Another tab came or went: told only where connections are counted.
    pub(super) async fn recount(&self, whose: &Whose) {
        let (tenant, place, user) = whose;
        if *place != Place::Tenant || self.state() == State::Away {
            return;
        }
        if let Some((member, connections)) = self.here.stay_of(tenant, *place, user)
            && let Err(err) = self.note(whose, &member, connections).await
        {
            self.fail(&err);
        }
    }
}
