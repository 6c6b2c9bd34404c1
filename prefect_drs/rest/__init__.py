"""The REST face: the operations over HTTP, generated from their registry.

In: HTTP requests of this machine. Out: what the operation of the same name answers, as JSON. `routes` is the table of
methods, paths and operations; `endpoints` turns a request into a call; `openapi` describes all of it; `server` binds
and serves. Nothing here implements an operation, and nothing here is imported before `prefect-drs serve` runs.
"""
