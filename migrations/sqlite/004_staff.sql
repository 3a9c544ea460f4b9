-- Who works for a tenant and how its departments route, as administration keeps it.

ALTER TABLE departments ADD COLUMN routing TEXT;                      -- JSON object, what was set

ALTER TABLE agents ADD COLUMN skills     TEXT    NOT NULL DEFAULT '[]';   -- JSON array
ALTER TABLE agents ADD COLUMN languages  TEXT    NOT NULL DEFAULT '[]';   -- JSON array
ALTER TABLE agents ADD COLUMN created_at INTEGER NOT NULL DEFAULT 0;

-- When those before this were made nobody noted; not later than now.
UPDATE agents SET created_at = CAST(strftime('%s', 'now') AS INTEGER) * 1000;

-- People type their address in either case.
DROP INDEX agents_by_email;
CREATE INDEX agents_by_any_email ON agents (email COLLATE NOCASE) WHERE email IS NOT NULL;

-- Agents that were removed: a token that still counts must not make them anew.
CREATE TABLE former_agents (
  tenant     TEXT    NOT NULL,
  id         TEXT    NOT NULL,
  removed_at INTEGER NOT NULL,
  PRIMARY KEY (tenant, id)
) WITHOUT ROWID;
