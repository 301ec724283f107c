-- Money given back to the buyer.
CREATE TABLE refunds (
    key          TEXT PRIMARY KEY REFERENCES claims (key),
    capture_id   TEXT NOT NULL REFERENCES captures (capture_id),
    refund_id    TEXT UNIQUE CHECK (refund_id <> ''),
    status       TEXT CHECK (status IN ('COMPLETED', 'PENDING', 'FAILED', 'CANCELLED')),
    fee_minor    INTEGER CHECK (fee_minor >= 0),
    reason       TEXT NOT NULL,
    ordered_at   INTEGER NOT NULL,
    ordered_by   TEXT NOT NULL CHECK (ordered_by <> '')
) STRICT, WITHOUT ROWID;
