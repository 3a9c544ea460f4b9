//! Every SQL statement of the writer, by name. Each takes columns of many rows at once: what a group
//! of changes needs is one statement a table, however many changes it has.

use super::sql::{conversation, statements};

statements! {
    BEGIN = "BEGIN";
    COMMIT = "COMMIT";
    ROLLBACK = "ROLLBACK";

    // What is read before, and locked. The mark comes first: see the table.
    MARK = "INSERT INTO writers (id, number, at) VALUES ($1, $2, now())
        ON CONFLICT (id) DO UPDATE SET number = $2, at = now()";
    // Waits for the end of a transaction that wrote the mark, even if that was the first one.
    MARKED = "INSERT INTO writers AS w (id, number, at) VALUES ($1, 0, now())
        ON CONFLICT (id) DO UPDATE SET at = now() RETURNING w.number";
    FORGET_WRITERS = "DELETE FROM writers WHERE at < now() - interval '1 day'";
    ADD_TENANTS = "INSERT INTO tenants (id, name, log) SELECT id, id, log
        FROM unnest($1::text[], $2::int8[]) n (id, log)
        ORDER BY id COLLATE \"C\" ON CONFLICT (id) DO NOTHING";
    LOCK_TENANTS = "SELECT id, log, head, last_at, staff FROM tenants
        WHERE id = ANY ($1::text[]) ORDER BY id FOR UPDATE";
    DUTIES = "SELECT number FROM duties FOR SHARE";
    CONVERSATIONS = "SELECT k.n, ", conversation!(), "
        FROM unnest($1::text[], $2::uuid[]) WITH ORDINALITY k (tenant, id, n)
        JOIN conversations c ON c.tenant = k.tenant AND c.id = k.id";
    EXTERNAL_IDS = "SELECT k.n, x.conversation
        FROM unnest($1::text[], $2::text[]) WITH ORDINALITY k (tenant, id, n)
        JOIN external_ids x ON x.tenant = k.tenant AND x.external_id = k.id";
    // Each is looked up by itself. As a plain join it would be turned round where statistics are of
    // a log without messages: all messages there are, each beside all that are asked for.
    KNOWN_MESSAGES = "SELECT k.n, t.log, e.position, e.at, e.type, e.payload, e.origin
        FROM unnest($1::text[], $2::uuid[], $3::text[], $4::text[]) WITH ORDINALITY
            k (tenant, conversation, sender, client_id, n)
        CROSS JOIN LATERAL (SELECT * FROM events e WHERE e.tenant = k.tenant
            AND e.conversation = k.conversation AND e.sender = k.sender
            AND e.client_id = k.client_id AND e.client_id IS NOT NULL LIMIT 1) e
        JOIN tenants t ON t.id = k.tenant";
    READ_MARKS = "SELECT k.n, r.seq
        FROM unnest($1::text[], $2::uuid[], $3::text[]) WITH ORDINALITY
            k (tenant, conversation, user_id, n)
        JOIN read_marks r ON r.tenant = k.tenant AND r.conversation = k.conversation
            AND r.user_id = k.user_id";
    MEMBERS = "SELECT k.n, m.user_id, m.user_type, m.joined_at
        FROM unnest($1::text[], $2::uuid[]) WITH ORDINALITY k (tenant, conversation, n)
        JOIN members m ON m.tenant = k.tenant AND m.conversation = k.conversation";
    POSTS = "SELECT k.n, p.digest, p.position
        FROM unnest($1::text[], $2::text[]) WITH ORDINALITY k (tenant, key, n)
        JOIN posts p ON p.tenant = k.tenant AND p.key = k.key";
    CALLS = "SELECT k.n, c.agent, c.queue, c.began_at, c.answered_at
        FROM unnest($1::text[], $2::text[]) WITH ORDINALITY k (tenant, unique_id, n)
        JOIN calls c ON c.tenant = k.tenant AND c.unique_id = k.unique_id";
    UNREAD = "SELECT DISTINCT k.n
        FROM unnest($1::text[], $2::text[], $3::uuid[]) WITH ORDINALITY k (tenant, user_id, id, n)
        JOIN notices x ON x.tenant = k.tenant AND x.user_id = k.user_id AND x.id = k.id
        WHERE x.read_at IS NULL";

    // What is written.
    SET_HEADS = "UPDATE tenants t SET head = n.head, last_at = n.last_at, staff = n.staff,
        name = coalesce(n.name, t.name), changed = pg_current_xact_id()::text::int8
        FROM unnest($1::text[], $2::int8[], $3::int8[], $4::int8[], $5::text[])
            n (id, head, last_at, staff, name) WHERE t.id = n.id";
    ADD_EVENTS = "INSERT INTO events (tenant, position, at, type, conversation, seq, sender,
        client_id, payload, addressee, origin)
        SELECT * FROM unnest($1::text[], $2::int8[], $3::int8[], $4::text[], $5::uuid[],
        $6::int8[], $7::text[], $8::text[], $9::text[], $10::text[], $11::text[])";
    PUT_CONVERSATIONS = "INSERT INTO conversations (tenant, id, external_ids, customer, name,
        email, department, status, agent, agent_name, created_at, queued_at, assigned_at,
        closed_at, last_seq, delivered_seq, needs_person, score, metadata, routing)
        SELECT * FROM unnest($1::text[], $2::uuid[], $3::text[], $4::text[], $5::text[],
        $6::text[], $7::uuid[], $8::text[], $9::text[], $10::text[], $11::int8[], $12::int8[],
        $13::int8[], $14::int8[], $15::int8[], $16::int8[], $17::bool[], $18::int4[],
        $19::text[], $20::text[])
        ON CONFLICT (tenant, id) DO UPDATE SET external_ids = excluded.external_ids,
        customer = excluded.customer, name = excluded.name, email = excluded.email,
        department = excluded.department, status = excluded.status, agent = excluded.agent,
        agent_name = excluded.agent_name, created_at = excluded.created_at,
        queued_at = excluded.queued_at, assigned_at = excluded.assigned_at,
        closed_at = excluded.closed_at, last_seq = excluded.last_seq,
        delivered_seq = excluded.delivered_seq, needs_person = excluded.needs_person,
        score = excluded.score, metadata = excluded.metadata, routing = excluded.routing";
    SET_SEQS = "UPDATE conversations c SET last_seq = n.last_seq, delivered_seq = n.delivered_seq
        FROM unnest($1::text[], $2::uuid[], $3::int8[], $4::int8[])
            n (tenant, id, last_seq, delivered_seq) WHERE c.tenant = n.tenant AND c.id = n.id";
    ADD_EXTERNAL_IDS = "INSERT INTO external_ids
        SELECT * FROM unnest($1::text[], $2::text[], $3::uuid[]) ON CONFLICT DO NOTHING";
    ADD_SESSION_KEYS = "INSERT INTO session_keys
        SELECT * FROM unnest($1::bytea[], $2::text[], $3::uuid[]) ON CONFLICT DO NOTHING";
    PUT_READ_MARKS = "INSERT INTO read_marks
        SELECT * FROM unnest($1::text[], $2::uuid[], $3::text[], $4::int8[])
        ON CONFLICT (tenant, conversation, user_id) DO UPDATE SET seq = excluded.seq";
    PUT_MEMBERS = "INSERT INTO members
        SELECT * FROM unnest($1::text[], $2::uuid[], $3::text[], $4::text[], $5::int8[])
        ON CONFLICT (tenant, conversation, user_id) DO UPDATE
        SET user_type = excluded.user_type, joined_at = excluded.joined_at";
    REMOVE_MEMBERS = "DELETE FROM members m
        USING unnest($1::text[], $2::uuid[], $3::text[]) n (tenant, conversation, user_id)
        WHERE m.tenant = n.tenant AND m.conversation = n.conversation
        AND m.user_id = n.user_id";
    PUT_POSTS = "INSERT INTO posts
        SELECT * FROM unnest($1::text[], $2::text[], $3::bytea[], $4::int8[], $5::int8[])
        ON CONFLICT (tenant, key) DO UPDATE
        SET digest = excluded.digest, position = excluded.position, at = excluded.at";
    PUT_CALLS = "INSERT INTO calls
        SELECT * FROM unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::int8[], $6::int8[])
        ON CONFLICT (tenant, unique_id) DO UPDATE SET agent = excluded.agent,
        queue = excluded.queue, began_at = excluded.began_at, answered_at = excluded.answered_at";
    REMOVE_CALLS = "DELETE FROM calls c
        USING unnest($1::text[], $2::text[]) n (tenant, unique_id)
        WHERE c.tenant = n.tenant AND c.unique_id = n.unique_id";
    ADD_NOTICES = "INSERT INTO notices (tenant, user_id, position, id, is_delivered)
        SELECT *, FALSE FROM unnest($1::text[], $2::text[], $3::int8[], $4::uuid[])";
    SET_NOTICES_READ = "UPDATE notices x SET read_at = n.at
        FROM unnest($1::text[], $2::text[], $3::uuid[], $4::int8[]) n (tenant, user_id, id, at)
        WHERE x.tenant = n.tenant AND x.user_id = n.user_id AND x.id = n.id";
    SET_NOTICES_DELIVERED = "UPDATE notices x SET is_delivered = TRUE
        FROM unnest($1::text[], $2::text[], $3::int8[]) n (tenant, user_id, through)
        WHERE x.tenant = n.tenant AND x.user_id = n.user_id AND x.position <= n.through
        AND NOT x.is_delivered";
    PUT_STINTS = "INSERT INTO stints (tenant, conversation, number, customer, department, agent,
        began_at, queued_at, assigned_at, answered_at, ended_at, outcome)
        SELECT * FROM unnest($1::text[], $2::uuid[], $3::int8[], $4::text[], $5::uuid[],
        $6::text[], $7::int8[], $8::int8[], $9::int8[], $10::int8[], $11::int8[], $12::text[])
        ON CONFLICT (tenant, conversation, number) DO UPDATE SET customer = excluded.customer,
        department = excluded.department, agent = excluded.agent, began_at = excluded.began_at,
        queued_at = excluded.queued_at, assigned_at = excluded.assigned_at,
        answered_at = excluded.answered_at, ended_at = excluded.ended_at,
        outcome = excluded.outcome";
    PUT_SCORES = "UPDATE stints s SET score = n.score
        FROM unnest($1::text[], $2::uuid[], $3::int8[], $4::int4[])
            n (tenant, conversation, number, score)
        WHERE s.tenant = n.tenant AND s.conversation = n.conversation AND s.number = n.number";
    PUT_AGENT_WORK = "INSERT INTO agent_work AS w
        SELECT * FROM unnest($1::text[], $2::text[], $3::int8[], $4::int8[])
        ON CONFLICT (tenant, agent) DO UPDATE SET
        last_assigned_at = greatest(w.last_assigned_at, excluded.last_assigned_at),
        last_ended_at = greatest(w.last_ended_at, excluded.last_ended_at)";

    // Administration, and what else is only kept.
    PUT_DEPARTMENTS = "INSERT INTO departments
        SELECT * FROM unnest($1::text[], $2::uuid[], $3::text[], $4::text[])
        ON CONFLICT (tenant, id) DO UPDATE SET name = excluded.name, routing = excluded.routing";
    REMOVE_DEPARTMENTS = "DELETE FROM departments d
        USING unnest($1::text[], $2::uuid[]) n (tenant, id)
        WHERE d.tenant = n.tenant AND d.id = n.id";
    PUT_AGENTS = "INSERT INTO agents (tenant, id, role, name, email, password, departments,
        max_chats, skills, languages, is_disabled, created_at, extension)
        SELECT * FROM unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::text[],
        $6::text[], $7::text[], $8::int8[], $9::text[], $10::text[], $11::bool[], $12::int8[],
        $13::text[])
        ON CONFLICT (tenant, id) DO UPDATE SET role = excluded.role, name = excluded.name,
        email = excluded.email, password = excluded.password,
        departments = excluded.departments, max_chats = excluded.max_chats,
        skills = excluded.skills, languages = excluded.languages,
        is_disabled = excluded.is_disabled, created_at = excluded.created_at,
        extension = excluded.extension";
    REMOVE_AGENTS = "DELETE FROM agents a USING unnest($1::text[], $2::text[]) n (tenant, id)
        WHERE a.tenant = n.tenant AND a.id = n.id";
    ADD_FORMER_AGENTS = "INSERT INTO former_agents
        SELECT * FROM unnest($1::text[], $2::text[], $3::int8[])
        ON CONFLICT (tenant, id) DO UPDATE SET removed_at = excluded.removed_at";
    REMOVE_FORMER_AGENTS = "DELETE FROM former_agents a
        USING unnest($1::text[], $2::text[]) n (tenant, id)
        WHERE a.tenant = n.tenant AND a.id = n.id";
    ADD_API_KEYS = "INSERT INTO api_keys (id, tenant, name, digest, scopes, events, created_at)
        SELECT * FROM unnest($1::uuid[], $2::text[], $3::text[], $4::bytea[], $5::text[],
        $6::text[], $7::int8[])";
    REVOKE_API_KEYS = "UPDATE api_keys k SET revoked_at = n.at
        FROM unnest($1::text[], $2::uuid[], $3::int8[]) n (tenant, id, at)
        WHERE k.tenant = n.tenant AND k.id = n.id AND k.revoked_at IS NULL";
    PUT_RECOVERIES = "INSERT INTO recoveries
        SELECT * FROM unnest($1::uuid[], $2::text[], $3::text[], $4::text[], $5::int8[], $6::int8[])
        ON CONFLICT (id) DO UPDATE SET tenant = excluded.tenant, user_id = excluded.user_id,
        rooms = excluded.rooms, ended_at = excluded.ended_at, noted_at = excluded.noted_at";
    PUT_FAQ = "INSERT INTO faq (tenant, id, language, question, wordings, answer, is_enabled,
        updated_at)
        SELECT * FROM unnest($1::text[], $2::uuid[], $3::text[], $4::text[], $5::text[],
        $6::text[], $7::bool[], $8::int8[])
        ON CONFLICT (tenant, id) DO UPDATE SET language = excluded.language,
        question = excluded.question, wordings = excluded.wordings, answer = excluded.answer,
        is_enabled = excluded.is_enabled, updated_at = excluded.updated_at";
    REMOVE_FAQ = "DELETE FROM faq f USING unnest($1::text[], $2::uuid[]) n (tenant, id)
        WHERE f.tenant = n.tenant AND f.id = n.id";
    PUT_AGENT_STATES = "INSERT INTO agent_states
        SELECT * FROM unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::text[], $6::int8[])
        ON CONFLICT (tenant, agent) DO UPDATE SET declared = excluded.declared,
        status = excluded.status, reason = excluded.reason, since = excluded.since";
    PUT_BEATS = "INSERT INTO beats SELECT * FROM unnest($1::text[], $2::text[], $3::int8[])
        ON CONFLICT (tenant, agent) DO UPDATE SET until = excluded.until";
    ADD_ALERTS = "INSERT INTO department_alerts
        SELECT * FROM unnest($1::text[], $2::uuid[]) ON CONFLICT DO NOTHING";
    REMOVE_ALERTS = "DELETE FROM department_alerts a
        USING unnest($1::text[], $2::uuid[]) n (tenant, department)
        WHERE a.tenant = n.tenant AND a.department = n.department";
    PUT_READ_BY = "INSERT INTO readers SELECT * FROM unnest($1::text[], $2::text[], $3::int8[])
        ON CONFLICT (tenant, name) DO UPDATE SET position = excluded.position";

    // Of webhooks one after the other: what comes later in a group builds on what came before.
    PUT_WEBHOOK = "INSERT INTO webhooks (tenant, id, url, description, events, secret, old_secrets,
        disabled_by, disabled_at, created_at, cursor)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)
        ON CONFLICT (tenant, id) DO UPDATE SET url = $3, description = $4, events = $5,
        secret = $6, old_secrets = $7, disabled_by = $8, disabled_at = $9";
    REMOVE_WEBHOOK = "UPDATE webhooks SET removed_at = $3
        WHERE tenant = $1 AND id = $2 AND removed_at IS NULL";
    SET_WEBHOOK_CURSOR = "UPDATE webhooks SET cursor = $3
        WHERE tenant = $1 AND id = $2 AND removed_at IS NULL";
    ADD_DELIVERIES = "INSERT INTO deliveries AS d
        (tenant, webhook, position, type, lane, at, state, attempts)
        SELECT $1, $2, n.*, 'pending', 0
        FROM unnest($3::int8[], $4::text[], $5::int8[], $6::int8[]) n
        WHERE EXISTS (SELECT FROM webhooks w
            WHERE w.tenant = $1 AND w.id = $2 AND w.removed_at IS NULL)
        ON CONFLICT (tenant, webhook, position) DO UPDATE SET state = 'pending', attempts = 0,
        first_at = NULL, next_at = NULL, tried_at = NULL, status = NULL, error = NULL,
        took_ms = NULL WHERE d.state <> 'pending'";
    SET_DELIVERIES_TRIED = "UPDATE deliveries d SET state = n.state, attempts = n.attempts,
        first_at = n.first_at, next_at = n.next_at, tried_at = n.tried_at, status = n.status,
        error = n.error, took_ms = n.took_ms
        FROM unnest($1::text[], $2::uuid[], $3::int8[], $4::text[], $5::int8[], $6::int8[],
        $7::int8[], $8::int8[], $9::int4[], $10::text[], $11::int8[])
            n (tenant, webhook, position, state, attempts, first_at, next_at, tried_at, status,
            error, took_ms)
        WHERE d.tenant = n.tenant AND d.webhook = n.webhook AND d.position = n.position";
    REVIVE_DELIVERIES = "UPDATE deliveries SET state = 'pending', attempts = 0, first_at = NULL,
        next_at = NULL, tried_at = NULL, status = NULL, error = NULL, took_ms = NULL
        WHERE tenant = $1 AND webhook = $2 AND position = ANY ($3::int8[]) AND state <> 'pending'";
}
