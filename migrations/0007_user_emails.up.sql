-- An address is claimed in lower case as Unicode has it, under the ledger's lock; that is what makes it unique. Here only what
-- follows from it may be demanded: ASCII letters alike. The database's own lower() takes more to be equal (U+0130 and i), and
-- by that much could refuse what the ledger has accepted.
DROP INDEX projections.users_email_is_unique;
CREATE UNIQUE INDEX users_email_is_unique ON projections.users (lower(email COLLATE "C"));
