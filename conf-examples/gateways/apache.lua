-- /etc/apache2/apache.lua, for apache.conf: asks the authority about a request.

local http = require "socket.http"
local ltn12 = require "ltn12"

local url = "http://127.0.0.1:8081/check/orders"

local names = {
    "X-MPT-Token-Id", "X-MPT-Token-Name", "X-MPT-Account-Id",
    "X-MPT-Account-Name", "X-MPT-Account-Type", "X-MPT-Modules",
    "X-MPT-Extensions"
}

-- the headers of a refusal that reach the client

local handed_on = {
    "WWW-Authenticate", "Retry-After", "Cache-Control", "Vary"
}

http.TIMEOUT = 12


function check(r)
    -- remove what the client says about itself; backends may take "_" for "-"

    for name in pairs(r:headers_in_table()) do
        if name:lower():find("^x[-_]mpt") then
            r.headers_in[name] = nil
        end
    end

    -- Apache removes the headers that Connection names from the request to the
    -- backend, and with them the caller's identity

    if (r.headers_in["Connection"] or ""):lower():find("x-mpt", 1, true) then
        return 400
    end

    local body = {}

    local ok, status, headers = http.request {
        url = url,
        redirect = false,
        sink = ltn12.sink.table(body),
        headers = {
            ["authorization"] = r.headers_in["Authorization"],
            ["traceparent"] = r.headers_in["traceparent"],
            ["x-forwarded-for"] = r.useragent_ip,
            ["x-forwarded-proto"] = r.is_https and "https" or "http"
        }
    }

    if not ok or status ~= 200 and status < 400 then
        return 503
    end

    if status == 200 then
        for _, name in ipairs(names) do
            local value = headers[name:lower()]

            if value and value ~= "" then
                r.headers_in[name] = value
            end
        end

        return apache2.DECLINED
    end

    for _, name in ipairs(handed_on) do
        r.err_headers_out[name] = headers[name:lower()]
    end

    r.status = status
    r.content_type = headers["content-type"] or "text/plain"
    r:write(table.concat(body))

    return apache2.DONE
end
