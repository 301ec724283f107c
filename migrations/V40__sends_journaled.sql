-- How many of a claim's sends the intent journal has announced up to journal_seq. A send that is counted beyond it was
-- under way; a line beyond both is of a send that this database has forgotten (MONEY A5).
ALTER TABLE claims ADD COLUMN sends_journaled INTEGER NOT NULL DEFAULT 0 CHECK (sends_journaled BETWEEN 0 AND sends);
UPDATE claims SET sends_journaled = sends WHERE journal_seq IS NOT NULL;
