"""Exit status 0 when /readyz says so: the containers' health check, run as `python -IS` to be cheap."""

import http.client
import os
import sys

port = os.environ.get("SNELLEN_PORT", "")  # in Kubernetes perhaps the address of a Service called snellen
connection = http.client.HTTPConnection("127.0.0.1", int(port) if port.isdecimal() else 8000, timeout=2)
try:
    connection.request("GET", "/readyz")
    answer = connection.getresponse()
except OSError as error:
    sys.exit(f"/readyz: {error}")
print(answer.status, answer.read(200).decode(errors="replace"))
sys.exit(answer.status != 200)
