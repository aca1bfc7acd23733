"""NATS: one connection a process, one RPC stack, and the outbox that feeds JetStream."""
