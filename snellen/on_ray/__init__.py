"""The service as an application of Ray Serve: replicas on one machine or on many, each a whole service in one process.

| Module | What it does |
|---|---|
| `application` | a replica, and what `import_path` in deploy/ray/serve.yaml names |
| `proxy` | what Ray's proxies answer where a replica is lost with a request |

Neither the service nor the command line imports this package, which needs the extra `ray`.
"""
