//! Every SQL statement that reads or deletes, by name; those of the writer are in [`super::writes`].
//! A test prepares each against a migrated database, so that a misspelt column fails there and not
//! at night.

/// Names statements, and lists them for the tests.
macro_rules! statements {
    ($($name:ident = $($sql:expr),+;)*) => {
        $(pub(in crate::log::postgres) const $name: &str = concat!($($sql),+);)*
        #[cfg(test)]
        pub(in crate::log::postgres) const ALL: &[(&str, &str)] =
            &[$((stringify!($name), $name),)*];
    };
}
pub(super) use statements;

/// The columns of an event, as [`super::rows::envelope`] reads them.
macro_rules! event {
    () => {
        "SELECT t.log, e.position, e.at, e.type, e.payload, e.origin"
    };
}
/// The columns of a conversation, as [`super::rows::conversation_at`] reads them.
macro_rules! conversation {
    () => {
        "c.id, c.external_ids, c.customer, c.name, c.email, c.department, c.status, c.agent,
        c.agent_name, c.created_at, c.queued_at, c.assigned_at, c.closed_at, c.last_seq,
        c.delivered_seq, c.needs_person, c.score, c.metadata, c.routing"
    };
}
pub(super) use conversation;
macro_rules! of_log {
    () => {
        " FROM events e JOIN tenants t ON t.id = e.tenant WHERE e.tenant = $1 "
    };
}
macro_rules! recorder {
    () => {
        "AND e.type NOT IN ('chat.message', 'chat.message.status', 'routing.decided') "
    };
}
macro_rules! onwards {
    () => {
        "AND e.position > $2 ORDER BY e.position LIMIT $3"
    };
}
macro_rules! backwards {
    () => {
        "ORDER BY e.position DESC LIMIT $2"
    };
}
macro_rules! agent {
    () => {
        "SELECT tenant, id, role, name, email, password, departments, max_chats, skills,
        languages, is_disabled, created_at, extension FROM agents "
    };
}
macro_rules! faq {
    () => {
        "SELECT id, language, question, wordings, answer, is_enabled, updated_at FROM faq "
    };
}
macro_rules! webhook {
    () => {
        "SELECT tenant, id, url, description, events, secret, old_secrets, disabled_by,
        disabled_at, created_at, cursor FROM webhooks "
    };
}
macro_rules! delivery {
    () => {
        "SELECT position, type, lane, at, state, attempts, first_at, next_at, tried_at, status,
        error, took_ms FROM deliveries WHERE tenant = $1 AND webhook = $2 "
    };
}
macro_rules! call {
    () => {
        "SELECT unique_id, agent, queue, began_at, answered_at FROM calls WHERE tenant = $1 "
    };
}
macro_rules! key {
    () => {
        "SELECT tenant, id, name, digest, scopes, created_at, events FROM api_keys "
    };
}

statements! {
    HEAD = "SELECT log, head FROM tenants WHERE id = $1";
    TENANT_NAME = "SELECT name FROM tenants WHERE id = $1";
    TENANT_PRUNED = "SELECT pruned FROM tenants WHERE id = $1";
    TENANT_IDS = "SELECT id FROM tenants";
    TENANTS = "SELECT id, name FROM tenants WHERE id > $1 ORDER BY id LIMIT $2";
    // Who reads from here on misses nothing: a transaction that is not over yet has a number of
    // this one or above.
    HEADS = "SELECT id, log, head, staff, pg_snapshot_xmin(pg_current_snapshot())::text::int8
        FROM tenants WHERE changed >= $1";
    SNAPSHOT = "SELECT pg_snapshot_xmin(pg_current_snapshot())::text::int8";

    EVENTS = event!(), of_log!(), onwards!();
    EVENTS_BETWEEN = event!(), of_log!(),
        "AND e.position > $2 AND e.position <= $3 ORDER BY e.position";
    EVENTS_OF_CONVERSATION = event!(), of_log!(), "AND e.conversation = $4 ", onwards!();
    EVENTS_OF_RECORDER = event!(), of_log!(), "AND e.conversation = $4 ", recorder!(), onwards!();
    EVENTS_OF_DECISIONS = event!(), of_log!(),
        "AND e.conversation = $4 AND e.type = 'routing.decided' ", onwards!();
    EVENTS_OF_USER = event!(), of_log!(), "AND e.addressee = $4 ", onwards!();
    EVENTS_OF_AUDIT = event!(), of_log!(), "AND e.type = 'audit.entry' ", onwards!();
    LATEST = event!(), of_log!(), backwards!();
    LATEST_OF_CONVERSATION = event!(), of_log!(), "AND e.conversation = $3 ", backwards!();
    LATEST_OF_RECORDER = event!(), of_log!(), "AND e.conversation = $3 ", recorder!(),
        backwards!();
    LATEST_OF_DECISIONS = event!(), of_log!(),
        "AND e.conversation = $3 AND e.type = 'routing.decided' ", backwards!();
    LATEST_OF_USER = event!(), of_log!(), "AND e.addressee = $3 ", backwards!();
    LATEST_OF_AUDIT = event!(), of_log!(), "AND e.type = 'audit.entry' ", backwards!();
    MESSAGES_FORWARD = event!(), of_log!(),
        "AND e.conversation = $2 AND e.seq > $3 AND e.seq < $4 ORDER BY e.seq LIMIT $5";
    MESSAGES_BACKWARD = event!(), of_log!(),
        "AND e.conversation = $2 AND e.seq > $3 AND e.seq < $4 ORDER BY e.seq DESC LIMIT $5";
    LEAVES = event!(), of_log!(),
        "AND e.position > $2 AND e.type IN ('conversation.joined', 'conversation.left')
        AND e.type = 'conversation.left' ORDER BY e.position";
    KNOWN_MESSAGE = event!(), of_log!(),
        "AND e.conversation = $2 AND e.sender = $3 AND e.client_id = $4";
    POSITION_OF = "SELECT position FROM events
        WHERE tenant = $1 AND conversation = $2 AND seq = $3";
    FIRST_POSITION_FROM = "SELECT position, at FROM events
        WHERE tenant = $1 AND position >= $2 ORDER BY position LIMIT 1";
    OLD_CONNECTION_EVENTS = "SELECT max(position) FROM (SELECT position FROM events
        WHERE tenant = $1 AND position <= $2
        AND type IN ('conversation.joined', 'conversation.left') ORDER BY position LIMIT $3) o";
    OLD_EVENTS = "SELECT max(position) FROM (SELECT position FROM events
        WHERE tenant = $1 AND position <= $2 ORDER BY position LIMIT $3) o";
    PRUNE_CONNECTIONS = "DELETE FROM events WHERE tenant = $1 AND position <= $2
        AND type IN ('conversation.joined', 'conversation.left')";
    PRUNE_ALL = "DELETE FROM events WHERE tenant = $1 AND position <= $2";
    PRUNE_NOTICES = "DELETE FROM notices WHERE tenant = $1 AND position <= $2";
    SET_PRUNED = "UPDATE tenants SET pruned = greatest(pruned, $2) WHERE id = $1";
    LOCK_TENANT = "SELECT 1 FROM tenants WHERE id = $1 FOR UPDATE";

    CONVERSATIONS_ASKED = "SELECT k.n, ", conversation!(), "
        FROM unnest($1::text[], $2::uuid[]) WITH ORDINALITY k (tenant, id, n)
        JOIN conversations c ON c.tenant = k.tenant AND c.id = k.id";
    CONVERSATIONS = "SELECT ", conversation!(), " FROM conversations c
        WHERE tenant = $1 AND status = $2 AND ($3::uuid IS NULL OR department = $3)
        AND (created_at, id) < ($4, $5) ORDER BY created_at DESC, id DESC LIMIT $6";
    ACTIVE_CONVERSATIONS = "SELECT ", conversation!(), " FROM conversations c
        WHERE tenant = $1 AND status <> 'closed' AND ($2::uuid IS NULL OR department = $2)
        AND (created_at, id) < ($3, $4) ORDER BY created_at DESC, id DESC LIMIT $5";
    ASSIGNED_TO = "SELECT id FROM conversations
        WHERE tenant = $1 AND agent = $2 AND status = 'assigned' LIMIT $3";
    EXTERNAL_ID = "SELECT conversation FROM external_ids WHERE tenant = $1 AND external_id = $2";
    SESSION_KEY = "SELECT tenant, conversation FROM session_keys WHERE digest = $1";
    ALL_MEMBERS = "SELECT tenant, conversation, user_id, user_type, joined_at FROM members
        ORDER BY tenant, conversation, user_id";
    MEMBERS_ASKED = "SELECT m.conversation, m.user_id, m.user_type, m.joined_at FROM members m
        WHERE m.tenant = $1 AND m.conversation = ANY ($2) ORDER BY m.conversation, m.user_id";
    ALL_OF_BOT = "SELECT tenant, id FROM conversations WHERE status = 'bot'";

    DEPARTMENT = "SELECT id, name, routing FROM departments WHERE tenant = $1 AND id = $2";
    DEPARTMENTS = "SELECT id, name, routing FROM departments
        WHERE tenant = $1 AND ($2::uuid IS NULL OR id > $2) ORDER BY id LIMIT $3";
    AGENT = agent!(), "WHERE tenant = $1 AND id = $2";
    AGENTS = agent!(), "WHERE tenant = $1 AND id > $2 ORDER BY id LIMIT $3";
    AGENTS_OF_DEPARTMENT = agent!(),
        "WHERE tenant = $1 AND id > $2 AND strpos(departments, $4) > 0 ORDER BY id LIMIT $3";
    AGENTS_BY_EMAIL = agent!(),
        "WHERE lower(email) = lower($1::text COLLATE \"C\") AND email IS NOT NULL";
    FORMER_AGENT = "SELECT 1 FROM former_agents WHERE tenant = $1 AND id = $2";
    API_KEY = key!(), "WHERE digest = $1 AND revoked_at IS NULL";
    API_KEYS = key!(), "WHERE tenant = $1 AND revoked_at IS NULL ORDER BY created_at";
    RECOVERY = "SELECT id, user_id, rooms, ended_at FROM recoveries WHERE id = $1 AND tenant = $2";
    END_RECOVERIES = "UPDATE recoveries SET ended_at = $1 WHERE ended_at IS NULL";
    PRUNE_RECOVERIES = "DELETE FROM recoveries WHERE id IN (SELECT id FROM recoveries
        WHERE tenant = $1 AND noted_at < $2 AND ended_at < $2 ORDER BY noted_at LIMIT $3)";

    FAQ_ENTRY = faq!(), "WHERE tenant = $1 AND id = $2";
    FAQ_PAGE = faq!(), "WHERE tenant = $1 AND ($2::uuid IS NULL OR id > $2) ORDER BY id LIMIT $3";
    FAQ_COUNT = "SELECT count(*) FROM faq WHERE tenant = $1";
    FAQ_SEARCH = "WITH asked AS (SELECT string_agg(
            quote_literal(btrim(plain_words(w))) || ':*', ' | ')::tsquery AS words
            FROM unnest($2::text[]) w WHERE btrim(plain_words(w)) <> '')
        SELECT f.id, f.language, f.question, f.wordings, f.answer, f.is_enabled, f.updated_at
        FROM faq f, asked a WHERE f.tenant = $1 AND f.is_enabled AND f.words @@ a.words
        ORDER BY ts_rank('{0.25, 0.25, 0.25, 1}', f.words, a.words) DESC, f.id LIMIT $3";

    READ_BY = "SELECT position FROM readers WHERE tenant = $1 AND name = $2";
    HOLD_DUTIES = "INSERT INTO duties (one, node, number, until)
        VALUES (TRUE, $1, 1, clock_timestamp() + $2 * interval '1 millisecond')
        ON CONFLICT (one) DO UPDATE SET node = $1,
        number = duties.number + (duties.node <> $1)::int,
        until = clock_timestamp() + $2 * interval '1 millisecond'
        WHERE duties.node = $1 OR duties.until < clock_timestamp() RETURNING number";
    RELEASE_DUTIES = "UPDATE duties SET until = '-infinity' WHERE node = $1";

    WAITING = "SELECT ", conversation!(), " FROM conversations c
        WHERE tenant = $1 AND status = 'waiting' ORDER BY queued_at, id";
    SERVING = "SELECT id, agent, department FROM conversations
        WHERE tenant = $1 AND status = 'assigned' AND agent IS NOT NULL ORDER BY id";
    WRAPPING = "SELECT agent, department, conversation, ended_at FROM stints
        WHERE tenant = $1 AND ended_at >= $2 AND agent IS NOT NULL
        ORDER BY ended_at, conversation";
    AGENT_WORK = "SELECT agent, last_assigned_at, last_ended_at FROM agent_work
        WHERE tenant = $1 ORDER BY agent";
    STARTS = "SELECT assigned_at FROM stints WHERE tenant = $1 AND department = $2
        AND assigned_at IS NOT NULL AND queued_at IS NOT NULL ORDER BY assigned_at DESC LIMIT $3";
    STARTS_OF_NONE = "SELECT assigned_at FROM stints WHERE tenant = $1 AND department IS NULL
        AND assigned_at IS NOT NULL AND queued_at IS NOT NULL ORDER BY assigned_at DESC LIMIT $2";
    NEXT_STARTED = "SELECT department FROM stints
        WHERE tenant = $1 AND department > $2 AND assigned_at IS NOT NULL
        AND queued_at IS NOT NULL ORDER BY department LIMIT 1";
    LAST_AGENT = "SELECT agent FROM stints
        WHERE tenant = $1 AND customer = $2 AND agent IS NOT NULL
        ORDER BY assigned_at DESC NULLS LAST LIMIT 1";
    FIGURES = "SELECT department, agent, count(queued_at),
        count(assigned_at - queued_at),
        count(*) FILTER (WHERE assigned_at - queued_at <= $4),
        count(*) FILTER (WHERE outcome = 'abandoned'),
        coalesce(sum(assigned_at - queued_at), 0)::int8,
        coalesce(max(assigned_at - queued_at), 0),
        coalesce(sum(answered_at - assigned_at), 0)::int8, count(answered_at),
        coalesce(sum(ended_at - assigned_at), 0)::int8, count(ended_at - assigned_at),
        coalesce(sum(score), 0), count(score)
        FROM stints WHERE tenant = $1 AND began_at >= $2 AND began_at < $3
        GROUP BY department, agent ORDER BY department NULLS FIRST, agent NULLS FIRST";
    AGENT_STATES = "SELECT s.agent, s.declared, s.status, s.reason, s.since, b.until
        FROM agent_states s LEFT JOIN beats b ON b.tenant = s.tenant AND b.agent = s.agent
        WHERE s.tenant = $1 ORDER BY s.agent";
    DEPARTMENT_ALERTS = "SELECT department FROM department_alerts
        WHERE tenant = $1 ORDER BY department";
    PRUNE_POSTS = "DELETE FROM posts WHERE (tenant, key) IN (SELECT tenant, key FROM posts
        WHERE tenant = $1 AND at < $2 LIMIT $3)";
    OPEN_CALLS = call!(), "ORDER BY unique_id";
    PRUNE_CALLS = "DELETE FROM calls WHERE tenant = $1 AND began_at < $2";
    UNDELIVERED = event!(), " FROM notices n
        JOIN events e ON e.tenant = n.tenant AND e.position = n.position
        JOIN tenants t ON t.id = n.tenant
        WHERE n.tenant = $1 AND n.user_id = $2 AND NOT n.is_delivered
        ORDER BY n.position LIMIT $3";
    NOTICES = event!(), ", n.read_at FROM notices n
        JOIN events e ON e.tenant = n.tenant AND e.position = n.position
        JOIN tenants t ON t.id = n.tenant
        WHERE n.tenant = $1 AND n.user_id = $2 AND n.position < $3
        AND (NOT $4 OR n.read_at IS NULL) ORDER BY n.position DESC LIMIT $5";
    ALL_WEBHOOKS = webhook!(), "WHERE removed_at IS NULL ORDER BY tenant, created_at, id";
    WEBHOOKS = webhook!(), "WHERE tenant = $1 AND removed_at IS NULL ORDER BY created_at, id";
    REMOVED_WEBHOOKS = "SELECT id FROM webhooks WHERE tenant = $1 AND removed_at IS NOT NULL";
    FORGET_WEBHOOK = "DELETE FROM webhooks WHERE tenant = $1 AND id = $2";
    PENDING_DELIVERIES = delivery!(), "AND state = 'pending' ORDER BY position";
    DEAD_DELIVERIES = "SELECT position FROM deliveries
        WHERE tenant = $1 AND webhook = $2 AND state = 'dead' ORDER BY position LIMIT $3";
    DELIVERIES = delivery!(), "AND position < $3 ORDER BY position DESC LIMIT $4";
    DELIVERIES_PENDING = delivery!(),
        "AND position < $3 AND state = 'pending' ORDER BY position DESC LIMIT $4";
    DELIVERIES_DELIVERED = delivery!(),
        "AND position < $3 AND state = 'delivered' ORDER BY position DESC LIMIT $4";
    DELIVERIES_DEAD = delivery!(),
        "AND position < $3 AND state = 'dead' ORDER BY position DESC LIMIT $4";
    COUNT_PENDING_DELIVERIES = "SELECT count(*) FROM deliveries
        WHERE tenant = $1 AND webhook = $2 AND state = 'pending'";
    COUNT_DEAD_DELIVERIES = "SELECT count(*) FROM deliveries
        WHERE tenant = $1 AND webhook = $2 AND state = 'dead'";
    PRUNE_DELIVERIES = "DELETE FROM deliveries WHERE (tenant, webhook, position) IN
        (SELECT tenant, webhook, position FROM deliveries
        WHERE tenant = $1 AND state <> 'pending' AND state = $2 AND tried_at < $3 LIMIT $4)";
    PRUNE_DELIVERIES_OF = "DELETE FROM deliveries WHERE (tenant, webhook, position) IN
        (SELECT tenant, webhook, position FROM deliveries WHERE tenant = $1 AND webhook = $2
        LIMIT $3)";
    PROBE = "SELECT 1 WHERE NOT pg_is_in_recovery()
        AND current_setting('transaction_read_only') = 'off'";
}
