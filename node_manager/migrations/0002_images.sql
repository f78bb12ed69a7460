-- What each machine holds under which name, so that names can be pinned to their content. Read by the
-- application manager. Names are ASCII and compared exactly, as Docker does.
CREATE TABLE IF NOT EXISTS node_images (
    node_id  VARCHAR(64)  NOT NULL,
    name     VARCHAR(255) NOT NULL,
    image_id VARCHAR(100) NOT NULL,
    digest   VARCHAR(100) NULL,
    PRIMARY KEY (node_id, name),
    INDEX by_name (name)
) ENGINE=InnoDB;
