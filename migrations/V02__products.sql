-- What is sold, and which exact variant of the supplier's is bought for it.
CREATE TABLE products (
    sku                   TEXT PRIMARY KEY CHECK (length(sku) BETWEEN 1 AND 64),
    title                 TEXT NOT NULL CHECK (length(title) BETWEEN 1 AND 200),
    price_minor           INTEGER NOT NULL CHECK (price_minor > 0),
    currency              TEXT NOT NULL CHECK (length(currency) = 3),
    supplier_product_id   TEXT NOT NULL CHECK (supplier_product_id <> '' AND supplier_product_id NOT GLOB '*[^0-9]*'),
    sku_attr              TEXT NOT NULL,
    sku_id                TEXT NOT NULL CHECK (sku_id <> '' AND sku_id NOT GLOB '*[^0-9]*'),
    shipping_service      TEXT CHECK (shipping_service <> ''),
    landed_cost_max_minor INTEGER CHECK (landed_cost_max_minor > 0),
    is_active             INTEGER NOT NULL CHECK (is_active IN (0, 1)),
    updated_at            INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
