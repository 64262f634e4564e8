-- PUT every secret once: thread t of n takes the names t, t + n, t + 2n, ... and stops when all were answered.
local bench = require "common"
local thread_count = tonumber(os.getenv("BENCH_THREADS"))
local before, after, next_name, awaited

function init()
    before, after = bench.before("PUT"), bench.after(bench.body("the first value"))
    next_name = thread_number
    awaited = math.max(1, math.ceil((bench.secrets - thread_number) / thread_count))
end

function request()
    local name = next_name < bench.secrets and next_name or thread_number -- past the end: the first again
    next_name = next_name + thread_count
    return before .. name .. after
end

function response()
    awaited = awaited - 1
    if awaited == 0 then
        io.write("SEEDED\n")
        io.flush()
        wrk.thread:stop()
    end
end
