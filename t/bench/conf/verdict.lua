-- The checks of lua.conf and lua_lru.conf.

local cjson = require "cjson.safe"
local lrucache = require "resty.lrucache"

local ngx = ngx
local var = ngx.var
local decode = cjson.decode
local dict = ngx.shared.verdicts

local VALID, DENIED = 3600, 5
local DENIAL = ""

local lru = assert(lrucache.new(30000))


local function refuse()
    ngx.header["WWW-Authenticate"] = 'Bearer realm="bench"'

    return ngx.exit(401)
end


-- asks the API; what it says is looked at before it is kept, so that a hit need
-- not compare the id again

local function ask(header)
    local response = ngx.location.capture("/_api")
    local status = response.status

    if status == 401 or status == 404 then
        dict:set(header, DENIAL, DENIED)

        return DENIAL
    end

    local facts = status == 200 and not response.truncated
                  and decode(response.body)

    if type(facts) ~= "table" or facts.id ~= var.token_id then
        return ngx.exit(503)
    end

    dict:set(header, response.body, VALID)

    return response.body
end


local function active(json)
    local facts = json ~= DENIAL and decode(json)

    if facts and facts.status == "Active" then
        return facts
    end
end


local _M = {}


function _M.dict()
    local header = var.http_authorization

    if not header then
        return refuse()
    end

    if not active(dict:get(header) or ask(header)) then
        return refuse()
    end
end


function _M.lru()
    local header = var.http_authorization

    if not header then
        return refuse()
    end

    if lru:get(header) then
        return
    end

    local facts = active(dict:get(header) or ask(header))

    if not facts then
        return refuse()
    end

    -- what is left of its time in the dict

    lru:set(header, facts, dict:ttl(header) or VALID)
end


return _M
