-- A payee may have to be confirmed again, and the first payment to a new one waits for a word of its own.

-- NULL: the confirmed address stands. Else why it has to be confirmed again, in the words of doubts.cause.
ALTER TABLE payees ADD COLUMN doubted_for TEXT CHECK (doubted_for IN ('journal', 'rebuilt', 'machine', 'off'));

-- Somebody let the first payment go although nothing was ever paid there.
ALTER TABLE payees ADD COLUMN first_approved_at INTEGER;
