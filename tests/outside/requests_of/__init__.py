"""The requests of recordings as clients of the gateway make them.

Recorded requests are in the form of the provider's API. There is one module for each API, whose `request` says the same
in the form of Chat Completions; `translated` says it in the forms of the other APIs that clients speak. `points` are
the main points of a request, for comparing what was recorded with what the upstream was asked.
"""
