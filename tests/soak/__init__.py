"""Long and heavy runs on the platform of the end-to-end tests; `make test-soak`, not `make test`."""
