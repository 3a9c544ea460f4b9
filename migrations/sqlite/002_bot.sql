-- The bot: which conversations it has or gave up, and the FAQ it answers from.

ALTER TABLE conversations ADD COLUMN needs_person INTEGER NOT NULL DEFAULT 0;

CREATE INDEX conversations_of_bot ON conversations (tenant, id) WHERE status = 'bot';

CREATE TABLE faq (
  number     INTEGER PRIMARY KEY,      -- what the search below calls it
  tenant     TEXT    NOT NULL,
  id         BLOB    NOT NULL,
  language   TEXT    NOT NULL,
  question   TEXT    NOT NULL,
  wordings   TEXT    NOT NULL,         -- JSON array
  answer     TEXT    NOT NULL,
  is_enabled INTEGER NOT NULL,
  updated_at INTEGER NOT NULL,
  UNIQUE (tenant, id)
);

-- The words of the entries. Accents do not count: customers leave them out.
CREATE VIRTUAL TABLE faq_words USING fts5 (
  question, wordings, answer,
  content = 'faq', content_rowid = 'number',
  tokenize = 'unicode61 remove_diacritics 2'
);

CREATE TRIGGER faq_added AFTER INSERT ON faq BEGIN
  INSERT INTO faq_words (rowid, question, wordings, answer)
    VALUES (new.number, new.question, new.wordings, new.answer);
END;

CREATE TRIGGER faq_removed AFTER DELETE ON faq BEGIN
  INSERT INTO faq_words (faq_words, rowid, question, wordings, answer)
    VALUES ('delete', old.number, old.question, old.wordings, old.answer);
END;

CREATE TRIGGER faq_changed AFTER UPDATE ON faq BEGIN
  INSERT INTO faq_words (faq_words, rowid, question, wordings, answer)
    VALUES ('delete', old.number, old.question, old.wordings, old.answer);
  INSERT INTO faq_words (rowid, question, wordings, answer)
    VALUES (new.number, new.question, new.wordings, new.answer);
END;
