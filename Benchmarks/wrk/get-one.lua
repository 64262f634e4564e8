-- GET one secret, again and again.
local bench = require "common"

wrk.path = "/secrets/bench-0?api-version=7.4"
wrk.headers["Authorization"] = "Bearer " .. bench.token
