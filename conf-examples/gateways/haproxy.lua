-- /etc/haproxy/haproxy.lua, for haproxy.cfg: asks the authority about a
-- request.

local names = {
    "x-mpt-token-id", "x-mpt-token-name", "x-mpt-account-id",
    "x-mpt-account-name", "x-mpt-account-type", "x-mpt-modules",
    "x-mpt-extensions"
}

-- the headers of a refusal that reach the client

local handed_on = {
    "content-type", "www-authenticate", "retry-after", "cache-control", "vary"
}


-- HAProxy counts the values of a header from 0

local function values(headers, name)
    local list = {}

    for i = 0, 99 do
        local value = headers[name] and headers[name][i]

        if not value then
            break
        end

        list[#list + 1] = value
    end

    return list
end


core.register_action("api_token", { "http-req" }, function(txn, url)
    local headers = txn.http:req_get_headers()

    local response = core.httpclient():get {
        url = url,
        timeout = 12000,
        headers = {
            -- all of them: the authority refuses a request with two
            ["authorization"] = values(headers, "authorization"),
            ["traceparent"] = values(headers, "traceparent"),
            ["x-forwarded-for"] = { tostring(txn.f:src()) },
            ["x-forwarded-proto"] = { txn.sf:ssl_fc() == "1" and "https"
                                                              or "http" }
        }
    }

    if response.status == 200 then
        for _, name in ipairs(names) do
            local value = values(response.headers, name)[1]

            txn.http:req_del_header(name)

            if value and value ~= "" then
                txn.http:req_add_header(name, value)
            end
        end

        txn:set_var("txn.api_token", "pass")
        return
    end

    if response.status < 400 then
        return
    end

    local reply = txn:reply { status = response.status,
                              reason = response.reason,
                              body = response.body }

    for _, name in ipairs(handed_on) do
        for _, value in ipairs(values(response.headers, name)) do
            reply:add_header(name, value)
        end
    end

    txn:done(reply)
end, 1)
