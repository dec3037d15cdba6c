-- The requests of wrk:
--
--     wrk -s requests.lua URL -- FIRST COUNT STRIDE [made]
--
-- Token after token of COUNT from FIRST on, in steps of STRIDE, over and over.
-- With "made" they are made before the start.  Bench/Client.pm makes the same
-- token of the same number.  Ends with a line for Bench/Round.pm.

local first, count, stride, made
local n
local requests = {}


local function request_of(number)
    local x, part = number, {}

    for i = 1, 8 do
        x = (x * 1664525 + 1013904223) % 4294967296
        part[i] = x
    end

    return string.format("GET /t HTTP/1.1\r\nHost: bench\r\n"
                         .. "Authorization: Bearer idt:TKN-%04d-%04d:"
                         .. "%08x%08x%08x%08x%08x%08x%08x%06x\r\n\r\n",
                         math.floor(number / 10000), number % 10000,
                         part[1], part[2], part[3], part[4], part[5], part[6],
                         part[7], part[8] % 16777216)
end


function init(args)
    first, count, stride = tonumber(args[1]), tonumber(args[2]),
                           tonumber(args[3])
    made = args[4] ~= nil

    -- wrk makes one request that it does not send

    n = -stride % count

    if made then
        for i = 0, count - 1 do
            requests[i] = request_of(first + i)
        end
    end
end


function request()
    local i = n

    n = (n + stride) % count

    return made and requests[i] or request_of(first + i)
end


function done(summary)
    local errors = summary.errors

    io.write(string.format("bench: %d requests in %d us, %d wrong\n",
                           summary.requests, summary.duration,
                           errors.connect + errors.read + errors.write
                           + errors.status + errors.timeout))
end
