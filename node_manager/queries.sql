-- name: all_nodes
-- Every node ever heard of.
SELECT node_id, state, wish, drain, boot_id, former_boot_id, address, log_port, labels, cpus,
       memory_bytes, last_heartbeat, since, revision, reason
FROM nodes
ORDER BY node_id;

-- name: save_nodes
-- Write nodes as they are now. A lower revision never replaces a higher one (a late writer).
INSERT INTO nodes (node_id, state, wish, drain, boot_id, former_boot_id, address, log_port, labels, cpus,
                   memory_bytes, last_heartbeat, since, revision, reason)
VALUES (%(node_id)s, %(state)s, %(wish)s, %(drain)s, %(boot_id)s, %(former_boot_id)s, %(address)s,
        %(log_port)s, %(labels)s, %(cpus)s, %(memory_bytes)s, %(last_heartbeat)s, %(since)s,
        %(revision)s, %(reason)s)
ON DUPLICATE KEY UPDATE
    state          = IF(VALUES(revision) >= revision, VALUES(state), state),
    wish           = IF(VALUES(revision) >= revision, VALUES(wish), wish),
    drain          = IF(VALUES(revision) >= revision, VALUES(drain), drain),
    boot_id        = IF(VALUES(revision) >= revision, VALUES(boot_id), boot_id),
    former_boot_id = IF(VALUES(revision) >= revision, VALUES(former_boot_id), former_boot_id),
    address        = IF(VALUES(revision) >= revision, VALUES(address), address),
    log_port       = IF(VALUES(revision) >= revision, VALUES(log_port), log_port),
    labels         = IF(VALUES(revision) >= revision, VALUES(labels), labels),
    cpus           = IF(VALUES(revision) >= revision, VALUES(cpus), cpus),
    memory_bytes   = IF(VALUES(revision) >= revision, VALUES(memory_bytes), memory_bytes),
    since          = IF(VALUES(revision) >= revision, VALUES(since), since),
    reason         = IF(VALUES(revision) >= revision, VALUES(reason), reason),
    last_heartbeat = GREATEST(last_heartbeat, VALUES(last_heartbeat)),
    revision       = GREATEST(revision, VALUES(revision));

-- name: requests_after
-- What operators asked of nodes after a request, the latest of each node (the application manager's
-- table; the wish is DRAINING, DRAINING:move, DRAINING:force, REMOVED or empty).
SELECT asked.request_id, asked.node_id, asked.wish
FROM rota_app.node_requests AS asked
WHERE asked.request_id > %(after)s
  AND NOT EXISTS (SELECT 1 FROM rota_app.node_requests AS later
                  WHERE later.node_id = asked.node_id AND later.request_id > asked.request_id)
ORDER BY asked.request_id;

-- name: forget_images
-- What a machine held until now.
DELETE FROM node_images WHERE node_id = %(node_id)s;

-- name: save_images
-- What a machine holds now.
INSERT INTO node_images (node_id, name, image_id, digest)
VALUES (%(node_id)s, %(name)s, %(image_id)s, %(digest)s);
