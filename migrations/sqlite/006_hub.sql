-- What producers post, the calls they tell of, and what waits for users who are not there.

ALTER TABLE events ADD COLUMN origin TEXT;       -- JSON: a producer's own id, and for whom it is

ALTER TABLE api_keys ADD COLUMN events TEXT NOT NULL DEFAULT '["*"]';   -- JSON array of patterns

ALTER TABLE agents ADD COLUMN extension TEXT;    -- of the telephone

-- By what a repeat of a post is known, for a day.
CREATE TABLE posts (
  tenant   TEXT    NOT NULL,
  key      TEXT    NOT NULL,
  digest   BLOB    NOT NULL,             -- SHA-256 of what came under the key
  position INTEGER NOT NULL,             -- where the log ended with it
  at       INTEGER NOT NULL,
  PRIMARY KEY (tenant, key)
) WITHOUT ROWID;

CREATE INDEX posts_by_age ON posts (tenant, at);

-- Calls that have not ended, as far as anybody told.
CREATE TABLE calls (
  tenant      TEXT    NOT NULL,
  unique_id   TEXT    NOT NULL,
  agent       TEXT,                      -- who took it
  queue       TEXT,                      -- the queue it waits in
  began_at    INTEGER NOT NULL,
  answered_at INTEGER,
  PRIMARY KEY (tenant, unique_id)
) WITHOUT ROWID;

-- Notifications of users: told to one of its connections yet, and read.
CREATE TABLE notices (
  tenant       TEXT    NOT NULL,
  user         TEXT    NOT NULL,
  position     INTEGER NOT NULL,         -- of the event
  id           BLOB    NOT NULL,
  is_delivered INTEGER NOT NULL,
  read_at      INTEGER,
  PRIMARY KEY (tenant, user, position)
) WITHOUT ROWID;

CREATE INDEX notices_by_age ON notices (tenant, position);
CREATE INDEX notices_by_id ON notices (tenant, user, id);
CREATE INDEX notices_due ON notices (tenant, user, position) WHERE is_delivered = 0;
