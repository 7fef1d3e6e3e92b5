-- GET, POST with Content-Length and chunked POST in turn; each is the sum of query and content.

local requests, count = {}, 0

function init(args)
   local host = "Host: " .. wrk.host .. ":" .. wrk.port .. "\r\n"
   local query = "/baseline?a=13&b=42 HTTP/1.1\r\n" .. host
   requests[0] = "GET " .. query .. "\r\n"
   requests[1] = "POST " .. query .. "Content-Length: 2\r\n\r\n20"
   requests[2] = "POST " .. query .. "Transfer-Encoding: chunked\r\n\r\n2\r\n20\r\n0\r\n\r\n"
end

function request()
   count = (count + 1) % 3
   return requests[count]
end
