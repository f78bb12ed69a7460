-- Two statements; a semicolon; inside a line ends nothing.
CREATE TABLE IF NOT EXISTS things (
    id INT NOT NULL PRIMARY KEY,  -- why; not
    note VARCHAR(20) NOT NULL DEFAULT 'a;b'
);

CREATE TABLE IF NOT EXISTS others (id INT NOT NULL PRIMARY KEY);
