"""Exit status 0 when /readyz says so: the containers' health check, run as `python -IS` to be cheap."""

import http.client
import os
import sys

connection = http.client.HTTPConnection("127.0.0.1", int(os.environ.get("SNELLEN_PORT", "8000")), timeout=2)
try:
    connection.request("GET", "/readyz")
    answer = connection.getresponse()
except OSError as error:
    sys.exit(f"/readyz: {error}")
print(answer.status, answer.read(200).decode(errors="replace"))
sys.exit(answer.status != 200)
