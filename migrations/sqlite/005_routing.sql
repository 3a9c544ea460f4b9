-- Routing: what decides to whom a conversation goes, and what the figures are made of.

ALTER TABLE conversations ADD COLUMN routing TEXT NOT NULL DEFAULT '{}';   -- JSON object
