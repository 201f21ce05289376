"""Gesta as a server of the Model Context Protocol: what a model may do here, with the key of whoever it works for.

`messages`: the wire, JSON-RPC over HTTP as the protocol's revisions have it. `tools` and `catalogue`: what may be called. A tool
is one of our routes, called from within (`within`): so what is permitted, counted, refused and recorded is so by the same lines.

The wire is our own, and the library's client speaks with it in the tests. Of the library's server (`mcp` 2.3) we would use its
JSON-RPC and its list of versions. With it an API process takes a third longer to start
(1.7 s of a processor instead of 1.25 s), and holds 19 MB more. It reads bodies with `json.loads`, so that a key may occur twice
and a number be rounded, and serves clients of the revisions before 2026-07-28 by a server of its own, with streams for each
request. What is needed without sessions is five methods.
"""
