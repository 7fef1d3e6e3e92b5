-- Sixteen requests in one write; wrk counts them by itself.

local sixteen

function init(args)
   sixteen = string.rep(wrk.format("GET", "/"), 16)
end

function request()
   return sixteen
end
