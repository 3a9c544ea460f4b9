-- The log of every tenant, and the state that changes with it.
-- Times are milliseconds of Unix time; ids of conversations and departments are 16 bytes.

CREATE TABLE tenants (
  id     TEXT PRIMARY KEY,
  name   TEXT NOT NULL,
  log    INTEGER NOT NULL,             -- random; tells a cursor of this log from any other
  head   INTEGER NOT NULL DEFAULT 0,   -- the position given out last
  pruned INTEGER NOT NULL DEFAULT 0    -- events up to here may be missing because of their age
) WITHOUT ROWID;

CREATE TABLE events (
  tenant       TEXT    NOT NULL,
  position     INTEGER NOT NULL,
  at           INTEGER NOT NULL,
  type         TEXT    NOT NULL,
  conversation BLOB,
  seq          INTEGER,                -- of messages only
  sender       TEXT,                   -- of messages with a client_id only
  client_id    TEXT,
  payload      TEXT    NOT NULL,
  PRIMARY KEY (tenant, position)
) WITHOUT ROWID;

CREATE INDEX events_of_conversation ON events (tenant, conversation, position)
  WHERE conversation IS NOT NULL;
CREATE UNIQUE INDEX messages_by_seq ON events (tenant, conversation, seq)
  WHERE seq IS NOT NULL;
CREATE UNIQUE INDEX messages_by_client_id ON events (tenant, conversation, sender, client_id)
  WHERE client_id IS NOT NULL;
CREATE INDEX audit_trail ON events (tenant, position) WHERE type = 'audit.entry';
CREATE INDEX connection_events ON events (tenant, position)
  WHERE type IN ('conversation.joined', 'conversation.left');

CREATE TABLE conversations (
  tenant        TEXT    NOT NULL,
  id            BLOB    NOT NULL,
  external_ids  TEXT    NOT NULL,      -- JSON array
  customer      TEXT,
  name          TEXT,
  email         TEXT,
  department    BLOB,
  status        TEXT    NOT NULL,
  agent         TEXT,
  agent_name    TEXT,
  created_at    INTEGER NOT NULL,
  queued_at     INTEGER,
  assigned_at   INTEGER,
  closed_at     INTEGER,
  last_seq      INTEGER NOT NULL,
  delivered_seq INTEGER NOT NULL,
  score         INTEGER,
  metadata      TEXT,                  -- JSON object
  PRIMARY KEY (tenant, id)
) WITHOUT ROWID;

CREATE INDEX conversations_by_age ON conversations (tenant, status, created_at DESC, id DESC);
CREATE INDEX conversations_active ON conversations (tenant, created_at DESC, id DESC)
  WHERE status <> 'closed';
CREATE INDEX conversations_waiting ON conversations (tenant, department, queued_at)
  WHERE status = 'waiting';
CREATE INDEX conversations_served ON conversations (tenant, department, assigned_at)
  WHERE assigned_at IS NOT NULL;
CREATE INDEX conversations_assigned ON conversations (tenant, agent)
  WHERE status = 'assigned';

CREATE TABLE external_ids (
  tenant       TEXT NOT NULL,
  external_id  TEXT NOT NULL,
  conversation BLOB NOT NULL,
  PRIMARY KEY (tenant, external_id)
) WITHOUT ROWID;

CREATE TABLE session_keys (
  digest       BLOB PRIMARY KEY,       -- SHA-256; the key itself is nowhere
  tenant       TEXT NOT NULL,
  conversation BLOB NOT NULL
) WITHOUT ROWID;

CREATE TABLE read_marks (
  tenant       TEXT    NOT NULL,
  conversation BLOB    NOT NULL,
  user         TEXT    NOT NULL,
  seq          INTEGER NOT NULL,
  PRIMARY KEY (tenant, conversation, user)
) WITHOUT ROWID;

-- Everybody whose join has no leave yet.
CREATE TABLE members (
  tenant       TEXT    NOT NULL,
  conversation BLOB    NOT NULL,
  user         TEXT    NOT NULL,
  user_type    TEXT    NOT NULL,
  joined_at    INTEGER NOT NULL,
  PRIMARY KEY (tenant, conversation, user)
) WITHOUT ROWID;

CREATE TABLE departments (
  tenant TEXT NOT NULL,
  id     BLOB NOT NULL,
  name   TEXT NOT NULL,
  PRIMARY KEY (tenant, id)
) WITHOUT ROWID;

CREATE TABLE agents (
  tenant      TEXT    NOT NULL,
  id          TEXT    NOT NULL,
  role        TEXT    NOT NULL,
  name        TEXT    NOT NULL,
  email       TEXT,
  password    TEXT,                    -- argon2id, PHC string
  departments TEXT    NOT NULL,        -- JSON array
  max_chats   INTEGER NOT NULL,
  is_disabled INTEGER NOT NULL,
  PRIMARY KEY (tenant, id)
) WITHOUT ROWID;

CREATE INDEX agents_by_email ON agents (email) WHERE email IS NOT NULL;

CREATE TABLE api_keys (
  id         BLOB PRIMARY KEY,
  tenant     TEXT    NOT NULL,
  name       TEXT    NOT NULL,
  digest     BLOB    NOT NULL UNIQUE,  -- SHA-256; the key itself is nowhere
  scopes     TEXT    NOT NULL,         -- JSON array
  created_at INTEGER NOT NULL,
  revoked_at INTEGER
) WITHOUT ROWID;
