"""The API reference for programs: the table's rows, and the OpenAPI and AsyncAPI documents that are made from them.

The table of endpoints itself is `gateway.routes.table`.
"""
