-- A GET as a browser sends it: 13 header fields, of which the Cookie has another value each time.
-- The request is put together by hand, so that wrk adds no field of its own.

local before, after
local count = 0

function init(args)
   before = table.concat({
      "GET / HTTP/1.1",
      "Host: " .. wrk.host .. ":" .. wrk.port,
      "Connection: keep-alive",
      'sec-ch-ua: "Chromium";v="128", "Not;A=Brand";v="24", "Google Chrome";v="128"',
      'sec-ch-ua-platform: "Linux"',
      "Upgrade-Insecure-Requests: 1",
      "User-Agent: Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) "
         .. "Chrome/128.0.0.0 Safari/537.36",
      "Accept: text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,*/*;q=0.8",
      "Sec-Fetch-Site: same-origin",
      "Sec-Fetch-Mode: navigate",
      "Referer: http://" .. wrk.host .. ":" .. wrk.port .. "/articles/",
      "Accept-Encoding: gzip, deflate, br, zstd",
      "Accept-Language: en-GB,en;q=0.9,fr;q=0.7",
      "Cookie: theme=dark; session=",
   }, "\r\n")
   after = "\r\n\r\n"
end

function request()
   count = count + 1
   return before .. string.format("%016x", count) .. after
end
