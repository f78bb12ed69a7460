"""What the platform client needs on its machine, as data: `run` and `files`.

The watchdog's files are `node_manager.client.watchdog`'s, the firewall's
`node_manager.client.firewall`'s. ../README.md shows it all in words.
"""
