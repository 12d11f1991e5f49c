-- wrk -s post.lua URL -- BODY_FILE CONTENT_TYPE: posts the file over and over; the last line is the result as JSON.
-- There is no response(): wrk would build a table of headers for every answer. It counts statuses above 399 itself.

function init(args)
  local file = assert(io.open(args[1], "rb"))
  wrk.method = "POST"
  wrk.body = file:read("*a")
  wrk.headers["Content-Type"] = args[2]
  file:close()
end

function done(summary, latency)
  local errors = summary.errors
  local line = '{"seconds": %.6f, "answers": %d, "failed": %d, "p50_ms": %.3f, "p90_ms": %.3f, "p99_ms": %.3f, '
    .. '"max_ms": %.3f, "timeouts": %d, "socket_errors": %d}\n'
  io.write(line:format(summary.duration / 1e6, summary.requests, errors.status, latency:percentile(50) / 1e3,
    latency:percentile(90) / 1e3, latency:percentile(99) / 1e3, latency.max / 1e3, errors.timeout,
    errors.connect + errors.read + errors.write))
end
