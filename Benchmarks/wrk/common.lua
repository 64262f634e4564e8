-- Shared by the scripts of this folder. wrk runs each script once in its main state and once in every thread.

local bench = {
    secrets = tonumber(os.getenv("BENCH_SECRETS") or 1),
    token = os.getenv("BENCH_TOKEN"),
    threads = {},
}

-- All servers are reached over IPv4, whatever their names resolve to first, and every thread gets a number from 0.
function bench.setup(thread)
    thread.addr = wrk.lookup("127.0.0.1", wrk.port)[1]
    thread:set("thread_number", #bench.threads)
    table.insert(bench.threads, thread)
end

-- One line of JSON for programs.py; times in microseconds. A script may count answers of 429 in the global `throttled`, and its requests
-- in the global `number`.
function bench.done(summary, latency, requests)
    local errors, throttled, numbers = summary.errors, 0, {}
    for _, thread in ipairs(bench.threads) do
        throttled = throttled + (thread:get("throttled") or 0)
        table.insert(numbers, thread:get("number") or 0)
    end
    io.write(string.format(
        'RESULT {"requests": %d, "duration": %d, "p50": %d, "p99": %d, '
            .. '"broken": %d, "refused": %d, "throttled": %d, "numbers": [%s]}\n',
        summary.requests, summary.duration, latency:percentile(50), latency:percentile(99),
        errors.connect + errors.read + errors.write + errors.timeout, errors.status - throttled, throttled,
        table.concat(numbers, ", ")))
end

-- The start of a request for a secret; what follows the name is the same for all.
function bench.before(method) return method .. " /secrets/bench-" end

function bench.after(body)
    local lines = { "?api-version=7.4 HTTP/1.1", "Host: " .. wrk.host .. ":" .. wrk.port, "Authorization: Bearer " .. bench.token }
    if body then
        table.insert(lines, "Content-Type: application/json")
        table.insert(lines, "Content-Length: " .. #body)
    end
    return table.concat(lines, "\r\n") .. "\r\n\r\n" .. (body or "")
end

-- A secret of about 150 bytes.
function bench.body(value)
    return string.format(
        '{"value":"%s-%s","contentType":"text/plain","attributes":{"enabled":true},"tags":{"made-by":"benchmark"}}',
        value, string.rep("x", 48))
end

setup = bench.setup
done = bench.done

return bench
