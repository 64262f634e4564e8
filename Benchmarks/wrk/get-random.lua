-- GET a secret drawn at random from all of them.
local bench = require "common"
local before, after

function init()
    math.randomseed(os.time() + thread_number * 7919)
    before, after = bench.before("GET"), bench.after()
end

function request() return before .. math.random(0, bench.secrets - 1) .. after end
