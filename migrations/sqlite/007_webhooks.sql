-- Webhooks, and what of the log is on its way to their receivers. What is sent is in the log alone.

CREATE TABLE webhooks (
  tenant      TEXT    NOT NULL,
  id          BLOB    NOT NULL,
  url         TEXT    NOT NULL,
  description TEXT,
  events      TEXT    NOT NULL,         -- JSON array of patterns
  secret      TEXT    NOT NULL,         -- signs, so it cannot be a digest
  old_secrets TEXT    NOT NULL,         -- JSON array: those that sign beside it, and until when
  disabled_by TEXT,                     -- NULL while it is not: admin, receiver
  disabled_at INTEGER,
  created_at  INTEGER NOT NULL,
  cursor      INTEGER NOT NULL,         -- everything up to here is in deliveries, or was not wanted
  removed_at  INTEGER,                  -- its deliveries go in steps, and then it does
  PRIMARY KEY (tenant, id)
) WITHOUT ROWID;

CREATE TABLE deliveries (
  tenant   TEXT    NOT NULL,
  webhook  BLOB    NOT NULL,
  position INTEGER NOT NULL,            -- of the event
  type     TEXT    NOT NULL,
  lane     INTEGER NOT NULL,            -- what of a lane comes first goes first
  at       INTEGER NOT NULL,            -- when the event happened
  state    TEXT    NOT NULL,            -- pending, delivered, dead
  attempts INTEGER NOT NULL,
  first_at INTEGER,
  next_at  INTEGER,                     -- while it is pending and was tried
  tried_at INTEGER,
  status   INTEGER,                     -- of HTTP
  error    TEXT,
  took_ms  INTEGER,
  PRIMARY KEY (tenant, webhook, position)
) WITHOUT ROWID;

CREATE INDEX deliveries_pending ON deliveries (tenant, webhook, position) WHERE state = 'pending';
CREATE INDEX deliveries_dead ON deliveries (tenant, webhook, position) WHERE state = 'dead';
CREATE INDEX deliveries_settled ON deliveries (tenant, state, tried_at) WHERE state <> 'pending';
