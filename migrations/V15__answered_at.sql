-- When PayPal last answered about a checkout. `asked_at` moves on a failed look too, which proves nothing: only an
-- answer may tell a buyer that he has not approved.
ALTER TABLE checkouts ADD COLUMN answered_at INTEGER;
