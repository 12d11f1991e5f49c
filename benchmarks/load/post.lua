-- wrk -s post.lua URL -- BODY_FILE CONTENT_TYPE [FROM_S UNTIL_S]: post the file repeatedly; the last line of the output
-- is the result as JSON. This script defines no response(), because wrk would build a table of headers for every answer;
-- wrk itself counts statuses above 399. With a window, `counted` is the number of requests sent between FROM_S and
-- UNTIL_S after the first one. In a closed loop each request follows an answer, so this is the number of answers in the
-- window, without those of the start and the end.

local ffi = require("ffi")
ffi.cdef("typedef struct { long s, ns; } benchmark_time; int clock_gettime(int, benchmark_time *);")
local CLOCK_MONOTONIC = 1
local threads = {}

function setup(thread)
  threads[#threads + 1] = thread
end

function init(args)
  local file = assert(io.open(args[1], "rb"))
  wrk.method = "POST"
  wrk.body = file:read("*a")
  wrk.headers["Content-Type"] = args[2]
  file:close()
  if args[3] then
    count_between(tonumber(args[3]), tonumber(args[4]))
  end
end

function count_between(from_s, until_s)
  local message, now, first = wrk.format(), ffi.new("benchmark_time"), nil
  local tried = false
  counted, window_s = 0, until_s - from_s
  function request() -- wrk calls this for every request, and once before the first as a check
    if not tried then
      tried = true
      return message
    end
    ffi.C.clock_gettime(CLOCK_MONOTONIC, now)
    local at = tonumber(now.s) + tonumber(now.ns) / 1e9
    first = first or at
    if at - first >= from_s and at - first < until_s then
      counted = counted + 1
    end
    return message
  end
end

function done(summary, latency)
  local errors = summary.errors
  local line = '{"seconds": %.6f, "answers": %d, "failed": %d, "p50_ms": %.3f, "p90_ms": %.3f, "p99_ms": %.3f, '
    .. '"max_ms": %.3f, "timeouts": %d, "socket_errors": %d%s}\n'
  local counts, window = threads[1]:get("counted"), threads[1]:get("window_s")
  local more = counts and (', "counted": %d, "window_s": %.6f'):format(counts, window) or ""
  io.write(line:format(summary.duration / 1e6, summary.requests, errors.status, latency:percentile(50) / 1e3,
    latency:percentile(90) / 1e3, latency:percentile(99) / 1e3, latency.max / 1e3, errors.timeout,
    errors.connect + errors.read + errors.write, more))
end
