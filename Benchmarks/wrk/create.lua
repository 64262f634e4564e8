-- POST create of what BENCH_BODY describes in BENCH_COLLECTION, keys or certificates, each under a name never used before. Answers of
-- 429 are counted apart.
local bench = require "common"
local before, after
number = 0
throttled = 0

wrk.method = "POST"
wrk.body = os.getenv("BENCH_BODY")
wrk.headers["Authorization"] = "Bearer " .. bench.token
wrk.headers["Content-Type"] = "application/json"

function init()
    before, after = "/" .. (os.getenv("BENCH_COLLECTION") or "keys") .. "/made-" .. os.getenv("BENCH_RUN") .. "-" .. thread_number .. "-", "/create?api-version=7.4"
end

function request()
    number = number + 1
    return wrk.format(nil, before .. number .. after)
end

function response(status)
    if status == 429 then throttled = throttled + 1 end
end
