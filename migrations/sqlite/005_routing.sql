-- Routing: what decides to whom a conversation goes, and what the figures are made of.

ALTER TABLE conversations ADD COLUMN routing TEXT NOT NULL DEFAULT '{}';   -- JSON object

-- Why a conversation went to whom it went.
CREATE INDEX decisions ON events (tenant, conversation, position) WHERE type = 'routing.decided';

-- One row a stay in the queue and with the agent that ended it.
CREATE TABLE stints (
  tenant       TEXT    NOT NULL,
  conversation BLOB    NOT NULL,
  number       INTEGER NOT NULL,       -- from 1
  customer     TEXT,
  department   BLOB,
  agent        TEXT,
  began_at     INTEGER NOT NULL,
  queued_at    INTEGER,                -- NULL if it came from another agent or the bot
  assigned_at  INTEGER,
  answered_at  INTEGER,                -- the agent's first message
  ended_at     INTEGER,
  outcome      TEXT    NOT NULL,
  score        INTEGER,                -- the customer's rating
  PRIMARY KEY (tenant, conversation, number)
) WITHOUT ROWID;

CREATE INDEX stints_by_age ON stints (tenant, began_at);
CREATE INDEX stints_started ON stints (tenant, department, assigned_at)
  WHERE assigned_at IS NOT NULL AND queued_at IS NOT NULL;
CREATE INDEX stints_ended ON stints (tenant, ended_at)
  WHERE ended_at IS NOT NULL AND agent IS NOT NULL;
CREATE INDEX stints_of_customer ON stints (tenant, customer, assigned_at)
  WHERE customer IS NOT NULL AND agent IS NOT NULL;

-- When an agent was given a conversation last, and had one end last.
CREATE TABLE agent_work (
  tenant           TEXT    NOT NULL,
  agent            TEXT    NOT NULL,
  last_assigned_at INTEGER NOT NULL,
  last_ended_at    INTEGER,
  PRIMARY KEY (tenant, agent)
) WITHOUT ROWID;

CREATE TABLE agent_states (
  tenant      TEXT    NOT NULL,
  agent       TEXT    NOT NULL,
  declared    TEXT    NOT NULL,
  status      TEXT    NOT NULL,
  reason      TEXT    NOT NULL,
  since       INTEGER NOT NULL,
  PRIMARY KEY (tenant, agent)
) WITHOUT ROWID;

-- Beside the states, because they are written all the time and are short.
CREATE TABLE beats (
  tenant TEXT    NOT NULL,
  agent  TEXT    NOT NULL,
  until  INTEGER NOT NULL,             -- the end of the lease that the latest heartbeat gave
  PRIMARY KEY (tenant, agent)
) WITHOUT ROWID;

-- Departments without an agent, of which that was told.
CREATE TABLE department_alerts (
  tenant     TEXT NOT NULL,
  department BLOB NOT NULL,
  PRIMARY KEY (tenant, department)
) WITHOUT ROWID;

-- Waits are figured from the stints.
DROP INDEX conversations_served;
