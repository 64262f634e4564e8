-- The same request every time, as wrk makes it: nginx's side of the comparison.
require "common"
