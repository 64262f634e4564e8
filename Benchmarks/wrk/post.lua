-- POST BENCH_BODY to BENCH_PATH, again and again.
local bench = require "common"

wrk.method = "POST"
wrk.path = os.getenv("BENCH_PATH")
wrk.body = os.getenv("BENCH_BODY")
wrk.headers["Authorization"] = "Bearer " .. bench.token
wrk.headers["Content-Type"] = "application/json"
