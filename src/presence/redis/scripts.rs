//! What must be atomic, in Lua. All times are Redis' own, so that nodes' clocks do not matter; the
//! values of the seeds' keys are written and never read, because they may be encrypted.

use std::sync::LazyLock;

use crate::redis::Script;

/// Sets how many connections a node has of a user in a place; none ends its stay there.
///
/// Keys: stays, away, and the seeds' hash if there is one. Arguments: user, holder, connections,
/// role, joined_at (ms), TTL (ms), how long a leave is remembered (ms), value for the seeds' hash.
/// Returns `first` and how long the user was away (ms, -1 for unknown), `another` and when it
/// joined, `role` and the other one, `last`, or `not`.
pub(super) static STAY: LazyLock<Script> = LazyLock::new(|| {
    Script::new(
        r"
local stays, away, users = KEYS[1], KEYS[2], KEYS[3]
local user, holder, count, role = ARGV[1], ARGV[2], tonumber(ARGV[3]), ARGV[4]
local node = string.sub(holder, 1, 16)
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local kept = redis.call('HGET', stays, user)
local joined, others, is_own = ARGV[5], {}, false
if kept then
  local kept_role, kept_joined, holders = string.match(kept, '^(%a+) (%-?%d+) (.*)$')
  for name, n in string.gmatch(holders, '([%x.]+)=(%d+)') do
    if string.sub(name, 1, 16) == node then
      is_own = true
    else
      others[#others + 1] = name .. '=' .. n
    end
  end
  if #others > 0 and count > 0 and kept_role ~= role then
    return {'role', kept_role, -1}
  end
  role, joined = count > 0 and role or kept_role, kept_joined
end
if count == 0 and #others > 0 then
  if is_own then
    redis.call('HSET', stays, user, role .. ' ' .. joined .. ' ' .. table.concat(others, ','))
  end
  return {'not', '', -1}
end
if count == 0 then
  if users then
    redis.call('HDEL', users, user)
  end
  if not kept then
    return {'not', '', -1}
  end
  redis.call('HDEL', stays, user)
  redis.call('ZREMRANGEBYSCORE', away, '-inf', string.format('%.0f', now - ARGV[7]))
  redis.call('ZADD', away, string.format('%.0f', now), user)
  redis.call('PEXPIRE', away, ARGV[7])
  return {'last', '', -1}
end
others[#others + 1] = holder .. '=' .. count
redis.call('HSET', stays, user, role .. ' ' .. joined .. ' ' .. table.concat(others, ','))
redis.call('PEXPIRE', stays, ARGV[6])
if users then
  if not kept or redis.call('HEXISTS', users, user) == 0 then
    redis.call('HSET', users, user, ARGV[8])
  end
  redis.call('PEXPIRE', users, ARGV[6])
end
if kept then
  return {'another', '', tonumber(joined)}
end
local left = tonumber(redis.call('ZSCORE', away, user) or nil)
redis.call('ZREM', away, user)
if left and now - left < tonumber(ARGV[7]) then
  return {'first', '', math.max(now - left, 0)}
end
return {'first', '', -1}
",
    )
});

/// Ends the stays of a holder that is gone, in one place.
///
/// Keys: stays, away, lost, and the seeds' hash if there is one. Arguments: holder, most stays at
/// once, how long a leave is remembered (ms), TTL (ms). Returns whether there are more, then user
/// and `role joined_at` of everybody whose last connection was one of a lost holder and of whom
/// nobody has yet said that it was told.
pub(super) static END: LazyLock<Script> = LazyLock::new(|| {
    Script::new(
        r"
local stays, away, lost, users = KEYS[1], KEYS[2], KEYS[3], KEYS[4]
local holder, most = ARGV[1], tonumber(ARGV[2])
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local all, ended, more = redis.call('HGETALL', stays), 0, '0'
for i = 1, #all, 2 do
  local user, kept = all[i], all[i + 1]
  if string.find(kept, holder .. '=', 1, true) then
    if ended >= most then
      more = '1'
      break
    end
    ended = ended + 1
    local role, joined, holders = string.match(kept, '^(%a+) (%-?%d+) (.*)$')
    local others = {}
    for name, n in string.gmatch(holders, '([%x.]+)=(%d+)') do
      if name ~= holder then
        others[#others + 1] = name .. '=' .. n
      end
    end
    if #others > 0 then
      redis.call('HSET', stays, user, role .. ' ' .. joined .. ' ' .. table.concat(others, ','))
    else
      redis.call('HDEL', stays, user)
      if users then
        redis.call('HDEL', users, user)
      end
      redis.call('ZADD', away, string.format('%.0f', now), user)
      redis.call('HSET', lost, user, role .. ' ' .. joined)
    end
  end
end
redis.call('PEXPIRE', away, ARGV[3])
redis.call('PEXPIRE', lost, ARGV[4])
local told = redis.call('HGETALL', lost)
table.insert(told, 1, more)
return told
",
    )
});

/// Notes that a user left a while ago. Key: away. Arguments: user, how long ago (ms), how long a
/// leave is remembered (ms).
pub(super) static REMEMBER: LazyLock<Script> = LazyLock::new(|| {
    Script::new(
        r"
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
redis.call('ZADD', KEYS[1], string.format('%.0f', now - ARGV[2]), ARGV[1])
redis.call('PEXPIRE', KEYS[1], ARGV[3])
return 1
",
    )
});

/// Takes a place out of a holder's index, unless it was noted again. Key: held. Arguments: place,
/// the score under which it was noted.
pub(super) static UNHOLD: LazyLock<Script> = LazyLock::new(|| {
    Script::new(
        r"
local score = redis.call('ZSCORE', KEYS[1], ARGV[1])
if score and tonumber(score) <= tonumber(ARGV[2]) then
  return redis.call('ZREM', KEYS[1], ARGV[1])
end
return 0
",
    )
});

/// Takes a turn by the generic cell rate algorithm: so many a minute, all at once or spread. Key:
/// turns. Argument: how many a minute. Returns 0, or how long to wait (ms).
pub(super) static TURN: LazyLock<Script> = LazyLock::new(|| {
    Script::new(
        r"
local minute = 60000000
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
local even = tonumber(redis.call('GET', KEYS[1]) or now)
local ahead = math.max(even, now) + minute / tonumber(ARGV[1]) - now
if ahead > minute then
  return math.ceil((ahead - minute) / 1000)
end
redis.call('SET', KEYS[1], string.format('%.0f', now + ahead), 'PX', math.ceil(ahead / 1000))
return 0
",
    )
});

/// Gives a turn back. Key: turns. Argument: how many a minute.
pub(super) static TURN_BACK: LazyLock<Script> = LazyLock::new(|| {
    Script::new(
        r"
local even = tonumber(redis.call('GET', KEYS[1]))
if even then
  local before = even - 60000000 / tonumber(ARGV[1])
  redis.call('SET', KEYS[1], string.format('%.0f', before), 'KEEPTTL')
end
return 0
",
    )
});
