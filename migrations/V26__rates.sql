-- Rates of exchange, each of a day and by somebody's word; and what a supplier asked before it was reckoned into the
-- currency of the sale. The total of a supplier order stands in that currency wherever there was a rate.
CREATE TABLE rates (
    seq           INTEGER PRIMARY KEY,
    from_currency TEXT NOT NULL CHECK (length(from_currency) = 3),
    to_currency   TEXT NOT NULL CHECK (length(to_currency) = 3 AND to_currency <> from_currency),
    -- How much of the second one whole unit of the first is, in billionths.
    billionths    INTEGER NOT NULL CHECK (billionths > 0),
    -- The moment the rate is of.
    of_at         INTEGER NOT NULL,
    set_at        INTEGER NOT NULL,
    set_by        TEXT NOT NULL CHECK (set_by <> '')
) STRICT;

CREATE INDEX rates_of_pair ON rates (from_currency, to_currency, of_at);

CREATE TABLE reckoned (
    supplier_order_id TEXT PRIMARY KEY REFERENCES supplier_orders (id),
    asked_minor       INTEGER NOT NULL CHECK (asked_minor > 0),
    asked_currency    TEXT NOT NULL,
    rate              INTEGER NOT NULL REFERENCES rates (seq),
    reckoned_at       INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
