-- People's words that this database heard, as lines of the intent journal that its mark has not passed yet: an earlier
-- line is still open. Without them the next start would take each for one that only the journal knows, and say it again.
CREATE TABLE heard_words (
    seq   INTEGER NOT NULL,
    -- The line's chain value: another journal has the same sequences.
    chain TEXT NOT NULL,
    PRIMARY KEY (seq, chain)
) STRICT, WITHOUT ROWID;
