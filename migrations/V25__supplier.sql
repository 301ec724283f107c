-- The supplier's side in more detail: what each line costs to send, the parcels of a supplier order, and the number by
-- which a country's customs know the buyer.
ALTER TABLE quote_lines ADD COLUMN freight_minor INTEGER CHECK (freight_minor >= 0);
ALTER TABLE quote_lines ADD COLUMN tax_minor INTEGER CHECK (tax_minor >= 0);

-- A tax, passport or national address number, as the country wants it. Personal data, like the rest of the row.
ALTER TABLE buyers ADD COLUMN id_number TEXT;

-- Every parcel that tracking ever showed. A number may change when another carrier takes over: then the old one is no
-- longer seen, and stays here.
CREATE TABLE parcels (
    supplier_order_id TEXT NOT NULL REFERENCES supplier_orders (id),
    number            TEXT NOT NULL CHECK (number <> ''),
    carrier           TEXT,
    is_delivered      INTEGER NOT NULL CHECK (is_delivered IN (0, 1)),
    last_event        TEXT,
    first_seen_at     INTEGER NOT NULL,
    last_seen_at      INTEGER NOT NULL,
    PRIMARY KEY (supplier_order_id, number)
) STRICT, WITHOUT ROWID;
