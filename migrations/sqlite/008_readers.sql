-- Those outside who are told the log by a reader of ours, and how far each has read.

CREATE TABLE readers (
  tenant   TEXT    NOT NULL,
  name     TEXT    NOT NULL,            -- kafka
  position INTEGER NOT NULL,            -- everything up to here is with them
  PRIMARY KEY (tenant, name)
) WITHOUT ROWID;
