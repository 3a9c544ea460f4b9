-- What finds a user again: events meant for one, and where a cut connection was.

ALTER TABLE events ADD COLUMN addressee TEXT;   -- the user an event is meant for, if for one

CREATE INDEX events_of_user ON events (tenant, addressee, position)
  WHERE addressee IS NOT NULL;

-- Connections that may be taken up again.
CREATE TABLE recoveries (
  id       BLOB PRIMARY KEY,           -- random; only its user may use it
  tenant   TEXT    NOT NULL,
  user     TEXT    NOT NULL,
  rooms    TEXT    NOT NULL,           -- JSON array
  ended_at INTEGER,                    -- NULL while it is open, and after a crash
  noted_at INTEGER NOT NULL
) WITHOUT ROWID;

CREATE INDEX recoveries_open ON recoveries (id) WHERE ended_at IS NULL;
CREATE INDEX recoveries_by_age ON recoveries (tenant, noted_at);
