//! Every SQL statement of the backend, by name. A test prepares each against a migrated database,
//! so that a misspelt column fails there and not at night.

macro_rules! statements {
    ($($name:ident = $sql:literal;)*) => {
        $(pub(super) const $name: &str = $sql;)*
        #[cfg(test)]
        pub(super) const ALL: &[(&str, &str)] = &[$((stringify!($name), $sql),)*];
    };
}

statements! {
    TENANT = "SELECT log, head FROM tenants WHERE id = ?1";
    TENANT_NAME = "SELECT name FROM tenants WHERE id = ?1";
    TENANT_PRUNED = "SELECT pruned FROM tenants WHERE id = ?1";
    TENANT_IDS = "SELECT id FROM tenants";
    TENANTS = "SELECT id, name FROM tenants WHERE id > ?1 ORDER BY id LIMIT ?2";
    ADD_TENANT = "INSERT INTO tenants (id, name, log) VALUES (?1, ?1, ?2)";
    SET_TENANT_NAME = "UPDATE tenants SET name = ?2 WHERE id = ?1";
    SET_HEAD = "UPDATE tenants SET head = ?2 WHERE id = ?1";
    SET_PRUNED = "UPDATE tenants SET pruned = max(pruned, ?2) WHERE id = ?1";
    LAST_MOMENT = "SELECT at FROM events WHERE tenant = ?1 ORDER BY position DESC LIMIT 1";

    ADD_EVENT = "INSERT INTO events
        (tenant, position, at, type, conversation, seq, sender, client_id, payload, addressee,
        origin) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)";
    EVENTS = "SELECT t.log, e.position, e.at, e.type, e.payload, e.origin
        FROM events e JOIN tenants t ON t.id = e.tenant
        WHERE e.tenant = ?1 AND e.position > ?2 ORDER BY e.position LIMIT ?3";
    EVENTS_OF_CONVERSATION = "SELECT t.log, e.position, e.at, e.type, e.payload, e.origin
        FROM events e INDEXED BY events_of_conversation JOIN tenants t ON t.id = e.tenant
        WHERE e.tenant = ?1 AND e.conversation = ?4 AND e.position > ?2
        ORDER BY e.position LIMIT ?3";
    EVENTS_OF_RECORDER = "SELECT t.log, e.position, e.at, e.type, e.payload, e.origin
        FROM events e INDEXED BY events_of_conversation JOIN tenants t ON t.id = e.tenant
        WHERE e.tenant = ?1 AND e.conversation = ?4 AND e.position > ?2
        AND e.type NOT IN ('chat.message', 'chat.message.status', 'routing.decided')
        ORDER BY e.position LIMIT ?3";
    EVENTS_OF_DECISIONS = "SELECT t.log, e.position, e.at, e.type, e.payload, e.origin
        FROM events e INDEXED BY decisions JOIN tenants t ON t.id = e.tenant
        WHERE e.tenant = ?1 AND e.conversation = ?4 AND e.type = 'routing.decided'
        AND e.position > ?2 ORDER BY e.position LIMIT ?3";
    EVENTS_OF_USER = "SELECT t.log, e.position, e.at, e.type, e.payload, e.origin
        FROM events e INDEXED BY events_of_user JOIN tenants t ON t.id = e.tenant
        WHERE e.tenant = ?1 AND e.addressee = ?4 AND e.position > ?2
        ORDER BY e.position LIMIT ?3";
    EVENTS_OF_AUDIT = "SELECT t.log, e.position, e.at, e.type, e.payload, e.origin
        FROM events e INDEXED BY audit_trail JOIN tenants t ON t.id = e.tenant
        WHERE e.tenant = ?1 AND e.type = 'audit.entry' AND e.position > ?2
        ORDER BY e.position LIMIT ?3";
    LATEST = "SELECT t.log, e.position, e.at, e.type, e.payload, e.origin
        FROM events e JOIN tenants t ON t.id = e.tenant
        WHERE e.tenant = ?1 ORDER BY e.position DESC LIMIT ?2";
    LATEST_OF_CONVERSATION = "SELECT t.log, e.position, e.at, e.type, e.payload, e.origin
        FROM events e INDEXED BY events_of_conversation JOIN tenants t ON t.id = e.tenant
        WHERE e.tenant = ?1 AND e.conversation = ?3 ORDER BY e.position DESC LIMIT ?2";
    LATEST_OF_RECORDER = "SELECT t.log, e.position, e.at, e.type, e.payload, e.origin
        FROM events e INDEXED BY events_of_conversation JOIN tenants t ON t.id = e.tenant
        WHERE e.tenant = ?1 AND e.conversation = ?3
        AND e.type NOT IN ('chat.message', 'chat.message.status', 'routing.decided')
        ORDER BY e.position DESC LIMIT ?2";
    LATEST_OF_DECISIONS = "SELECT t.log, e.position, e.at, e.type, e.payload, e.origin
        FROM events e INDEXED BY decisions JOIN tenants t ON t.id = e.tenant
        WHERE e.tenant = ?1 AND e.conversation = ?3 AND e.type = 'routing.decided'
        ORDER BY e.position DESC LIMIT ?2";
    LATEST_OF_USER = "SELECT t.log, e.position, e.at, e.type, e.payload, e.origin
        FROM events e INDEXED BY events_of_user JOIN tenants t ON t.id = e.tenant
        WHERE e.tenant = ?1 AND e.addressee = ?3 ORDER BY e.position DESC LIMIT ?2";
    LATEST_OF_AUDIT = "SELECT t.log, e.position, e.at, e.type, e.payload, e.origin
        FROM events e INDEXED BY audit_trail JOIN tenants t ON t.id = e.tenant
        WHERE e.tenant = ?1 AND e.type = 'audit.entry' ORDER BY e.position DESC LIMIT ?2";
    MESSAGES_FORWARD = "SELECT t.log, e.position, e.at, e.type, e.payload, e.origin
        FROM events e JOIN tenants t ON t.id = e.tenant
        WHERE e.tenant = ?1 AND e.conversation = ?2 AND e.seq > ?3 AND e.seq < ?4
        ORDER BY e.seq LIMIT ?5";
    MESSAGES_BACKWARD = "SELECT t.log, e.position, e.at, e.type, e.payload, e.origin
        FROM events e JOIN tenants t ON t.id = e.tenant
        WHERE e.tenant = ?1 AND e.conversation = ?2 AND e.seq > ?3 AND e.seq < ?4
        ORDER BY e.seq DESC LIMIT ?5";
    LEAVES = "SELECT t.log, e.position, e.at, e.type, e.payload, e.origin
        FROM events e INDEXED BY connection_events JOIN tenants t ON t.id = e.tenant
        WHERE e.tenant = ?1 AND e.position > ?2
        AND e.type IN ('conversation.joined', 'conversation.left')
        AND e.type = 'conversation.left' ORDER BY e.position";
    KNOWN_MESSAGE = "SELECT t.log, e.position, e.at, e.type, e.payload, e.origin
        FROM events e JOIN tenants t ON t.id = e.tenant
        WHERE e.tenant = ?1 AND e.conversation = ?2 AND e.sender = ?3 AND e.client_id = ?4";
    POSITION_OF = "SELECT position FROM events
        WHERE tenant = ?1 AND conversation = ?2 AND seq = ?3";
    FIRST_POSITION_FROM = "SELECT position, at FROM events
        WHERE tenant = ?1 AND position >= ?2 ORDER BY position LIMIT 1";
    OLD_CONNECTION_EVENTS = "SELECT max(position) FROM (SELECT position FROM events INDEXED BY connection_events
        WHERE tenant = ?1 AND position <= ?2
        AND type IN ('conversation.joined', 'conversation.left') ORDER BY position LIMIT ?3)";
    OLD_EVENTS = "SELECT max(position) FROM (SELECT position FROM events
        WHERE tenant = ?1 AND position <= ?2 ORDER BY position LIMIT ?3)";
    PRUNE_CONNECTIONS = "DELETE FROM events INDEXED BY connection_events WHERE tenant = ?1 AND position <= ?2
        AND type IN ('conversation.joined', 'conversation.left')";
    PRUNE_ALL = "DELETE FROM events WHERE tenant = ?1 AND position <= ?2";

    CONVERSATION = "SELECT id, external_ids, customer, name, email, department, status, agent,
        agent_name, created_at, queued_at, assigned_at, closed_at, last_seq, delivered_seq,
        needs_person, score, metadata, routing FROM conversations WHERE tenant = ?1 AND id = ?2";
    PUT_CONVERSATION = "INSERT OR REPLACE INTO conversations (tenant, id, external_ids, customer,
        name, email, department, status, agent, agent_name, created_at, queued_at, assigned_at,
        closed_at, last_seq, delivered_seq, needs_person, score, metadata, routing)
        VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18,
        ?19, ?20)";
    SET_SEQS = "UPDATE conversations SET last_seq = ?3, delivered_seq = ?4
        WHERE tenant = ?1 AND id = ?2";
    CONVERSATIONS = "SELECT id, external_ids, customer, name, email, department, status, agent,
        agent_name, created_at, queued_at, assigned_at, closed_at, last_seq, delivered_seq,
        needs_person, score, metadata, routing FROM conversations
        WHERE tenant = ?1 AND status = ?2 AND (?3 IS NULL OR department = ?3)
        AND (created_at, id) < (?4, ?5) ORDER BY created_at DESC, id DESC LIMIT ?6";
    ACTIVE_CONVERSATIONS = "SELECT id, external_ids, customer, name, email, department, status, agent,
        agent_name, created_at, queued_at, assigned_at, closed_at, last_seq, delivered_seq,
        needs_person, score, metadata, routing FROM conversations
        WHERE tenant = ?1 AND status <> 'closed' AND (?2 IS NULL OR department = ?2)
        AND (created_at, id) < (?3, ?4) ORDER BY created_at DESC, id DESC LIMIT ?5";
    ASSIGNED_TO = "SELECT id FROM conversations INDEXED BY conversations_assigned
        WHERE tenant = ?1 AND agent = ?2 AND status = 'assigned' LIMIT ?3";
    ADD_EXTERNAL_ID = "INSERT INTO external_ids VALUES (?1, ?2, ?3)";
    EXTERNAL_ID = "SELECT conversation FROM external_ids WHERE tenant = ?1 AND external_id = ?2";
    ADD_SESSION_KEY = "INSERT INTO session_keys VALUES (?1, ?2, ?3)";
    SESSION_KEY = "SELECT tenant, conversation FROM session_keys WHERE digest = ?1";
    READ_MARK = "SELECT seq FROM read_marks
        WHERE tenant = ?1 AND conversation = ?2 AND user = ?3";
    PUT_READ_MARK = "INSERT OR REPLACE INTO read_marks VALUES (?1, ?2, ?3, ?4)";
    MEMBERS = "SELECT user, user_type, joined_at FROM members
        WHERE tenant = ?1 AND conversation = ?2 ORDER BY user";
    ALL_MEMBERS = "SELECT user, user_type, joined_at, tenant, conversation FROM members";
    PUT_MEMBER = "INSERT OR REPLACE INTO members VALUES (?1, ?2, ?3, ?4, ?5)";
    REMOVE_MEMBER = "DELETE FROM members WHERE tenant = ?1 AND conversation = ?2 AND user = ?3";

    PUT_DEPARTMENT = "INSERT OR REPLACE INTO departments (tenant, id, name, routing)
        VALUES (?1, ?2, ?3, ?4)";
    REMOVE_DEPARTMENT = "DELETE FROM departments WHERE tenant = ?1 AND id = ?2";
    DEPARTMENT = "SELECT id, name, routing FROM departments WHERE tenant = ?1 AND id = ?2";
    DEPARTMENTS = "SELECT id, name, routing FROM departments
        WHERE tenant = ?1 AND id > ?2 ORDER BY id LIMIT ?3";
    PUT_AGENT = "INSERT OR REPLACE INTO agents (tenant, id, role, name, email, password,
        departments, max_chats, skills, languages, is_disabled, created_at, extension)
        VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13)";
    REMOVE_AGENT = "DELETE FROM agents WHERE tenant = ?1 AND id = ?2";
    AGENT = "SELECT tenant, id, role, name, email, password, departments, max_chats, skills,
        languages, is_disabled, created_at, extension FROM agents WHERE tenant = ?1 AND id = ?2";
    AGENTS = "SELECT tenant, id, role, name, email, password, departments, max_chats, skills,
        languages, is_disabled, created_at, extension FROM agents
        WHERE tenant = ?1 AND id > ?2 ORDER BY id LIMIT ?3";
    AGENTS_OF_DEPARTMENT = "SELECT tenant, id, role, name, email, password, departments,
        max_chats, skills, languages, is_disabled, created_at, extension FROM agents
        WHERE tenant = ?1 AND id > ?2
        AND instr(departments, ?4) > 0
        ORDER BY id LIMIT ?3";
    AGENTS_BY_EMAIL = "SELECT tenant, id, role, name, email, password, departments, max_chats,
        skills, languages, is_disabled, created_at, extension FROM agents INDEXED BY agents_by_any_email
        WHERE email = ?1 COLLATE NOCASE";
    ADD_FORMER_AGENT = "INSERT OR REPLACE INTO former_agents (tenant, id, removed_at)
        VALUES (?1, ?2, ?3)";
    REMOVE_FORMER_AGENT = "DELETE FROM former_agents WHERE tenant = ?1 AND id = ?2";
    FORMER_AGENT = "SELECT 1 FROM former_agents WHERE tenant = ?1 AND id = ?2";
    PUT_API_KEY = "INSERT INTO api_keys (id, tenant, name, digest, scopes, created_at, events)
        VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)";
    REVOKE_API_KEY = "UPDATE api_keys SET revoked_at = ?3
        WHERE tenant = ?1 AND id = ?2 AND revoked_at IS NULL";
    API_KEY = "SELECT tenant, id, name, digest, scopes, created_at, events FROM api_keys
        WHERE digest = ?1 AND revoked_at IS NULL";
    API_KEYS = "SELECT tenant, id, name, digest, scopes, created_at, events FROM api_keys
        WHERE tenant = ?1 AND revoked_at IS NULL ORDER BY created_at";
    PUT_RECOVERY = "INSERT OR REPLACE INTO recoveries (id, tenant, user, rooms, ended_at, noted_at)
        VALUES (?1, ?2, ?3, ?4, ?5, ?6)";
    RECOVERY = "SELECT id, user, rooms, ended_at FROM recoveries WHERE id = ?1 AND tenant = ?2";
    END_RECOVERIES = "UPDATE recoveries SET ended_at = ?1 WHERE ended_at IS NULL";
    PRUNE_RECOVERIES = "DELETE FROM recoveries WHERE id IN (SELECT id FROM recoveries
        WHERE tenant = ?1 AND noted_at < ?2 AND ended_at < ?2 ORDER BY noted_at LIMIT ?3)";

    ALL_OF_BOT = "SELECT tenant, id FROM conversations INDEXED BY conversations_of_bot WHERE status = 'bot'";
    PUT_FAQ = "INSERT INTO faq
        (tenant, id, language, question, wordings, answer, is_enabled, updated_at)
        VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)
        ON CONFLICT (tenant, id) DO UPDATE SET language = ?3, question = ?4, wordings = ?5,
        answer = ?6, is_enabled = ?7, updated_at = ?8";
    REMOVE_FAQ = "DELETE FROM faq WHERE tenant = ?1 AND id = ?2";
    FAQ_ENTRY = "SELECT id, language, question, wordings, answer, is_enabled, updated_at
        FROM faq WHERE tenant = ?1 AND id = ?2";
    FAQ_PAGE = "SELECT id, language, question, wordings, answer, is_enabled, updated_at
        FROM faq WHERE tenant = ?1 AND id > ?2 ORDER BY id LIMIT ?3";
    FAQ_COUNT = "SELECT count(*) FROM faq WHERE tenant = ?1";
    FAQ_SEARCH = "SELECT f.id, f.language, f.question, f.wordings, f.answer, f.is_enabled,
        f.updated_at FROM faq_words w JOIN faq f ON f.number = w.rowid
        WHERE faq_words MATCH ?2 AND f.tenant = ?1 AND f.is_enabled
        ORDER BY bm25(faq_words, 4.0, 4.0, 1.0), f.id LIMIT ?3";

    READ_BY = "SELECT position FROM readers WHERE tenant = ?1 AND name = ?2";
    PUT_READ_BY = "INSERT OR REPLACE INTO readers (tenant, name, position) VALUES (?1, ?2, ?3)";

    WAITING = "SELECT id, external_ids, customer, name, email, department, status, agent,
        agent_name, created_at, queued_at, assigned_at, closed_at, last_seq, delivered_seq,
        needs_person, score, metadata, routing FROM conversations INDEXED BY conversations_waiting
        WHERE tenant = ?1 AND status = 'waiting' ORDER BY queued_at, id";
    SERVING = "SELECT id, agent, department FROM conversations INDEXED BY conversations_assigned
        WHERE tenant = ?1 AND status = 'assigned' AND agent IS NOT NULL ORDER BY id";
    PUT_STINT = "INSERT INTO stints (tenant, conversation, number, customer, department, agent,
        began_at, queued_at, assigned_at, answered_at, ended_at, outcome)
        VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12)
        ON CONFLICT (tenant, conversation, number) DO UPDATE SET customer = ?4, department = ?5,
        agent = ?6, began_at = ?7, queued_at = ?8, assigned_at = ?9, answered_at = ?10,
        ended_at = ?11, outcome = ?12";
    PUT_SCORE = "UPDATE stints SET score = ?4
        WHERE tenant = ?1 AND conversation = ?2 AND number = ?3";
    PUT_AGENT_WORK = "INSERT INTO agent_work (tenant, agent, last_assigned_at, last_ended_at)
        VALUES (?1, ?2, ?3, ?4) ON CONFLICT (tenant, agent) DO UPDATE SET
        last_assigned_at = max(last_assigned_at, ?3),
        last_ended_at = nullif(max(coalesce(last_ended_at, 0), coalesce(?4, 0)), 0)";
    WRAPPING = "SELECT agent, department, conversation, ended_at
        FROM stints INDEXED BY stints_ended WHERE tenant = ?1 AND ended_at >= ?2
        AND agent IS NOT NULL ORDER BY ended_at, conversation";
    AGENT_WORK = "SELECT agent, last_assigned_at, last_ended_at FROM agent_work
        WHERE tenant = ?1 ORDER BY agent";
    STARTS = "SELECT assigned_at FROM stints INDEXED BY stints_started
        WHERE tenant = ?1 AND department IS ?2 AND assigned_at IS NOT NULL
        AND queued_at IS NOT NULL ORDER BY assigned_at DESC LIMIT ?3";
    NEXT_STARTED = "SELECT department FROM stints INDEXED BY stints_started
        WHERE tenant = ?1 AND department > ?2 AND assigned_at IS NOT NULL
        AND queued_at IS NOT NULL ORDER BY department LIMIT 1";
    LAST_AGENT = "SELECT agent FROM stints INDEXED BY stints_of_customer
        WHERE tenant = ?1 AND customer = ?2 AND agent IS NOT NULL
        ORDER BY assigned_at DESC LIMIT 1";
    FIGURES = "SELECT department, agent, count(queued_at),
        count(assigned_at - queued_at), coalesce(sum(assigned_at - queued_at <= ?4), 0),
        sum(outcome = 'abandoned'), coalesce(sum(assigned_at - queued_at), 0),
        coalesce(max(assigned_at - queued_at), 0),
        coalesce(sum(answered_at - assigned_at), 0), count(answered_at),
        coalesce(sum(ended_at - assigned_at), 0), count(ended_at - assigned_at),
        coalesce(sum(score), 0), count(score)
        FROM stints INDEXED BY stints_by_age
        WHERE tenant = ?1 AND began_at >= ?2 AND began_at < ?3
        GROUP BY department, agent ORDER BY department, agent";
    PUT_AGENT_STATE = "INSERT OR REPLACE INTO agent_states VALUES (?1, ?2, ?3, ?4, ?5, ?6)";
    PUT_BEAT = "INSERT OR REPLACE INTO beats VALUES (?1, ?2, ?3)";
    AGENT_STATES = "SELECT s.agent, s.declared, s.status, s.reason, s.since, b.until
        FROM agent_states s LEFT JOIN beats b ON b.tenant = s.tenant AND b.agent = s.agent
        WHERE s.tenant = ?1 ORDER BY s.agent";
    ADD_DEPARTMENT_ALERT = "INSERT OR IGNORE INTO department_alerts VALUES (?1, ?2)";
    REMOVE_DEPARTMENT_ALERT = "DELETE FROM department_alerts
        WHERE tenant = ?1 AND department = ?2";
    DEPARTMENT_ALERTS = "SELECT department FROM department_alerts
        WHERE tenant = ?1 ORDER BY department";
    KNOWN_POST = "SELECT digest, position FROM posts WHERE tenant = ?1 AND key = ?2";
    PUT_POST = "INSERT OR REPLACE INTO posts VALUES (?1, ?2, ?3, ?4, ?5)";
    PRUNE_POSTS = "DELETE FROM posts WHERE (tenant, key) IN (SELECT tenant, key FROM posts
        INDEXED BY posts_by_age WHERE tenant = ?1 AND at < ?2 LIMIT ?3)";
    OPEN_CALL = "SELECT unique_id, agent, queue, began_at, answered_at FROM calls
        WHERE tenant = ?1 AND unique_id = ?2";
    OPEN_CALLS = "SELECT unique_id, agent, queue, began_at, answered_at FROM calls
        WHERE tenant = ?1 ORDER BY unique_id";
    PUT_OPEN_CALL = "INSERT OR REPLACE INTO calls (tenant, unique_id, agent, queue, began_at,
        answered_at) VALUES (?1, ?2, ?3, ?4, ?5, ?6)";
    REMOVE_OPEN_CALL = "DELETE FROM calls WHERE tenant = ?1 AND unique_id = ?2
        RETURNING unique_id, agent, queue, began_at, answered_at";
    PRUNE_CALLS = "DELETE FROM calls WHERE tenant = ?1 AND began_at < ?2";
    PUT_NOTICE = "INSERT OR REPLACE INTO notices (tenant, user, position, id, is_delivered)
        VALUES (?1, ?2, ?3, ?4, 0)";
    IS_UNREAD = "SELECT 1 FROM notices INDEXED BY notices_by_id
        WHERE tenant = ?1 AND user = ?2 AND id = ?3 AND read_at IS NULL";
    SET_NOTICE_READ = "UPDATE notices INDEXED BY notices_by_id SET read_at = ?4
        WHERE tenant = ?1 AND user = ?2 AND id = ?3";
    SET_NOTICES_DELIVERED = "UPDATE notices INDEXED BY notices_due SET is_delivered = 1
        WHERE tenant = ?1 AND user = ?2 AND position <= ?3 AND is_delivered = 0";
    UNDELIVERED = "SELECT t.log, e.position, e.at, e.type, e.payload, e.origin
        FROM notices n INDEXED BY notices_due
        JOIN events e ON e.tenant = n.tenant AND e.position = n.position
        JOIN tenants t ON t.id = n.tenant
        WHERE n.tenant = ?1 AND n.user = ?2 AND n.is_delivered = 0
        ORDER BY n.position LIMIT ?3";
    NOTICES = "SELECT t.log, e.position, e.at, e.type, e.payload, e.origin, n.read_at
        FROM notices n JOIN events e ON e.tenant = n.tenant AND e.position = n.position
        JOIN tenants t ON t.id = n.tenant
        WHERE n.tenant = ?1 AND n.user = ?2 AND n.position < ?3
        AND (?4 = 0 OR n.read_at IS NULL) ORDER BY n.position DESC LIMIT ?5";
    PRUNE_NOTICES = "DELETE FROM notices INDEXED BY notices_by_age WHERE tenant = ?1 AND position <= ?2";
    PUT_WEBHOOK = "INSERT INTO webhooks (tenant, id, url, description, events, secret, old_secrets,
        disabled_by, disabled_at, created_at, cursor)
        VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)
        ON CONFLICT (tenant, id) DO UPDATE SET url = ?3, description = ?4, events = ?5,
        secret = ?6, old_secrets = ?7, disabled_by = ?8, disabled_at = ?9";
    REMOVE_WEBHOOK = "UPDATE webhooks SET removed_at = ?3
        WHERE tenant = ?1 AND id = ?2 AND removed_at IS NULL";
    REMOVED_WEBHOOKS = "SELECT id FROM webhooks WHERE tenant = ?1 AND removed_at IS NOT NULL";
    FORGET_WEBHOOK = "DELETE FROM webhooks WHERE tenant = ?1 AND id = ?2";
    SET_WEBHOOK_CURSOR = "UPDATE webhooks SET cursor = ?3
        WHERE tenant = ?1 AND id = ?2 AND removed_at IS NULL";
    ALL_WEBHOOKS = "SELECT tenant, id, url, description, events, secret, old_secrets, disabled_by,
        disabled_at, created_at, cursor FROM webhooks WHERE removed_at IS NULL
        ORDER BY tenant, created_at, id";
    WEBHOOKS = "SELECT tenant, id, url, description, events, secret, old_secrets, disabled_by,
        disabled_at, created_at, cursor FROM webhooks WHERE tenant = ?1 AND removed_at IS NULL
        ORDER BY created_at, id";
    ADD_DELIVERY = "INSERT INTO deliveries
        (tenant, webhook, position, type, lane, at, state, attempts)
        VALUES (?1, ?2, ?3, ?4, ?5, ?6, 'pending', 0)
        ON CONFLICT (tenant, webhook, position) DO UPDATE SET state = 'pending', attempts = 0,
        first_at = NULL, next_at = NULL, tried_at = NULL, status = NULL, error = NULL,
        took_ms = NULL WHERE state <> 'pending'";
    SET_DELIVERY_TRIED = "UPDATE deliveries SET state = ?4, attempts = ?5, first_at = ?6,
        next_at = ?7, tried_at = ?8, status = ?9, error = ?10, took_ms = ?11
        WHERE tenant = ?1 AND webhook = ?2 AND position = ?3";
    REVIVE_DELIVERY = "UPDATE deliveries SET state = 'pending', attempts = 0, first_at = NULL,
        next_at = NULL, tried_at = NULL, status = NULL, error = NULL, took_ms = NULL
        WHERE tenant = ?1 AND webhook = ?2 AND position = ?3 AND state <> 'pending'";
    PENDING_DELIVERIES = "SELECT position, type, lane, at, state, attempts, first_at,
        next_at, tried_at, status, error, took_ms
        FROM deliveries INDEXED BY deliveries_pending
        WHERE tenant = ?1 AND webhook = ?2 AND state = 'pending' ORDER BY position";
    DEAD_DELIVERIES = "SELECT position FROM deliveries INDEXED BY deliveries_dead
        WHERE tenant = ?1 AND webhook = ?2 AND state = 'dead' ORDER BY position LIMIT ?3";
    DELIVERIES = "SELECT position, type, lane, at, state, attempts, first_at,
        next_at, tried_at, status, error, took_ms
        FROM deliveries WHERE tenant = ?1 AND webhook = ?2 AND position < ?3
        ORDER BY position DESC LIMIT ?4";
    DELIVERIES_PENDING = "SELECT position, type, lane, at, state, attempts, first_at,
        next_at, tried_at, status, error, took_ms
        FROM deliveries INDEXED BY deliveries_pending WHERE tenant = ?1 AND webhook = ?2
        AND position < ?3 AND state = 'pending' ORDER BY position DESC LIMIT ?4";
    DELIVERIES_DELIVERED = "SELECT position, type, lane, at, state, attempts, first_at,
        next_at, tried_at, status, error, took_ms
        FROM deliveries WHERE tenant = ?1 AND webhook = ?2 AND position < ?3
        AND state = 'delivered' ORDER BY position DESC LIMIT ?4";
    DELIVERIES_DEAD = "SELECT position, type, lane, at, state, attempts, first_at,
        next_at, tried_at, status, error, took_ms
        FROM deliveries INDEXED BY deliveries_dead WHERE tenant = ?1 AND webhook = ?2
        AND position < ?3 AND state = 'dead' ORDER BY position DESC LIMIT ?4";
    COUNT_PENDING_DELIVERIES = "SELECT count(*) FROM deliveries INDEXED BY deliveries_pending
        WHERE tenant = ?1 AND webhook = ?2 AND state = 'pending'";
    COUNT_DEAD_DELIVERIES = "SELECT count(*) FROM deliveries INDEXED BY deliveries_dead
        WHERE tenant = ?1 AND webhook = ?2 AND state = 'dead'";
    PRUNE_DELIVERIES = "DELETE FROM deliveries WHERE (tenant, webhook, position) IN
        (SELECT tenant, webhook, position FROM deliveries INDEXED BY deliveries_settled
        WHERE tenant = ?1 AND state <> 'pending' AND state = ?2 AND tried_at < ?3 LIMIT ?4)";
    PRUNE_DELIVERIES_OF = "DELETE FROM deliveries WHERE (tenant, webhook, position) IN
        (SELECT tenant, webhook, position FROM deliveries WHERE tenant = ?1 AND webhook = ?2
        LIMIT ?3)";
    PROBE = "UPDATE tenants SET head = head WHERE id = ''";
}
