-- Sends the tokens of the file named by TOKENS one after the other, beginning anew at its end.
local tokens, next_token = {}, 0

function init(_)
  for line in io.lines(os.getenv("TOKENS")) do
    tokens[#tokens + 1] = line
  end
end

function request()
  next_token = next_token % #tokens + 1
  return wrk.format("GET", nil, { ["Authorization"] = "Bearer " .. tokens[next_token] })
end
