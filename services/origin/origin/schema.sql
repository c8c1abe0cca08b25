-- The orders both origins share. Changing this file means raising SCHEMA_VERSION in database.py.

CREATE TABLE orders (
    id       INTEGER PRIMARY KEY AUTOINCREMENT,  -- AUTOINCREMENT: a deleted order's id is never given again
    owner    TEXT    NOT NULL REFERENCES accounts (name),
    item     TEXT    NOT NULL CHECK (length(item) BETWEEN 1 AND 200),
    quantity INTEGER NOT NULL CHECK (typeof(quantity) = 'integer' AND quantity BETWEEN 1 AND 1000),
    note     TEXT             CHECK (note IS NULL OR length(note) <= 2000)
) STRICT;

CREATE TABLE accounts (
    name          TEXT PRIMARY KEY CHECK (length(name) BETWEEN 1 AND 64),
    password_hash TEXT NOT NULL
) STRICT, WITHOUT ROWID;

-- Until when an origin says of itself that it is ill (POST /unwell); milliseconds since 1970.
CREATE TABLE ailments (
    origin   TEXT PRIMARY KEY,
    until_ms INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- Lab passwords, in the README: alice "wonderland", bob "builder". scrypt with 4 MiB instead of werkzeug's 32:
-- sixteen logins at once must fit into an origin's memory limit.
INSERT INTO accounts (name, password_hash) VALUES
    ('alice', 'scrypt:4096:8:1$6Xpr8DqOJOYg7gyD$00ae9d44b5b2e7b7b7913e0a58692c9f5d8931315c40a1ca224afee0492f8c72ea8b4657863017668cc123be488eedf3ffe2eb210afda1bb4fd84d085fd9ac2b'),
    ('bob', 'scrypt:4096:8:1$XshQF0ZyGfO5piWn$81ec8148f551c027a0e3e4432cbbab12b32f567e00c68c8f4794282f809203eb33c09f6f9af6ebca0bc2165b44d519c0a6b6c1225061397983f02c2c39817632');
