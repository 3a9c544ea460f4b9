-- The log of every tenant, and the state that changes with it.
-- Times are milliseconds of Unix time. Ids sort by their bytes on every machine, hence the "C".
-- What is written beside a tenant's log is written by whoever has locked the tenant's row; so two
-- nodes never wait for each other in a circle.

CREATE TABLE tenants (
  id      TEXT   COLLATE "C" PRIMARY KEY,
  name    TEXT   NOT NULL,
  log     BIGINT NOT NULL,               -- random; tells a cursor of this log from any other
  head    BIGINT NOT NULL DEFAULT 0,     -- the position given out last
  last_at BIGINT NOT NULL DEFAULT 0,     -- when it was; time never runs backwards in a log
  pruned  BIGINT NOT NULL DEFAULT 0,     -- events up to here may be missing because of their age
  staff   BIGINT NOT NULL DEFAULT 0,     -- rises with every change of departments or agents
  changed BIGINT NOT NULL DEFAULT 0      -- the transaction that changed it last, for those who follow
) WITH (fillfactor = 40);

CREATE TABLE events (
  tenant       TEXT   COLLATE "C" NOT NULL,
  position     BIGINT NOT NULL,
  at           BIGINT NOT NULL,
  type         TEXT   NOT NULL,
  conversation UUID,
  seq          BIGINT,                   -- of messages only
  sender       TEXT   COLLATE "C",       -- of messages with a client_id only
  client_id    TEXT   COLLATE "C",
  payload      TEXT   NOT NULL,
  addressee    TEXT   COLLATE "C",       -- the user, or *role, an event is meant for, if for one
  origin       TEXT,                     -- JSON: a producer's own id, and for whom it is
  PRIMARY KEY (tenant, position)
);

CREATE INDEX events_of_conversation ON events (tenant, conversation, position)
  WHERE conversation IS NOT NULL;
CREATE UNIQUE INDEX messages_by_seq ON events (tenant, conversation, seq)
  WHERE seq IS NOT NULL;
CREATE UNIQUE INDEX messages_by_client_id ON events (tenant, conversation, sender, client_id)
  WHERE client_id IS NOT NULL;
CREATE INDEX events_of_user ON events (tenant, addressee, position)
  WHERE addressee IS NOT NULL;
CREATE INDEX audit_trail ON events (tenant, position) WHERE type = 'audit.entry';
CREATE INDEX connection_events ON events (tenant, position)
  WHERE type IN ('conversation.joined', 'conversation.left');
-- Why a conversation went to whom it went.
CREATE INDEX decisions ON events (tenant, conversation, position) WHERE type = 'routing.decided';

CREATE TABLE conversations (
  tenant        TEXT    COLLATE "C" NOT NULL,
  id            UUID    NOT NULL,
  external_ids  TEXT    NOT NULL,        -- JSON array
  customer      TEXT,
  name          TEXT,
  email         TEXT,
  department    UUID,
  status        TEXT    NOT NULL,
  agent         TEXT    COLLATE "C",
  agent_name    TEXT,
  created_at    BIGINT  NOT NULL,
  queued_at     BIGINT,
  assigned_at   BIGINT,
  closed_at     BIGINT,
  last_seq      BIGINT  NOT NULL,
  delivered_seq BIGINT  NOT NULL,
  needs_person  BOOLEAN NOT NULL,
  score         INTEGER,
  metadata      TEXT,                    -- JSON object
  routing       TEXT    NOT NULL,        -- JSON object
  PRIMARY KEY (tenant, id)
) WITH (fillfactor = 75);

CREATE INDEX conversations_by_age ON conversations (tenant, status, created_at DESC, id DESC);
CREATE INDEX conversations_active ON conversations (tenant, created_at DESC, id DESC)
  WHERE status <> 'closed';
CREATE INDEX conversations_waiting ON conversations (tenant, queued_at, id)
  WHERE status = 'waiting';
CREATE INDEX conversations_assigned ON conversations (tenant, agent)
  WHERE status = 'assigned';
CREATE INDEX conversations_of_bot ON conversations (tenant, id) WHERE status = 'bot';

CREATE TABLE external_ids (
  tenant       TEXT COLLATE "C" NOT NULL,
  external_id  TEXT COLLATE "C" NOT NULL,
  conversation UUID NOT NULL,
  PRIMARY KEY (tenant, external_id)
);

CREATE TABLE session_keys (
  digest       BYTEA PRIMARY KEY,        -- SHA-256; the key itself is nowhere
  tenant       TEXT  COLLATE "C" NOT NULL,
  conversation UUID  NOT NULL
);

CREATE TABLE read_marks (
  tenant       TEXT   COLLATE "C" NOT NULL,
  conversation UUID   NOT NULL,
  user_id      TEXT   COLLATE "C" NOT NULL,
  seq          BIGINT NOT NULL,
  PRIMARY KEY (tenant, conversation, user_id)
) WITH (fillfactor = 75);

-- Everybody whose join has no leave yet.
CREATE TABLE members (
  tenant       TEXT   COLLATE "C" NOT NULL,
  conversation UUID   NOT NULL,
  user_id      TEXT   COLLATE "C" NOT NULL,
  user_type    TEXT   NOT NULL,
  joined_at    BIGINT NOT NULL,
  PRIMARY KEY (tenant, conversation, user_id)
);

CREATE TABLE departments (
  tenant  TEXT COLLATE "C" NOT NULL,
  id      UUID NOT NULL,
  name    TEXT NOT NULL,
  routing TEXT,                          -- JSON object, what was set
  PRIMARY KEY (tenant, id)
);

CREATE TABLE agents (
  tenant      TEXT    COLLATE "C" NOT NULL,
  id          TEXT    COLLATE "C" NOT NULL,
  role        TEXT    NOT NULL,
  name        TEXT    NOT NULL,
  email       TEXT    COLLATE "C",
  password    TEXT,                      -- argon2id, PHC string
  departments TEXT    NOT NULL,          -- JSON array
  max_chats   BIGINT  NOT NULL,
  skills      TEXT    NOT NULL,          -- JSON array
  languages   TEXT    NOT NULL,          -- JSON array
  is_disabled BOOLEAN NOT NULL,
  created_at  BIGINT  NOT NULL,
  extension   TEXT,                      -- of the telephone
  PRIMARY KEY (tenant, id)
);

-- People type their address in either case. Of the Latin letters alone, as the "C" has it.
CREATE INDEX agents_by_email ON agents (lower(email)) WHERE email IS NOT NULL;

-- Agents that were removed: a token that still counts must not make them anew.
CREATE TABLE former_agents (
  tenant     TEXT   COLLATE "C" NOT NULL,
  id         TEXT   COLLATE "C" NOT NULL,
  removed_at BIGINT NOT NULL,
  PRIMARY KEY (tenant, id)
);

CREATE TABLE api_keys (
  id         UUID   PRIMARY KEY,
  tenant     TEXT   COLLATE "C" NOT NULL,
  name       TEXT   NOT NULL,
  digest     BYTEA  NOT NULL UNIQUE,     -- SHA-256; the key itself is nowhere
  scopes     TEXT   NOT NULL,            -- JSON array
  events     TEXT   NOT NULL,            -- JSON array of patterns
  created_at BIGINT NOT NULL,
  revoked_at BIGINT
);

CREATE INDEX api_keys_of_tenant ON api_keys (tenant, created_at) WHERE revoked_at IS NULL;

-- Connections that may be taken up again.
CREATE TABLE recoveries (
  id       UUID   PRIMARY KEY,           -- random; only its user may use it
  tenant   TEXT   COLLATE "C" NOT NULL,
  user_id  TEXT   NOT NULL,
  rooms    TEXT   NOT NULL,              -- JSON array
  ended_at BIGINT,                       -- NULL while it is open, and after a crash
  noted_at BIGINT NOT NULL
);

CREATE INDEX recoveries_open ON recoveries (id) WHERE ended_at IS NULL;
CREATE INDEX recoveries_by_age ON recoveries (tenant, noted_at);

-- A text as it is searched: in lower case, without accents, which customers leave out, and
-- without what stands between words.
CREATE FUNCTION plain_words(written TEXT) RETURNS TEXT
  LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
  AS $$ SELECT regexp_replace(
    regexp_replace(normalize(lower(written), NFKD), '[\u0300-\u036F]', '', 'g'),
    '[\u0001-\u002F\u003A-\u0040\u005B-\u0060\u007B-\u00BF\u2000-\u206F]+', ' ', 'g') $$;

CREATE TABLE faq (
  tenant     TEXT    COLLATE "C" NOT NULL,
  id         UUID    NOT NULL,
  language   TEXT    NOT NULL,
  question   TEXT    NOT NULL,
  wordings   TEXT    NOT NULL,           -- JSON array
  answer     TEXT    NOT NULL,
  is_enabled BOOLEAN NOT NULL,
  updated_at BIGINT  NOT NULL,
  words      TSVECTOR NOT NULL GENERATED ALWAYS AS (
    setweight(to_tsvector('simple'::regconfig, plain_words(question || ' ' || wordings)), 'A')
    || setweight(to_tsvector('simple'::regconfig, plain_words(answer)), 'D')) STORED,
  PRIMARY KEY (tenant, id)
);

CREATE INDEX faq_words ON faq USING gin (words);

-- One row a stay in the queue and with the agent that ended it.
CREATE TABLE stints (
  tenant       TEXT   COLLATE "C" NOT NULL,
  conversation UUID   NOT NULL,
  number       BIGINT NOT NULL,          -- from 1
  customer     TEXT   COLLATE "C",
  department   UUID,
  agent        TEXT   COLLATE "C",
  began_at     BIGINT NOT NULL,
  queued_at    BIGINT,                   -- NULL if it came from another agent or the bot
  assigned_at  BIGINT,
  answered_at  BIGINT,                   -- the agent's first message
  ended_at     BIGINT,
  outcome      TEXT   NOT NULL,
  score        INTEGER,                  -- the customer's rating
  PRIMARY KEY (tenant, conversation, number)
);

CREATE INDEX stints_by_age ON stints (tenant, began_at);
CREATE INDEX stints_started ON stints (tenant, department, assigned_at)
  WHERE assigned_at IS NOT NULL AND queued_at IS NOT NULL;
CREATE INDEX stints_ended ON stints (tenant, ended_at)
  WHERE ended_at IS NOT NULL AND agent IS NOT NULL;
CREATE INDEX stints_of_customer ON stints (tenant, customer, assigned_at)
  WHERE customer IS NOT NULL AND agent IS NOT NULL;

-- When an agent was given a conversation last, and had one end last.
CREATE TABLE agent_work (
  tenant           TEXT   COLLATE "C" NOT NULL,
  agent            TEXT   COLLATE "C" NOT NULL,
  last_assigned_at BIGINT NOT NULL,
  last_ended_at    BIGINT,
  PRIMARY KEY (tenant, agent)
);

CREATE TABLE agent_states (
  tenant   TEXT   COLLATE "C" NOT NULL,
  agent    TEXT   COLLATE "C" NOT NULL,
  declared TEXT   NOT NULL,
  status   TEXT   NOT NULL,
  reason   TEXT   NOT NULL,
  since    BIGINT NOT NULL,
  PRIMARY KEY (tenant, agent)
);

-- Beside the states, because they are written all the time and are short.
CREATE TABLE beats (
  tenant TEXT   COLLATE "C" NOT NULL,
  agent  TEXT   COLLATE "C" NOT NULL,
  until  BIGINT NOT NULL,                -- the end of the lease that the latest heartbeat gave
  PRIMARY KEY (tenant, agent)
) WITH (fillfactor = 50);

-- Departments without an agent, of which that was told.
CREATE TABLE department_alerts (
  tenant     TEXT COLLATE "C" NOT NULL,
  department UUID NOT NULL,
  PRIMARY KEY (tenant, department)
);

-- By what a repeat of a post is known, for a day.
CREATE TABLE posts (
  tenant   TEXT   COLLATE "C" NOT NULL,
  key      TEXT   COLLATE "C" NOT NULL,
  digest   BYTEA  NOT NULL,              -- SHA-256 of what came under the key
  position BIGINT NOT NULL,              -- where the log ended with it
  at       BIGINT NOT NULL,
  PRIMARY KEY (tenant, key)
);

CREATE INDEX posts_by_age ON posts (tenant, at);

-- Calls that have not ended, as far as anybody told.
CREATE TABLE calls (
  tenant      TEXT   COLLATE "C" NOT NULL,
  unique_id   TEXT   COLLATE "C" NOT NULL,
  agent       TEXT,                      -- who took it
  queue       TEXT,                      -- the queue it waits in
  began_at    BIGINT NOT NULL,
  answered_at BIGINT,
  PRIMARY KEY (tenant, unique_id)
);

-- Notifications of users: told to one of its connections yet, and read.
CREATE TABLE notices (
  tenant       TEXT    COLLATE "C" NOT NULL,
  user_id      TEXT    COLLATE "C" NOT NULL,
  position     BIGINT  NOT NULL,         -- of the event
  id           UUID    NOT NULL,
  is_delivered BOOLEAN NOT NULL,
  read_at      BIGINT,
  PRIMARY KEY (tenant, user_id, position)
);

CREATE INDEX notices_by_age ON notices (tenant, position);
CREATE INDEX notices_by_id ON notices (tenant, user_id, id);
CREATE INDEX notices_due ON notices (tenant, user_id, position) WHERE NOT is_delivered;

-- Webhooks, and what of the log is on its way to their receivers. What is sent is in the log alone.
CREATE TABLE webhooks (
  tenant      TEXT   COLLATE "C" NOT NULL,
  id          UUID   NOT NULL,
  url         TEXT   NOT NULL,
  description TEXT,
  events      TEXT   NOT NULL,           -- JSON array of patterns
  secret      TEXT   NOT NULL,           -- signs, so it cannot be a digest
  old_secrets TEXT   NOT NULL,           -- JSON array: those that sign beside it, and until when
  disabled_by TEXT,                      -- NULL while it is not: admin, receiver
  disabled_at BIGINT,
  created_at  BIGINT NOT NULL,
  cursor      BIGINT NOT NULL,           -- everything up to here is in deliveries, or was not wanted
  removed_at  BIGINT,                    -- its deliveries go in steps, and then it does
  PRIMARY KEY (tenant, id)
);

CREATE TABLE deliveries (
  tenant   TEXT    COLLATE "C" NOT NULL,
  webhook  UUID    NOT NULL,
  position BIGINT  NOT NULL,             -- of the event
  type     TEXT    NOT NULL,
  lane     BIGINT  NOT NULL,             -- what of a lane comes first goes first
  at       BIGINT  NOT NULL,             -- when the event happened
  state    TEXT    NOT NULL,             -- pending, delivered, dead
  attempts BIGINT  NOT NULL,
  first_at BIGINT,
  next_at  BIGINT,                       -- while it is pending and was tried
  tried_at BIGINT,
  status   INTEGER,                      -- of HTTP
  error    TEXT,
  took_ms  BIGINT,
  PRIMARY KEY (tenant, webhook, position)
);

CREATE INDEX deliveries_pending ON deliveries (tenant, webhook, position) WHERE state = 'pending';
CREATE INDEX deliveries_dead ON deliveries (tenant, webhook, position) WHERE state = 'dead';
CREATE INDEX deliveries_settled ON deliveries (tenant, state, tried_at) WHERE state <> 'pending';

-- Those outside who are told the log by a reader of ours, and how far each has read.
CREATE TABLE readers (
  tenant   TEXT   COLLATE "C" NOT NULL,
  name     TEXT   COLLATE "C" NOT NULL,  -- kafka
  position BIGINT NOT NULL,              -- everything up to here is with them
  PRIMARY KEY (tenant, name)
);

-- Which node has the duties that one has at a time. One row, once there was one.
CREATE TABLE duties (
  one    BOOLEAN     PRIMARY KEY CHECK (one),
  node   TEXT        NOT NULL,
  number BIGINT      NOT NULL,           -- rises whenever they change hands
  until  TIMESTAMPTZ NOT NULL            -- by the clock of this server alone
);

-- The last commit of every writer. It is written first in a transaction, so whoever has lost its
-- line in the middle of a commit can wait here for the end of that transaction and see how it ended.
CREATE TABLE writers (
  id     UUID        PRIMARY KEY,        -- made anew by every start
  number BIGINT      NOT NULL,
  at     TIMESTAMPTZ NOT NULL
) WITH (fillfactor = 20);

-- That a log was, or is being, moved here from elsewhere. Until it is finished no node may write.
CREATE TABLE moves (
  one         BOOLEAN     PRIMARY KEY CHECK (one),
  source      TEXT        NOT NULL,
  began_at    TIMESTAMPTZ NOT NULL DEFAULT clock_timestamp(),
  finished_at TIMESTAMPTZ
);
