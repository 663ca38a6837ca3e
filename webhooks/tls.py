"""Whom we trust on the way out: the system's authorities, from TLS 1.2 on."""

import ssl


def trusting() -> ssl.SSLContext:
    """For connections that we begin. The least version is said: what a system's Python allows is the system's."""
    context = ssl.create_default_context()
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    return context
