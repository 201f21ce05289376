DROP INDEX projections.users_email_is_unique;
CREATE UNIQUE INDEX users_email_is_unique ON projections.users (lower(email));
