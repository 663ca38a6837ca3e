"""News out through one durable engine; verified decisions in."""
