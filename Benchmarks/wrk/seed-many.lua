-- Send BENCH_BODY to BENCH_PATH by BENCH_METHOD, BENCH_SECRETS times in all, GUID in both standing for one that is never used twice; each
-- thread stops when all of its own were answered.
local bench = require "common"
local thread_count = tonumber(os.getenv("BENCH_THREADS"))
local path, body = os.getenv("BENCH_PATH"), os.getenv("BENCH_BODY")
local asked, awaited = 0, 0

wrk.method = os.getenv("BENCH_METHOD")
wrk.headers["Authorization"] = "Bearer " .. bench.token
wrk.headers["Content-Type"] = "application/json"

function init()
    awaited = math.max(1, math.ceil((bench.secrets - thread_number) / thread_count))
end

function request()
    asked = asked + 1
    local guid = string.format("%08x-0000-4000-8000-%012x", thread_number, asked)
    return wrk.format(nil, (path:gsub("GUID", guid)), nil, (body:gsub("GUID", guid)))
end

function response()
    awaited = awaited - 1
    if awaited == 0 then
        io.write("SEEDED\n")
        io.flush()
        wrk.thread:stop()
    end
end
