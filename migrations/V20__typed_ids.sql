-- Purchases whose supplier order ids a person typed; the others were given by the supplier with its own answer. A typed
-- id is a person's word, so what stands under it is compared before anything of it is booked.
CREATE TABLE typed_ids (
    key     TEXT PRIMARY KEY REFERENCES purchases (key),
    said_by TEXT NOT NULL CHECK (said_by <> '')
) STRICT, WITHOUT ROWID;
