-- Version 1 of the schema. {schema} stands for the quoted name of the schema.
--
-- The queues are unlogged: a server that crashed has ended all sessions, and with them all locks.
-- Whoever works on the queue of a key holds an advisory lock on the hash of that key until commit
-- (*the mutex of the key* below). Whoever takes several takes them in the order of the hashes.
--
-- Advisory locks have two numbers. The first is the OID of one of our tables, which no other user
-- of advisory locks has by chance:
--   (session, sid)          held by the connection of a session for as long as it lives
--   (request, hash of key)  the mutex of a key
--   (version, 0)            held by whoever opens a session
--   (version, sid)          shared by each call of a session, and exclusive by whoever ends it
--   (server, token)         shared by each transaction that has called check(), until its end
--
-- Every function that others call runs with the rights of its owner. It pins its search_path and names
-- all tables in full, so that nobody can put functions or tables of his own in their place. The
-- functions that these call inherit the path and the rights. By themselves they have neither: so
-- whoever calls one directly can do no more with it than he could without. (To set the path anew
-- in each takes as long as the rest.)

create table {schema}.version (version integer not null, oldest_reader integer not null);

-- The server on which the last session was opened: see register().
create table {schema}.server (identity text not null, timeline integer not null, started timestamptz not null);

create sequence {schema}.token as bigint;
create sequence {schema}.ticket as bigint;
create sequence {schema}.sid as integer cycle;

create unlogged table {schema}.session (
  sid integer primary key,
  pid integer not null,
  label text not null,
  address text,
  beat bigint not null default 0,
  -- Ended by others, who may not be done with its requests.
  ended boolean not null default false
) with (fillfactor = 20, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 500);

-- One row for each request. token is null while it is pending. A row is deleted at the end of a
-- hold, and never changes from held to anything else but shared or ended: see check().
create unlogged table {schema}.request (
  sid integer not null,
  request bigint not null,
  key text collate "C" not null,
  ticket bigint not null,
  shared boolean not null,
  token bigint,
  ended boolean not null default false,
  since timestamptz not null default clock_timestamp(),
  primary key (sid, request)
) with (fillfactor = 70, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 1000);
create index request_queue on {schema}.request (key, ticket);
create index request_ended on {schema}.request (key) where ended;

-- The channel on which a session is told what happened to its requests.
create function {schema}.channel(of integer) returns text language sql stable
as $$
  select 'crosslock.' || '{schema}.session'::regclass::oid || '.' || of
$$;

-- Whether a session was ended, or its connection is gone. If it is, our shared lock lasts until commit, and
-- excludes nobody: numbers of sessions are not used again.
create function {schema}.is_gone(of integer) returns boolean language plpgsql
as $$
begin
  return not exists (select from {schema}.session s where s.sid = of and not s.ended)
    or pg_try_advisory_xact_lock_shared('{schema}.session'::regclass::oid::integer, of);
end $$;

create function {schema}.mutex(k text) returns void language plpgsql
as $$
begin
  perform pg_advisory_xact_lock('{schema}.request'::regclass::oid::integer, hashtext(k));
end $$;

-- Ends a request. Under the mutex of its key. False if it was held and a transaction that has
-- checked its token is still open: then its row stays, marked as ended, and beat() or the next
-- who comes tries again.
create function {schema}.discard(of integer, r bigint, t bigint) returns boolean language plpgsql
as $$
begin
  if t is not null and not pg_try_advisory_xact_lock(
    '{schema}.server'::regclass::oid::integer, (t & 2147483647)::integer)
  then
    -- It changes no column of a key, so the row lock of check() does not keep it waiting.
    update {schema}.request set ended = true where sid = of and request = r and not ended;
    return false;
  end if;
  delete from {schema}.request where sid = of and request = r;
  return true;
end $$;

-- Grants what can be granted. Under the mutex of the key. A request is granted if no earlier one
-- conflicts with it: so these are a head of the queue.
create function {schema}.grant_next(k text) returns void language plpgsql
as $$
declare
  r record;
  is_first boolean := true;
  t bigint;
begin
  for r in select q.sid, q.request, q.shared, q.token from {schema}.request q
    where q.key = k order by q.ticket
  loop
    exit when not r.shared and not is_first;
    if r.token is null then
      t := nextval('{schema}.token');
      update {schema}.request set token = t, since = clock_timestamp()
        where sid = r.sid and request = r.request;
      perform pg_notify({schema}.channel(r.sid), 'grant ' || r.request || ' ' || t);
    end if;
    exit when not r.shared;
    is_first := false;
  end loop;
end $$;

-- Ends the holds of one key whose sessions are gone, or that could not be ended before. Under the
-- mutex of the key. Only holds are looked at, which are a head of the queue: a pending request of
-- the dead is granted in its turn, and ended by the next who comes.
create function {schema}.sweep(k text, me integer) returns boolean language plpgsql
as $$
declare
  r record;
  has_changed boolean := false;
begin
  for r in select q.sid, q.request, q.token, q.ended from {schema}.request q
    where q.key = k order by q.ticket
  loop
    exit when r.token is null;
    if r.ended or (r.sid <> me and {schema}.is_gone(r.sid)) then
      has_changed := {schema}.discard(r.sid, r.request, r.token) or has_changed;
    end if;
  end loop;
  if has_changed then
    perform {schema}.grant_next(k);
  end if;
  return has_changed;
end $$;

-- Who is in the way of a request with this ticket.
create function {schema}.contention(k text, before bigint, out holder text, out age double precision, out ahead integer)
language plpgsql as $$
begin
  select {schema}.client(q.sid), extract(epoch from clock_timestamp() - q.since)
    into holder, age
    from {schema}.request q where q.key = k and q.token is not null order by q.ticket limit 1;
  select count(*) into ahead from (
    select from {schema}.request q where q.key = k and q.token is null and q.ticket < before
      order by q.ticket limit 1000) waiting;
end $$;

-- The label and the address of a session.
create function {schema}.client(of integer) returns text language sql stable
as $$
  select s.label || coalesce(' at ' || s.address, '') || ' (backend ' || s.pid || ')'
    from {schema}.session s where s.sid = of
$$;

-- Fails unless this connection is the one of the session: a pooler in transaction mode may put
-- another behind the same client. The advisory lock makes reap() wait for us, so that no request is
-- made in the name of a session that has been ended. (A row lock would do so as well, and write.)
create function {schema}.assert_mine(me integer) returns void language plpgsql as $$
declare
  owner integer;
begin
  perform pg_advisory_xact_lock_shared('{schema}.version'::regclass::oid::integer, me);
  select s.pid into owner from {schema}.session s where s.sid = me and not s.ended;
  if owner is null then
    raise exception 'the session was ended by others, who had heard nothing from it'
      using errcode = 'CL002';
  elsif owner <> pg_backend_pid() then
    raise exception 'the session belongs to backend %, and this is backend %: a pooler in transaction mode stands between', owner, pg_backend_pid()
      using errcode = 'CL003';
  end if;
end $$;

-- Opens a session for this connection, and sees to it that its tokens are larger than all before.
--
-- A token has the era in its upper 15 bits, then the time of the last restart, then a count. A new
-- era begins on another server: after a promotion, which has another timeline, or a restore. It
-- is as large as the timeline at least, so a replica that lags behind need not know the last token.
-- A crash may lose what the sequence has counted in the last moment; so a restart leaves a gap,
-- and puts the time in front.
create function {schema}.register(named text, out me integer, out backend integer, out hears text, out server_started timestamptz, out on_timeline integer)
language plpgsql security definer
set search_path = pg_catalog, pg_temp
set synchronous_commit = on as $$
declare
  known record;
  now_on text;
  last bigint;
  era bigint;
begin
  if pg_is_in_recovery() then
    raise exception 'this server is a read-only replica' using errcode = '25006';
  end if;
  perform pg_advisory_xact_lock('{schema}.version'::regclass::oid::integer, 0);
  server_started := pg_postmaster_start_time();
  on_timeline := ('x' || left(pg_walfile_name(pg_current_wal_insert_lsn()), 8))::bit(32)::integer;
  -- A restore makes the sequence anew, and so gives it another OID.
  now_on := (select system_identifier from pg_control_system()) || ' '
    || (select d.oid from pg_database d where d.datname = current_database()) || ' '
    || '{schema}.token'::regclass::oid;
  select * into known from {schema}.server;
  if known.identity is distinct from now_on or known.timeline is distinct from on_timeline
    or known.started is distinct from server_started
  then
    last := (select last_value from {schema}.token);
    era := last >> 48;
    if known.identity is distinct from now_on or known.timeline is distinct from on_timeline then
      era := greatest(era + 1, on_timeline);
    end if;
    -- In 256ths of milliseconds since 2020: nobody is granted locks faster.
    perform setval('{schema}.token', greatest(last + 65536,
      (era << 48) + (extract(epoch from clock_timestamp() - timestamptz '2020-01-01 00:00:00Z') * 1000)::bigint * 256));
    delete from {schema}.server;
    insert into {schema}.server values (now_on, on_timeline, server_started);
  end if;

  me := nextval('{schema}.sid');
  -- Before the row can be seen: whoever sees it finds the lock held.
  perform pg_advisory_lock('{schema}.session'::regclass::oid::integer, me);
  insert into {schema}.session values (
    me, pg_backend_pid(), left(named, 200),
    host(inet_client_addr()) || ':' || inet_client_port());
  backend := pg_backend_pid();
  hears := {schema}.channel(me);
end $$;

-- For another connection: whether a third has the lock of a session. Notifies the session.
create function {schema}.probe(of integer) returns boolean
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
begin
  perform pg_notify({schema}.channel(of), 'probe');
  return not pg_try_advisory_xact_lock_shared('{schema}.session'::regclass::oid::integer, of);
end $$;

-- Asks for a lock. Returns the token if it was granted. Otherwise queues the request if the caller
-- waits, and says who is in the way if not.
create function {schema}.acquire(
  me integer, r bigint, k text, is_shared boolean, waits boolean,
  out granted bigint, out holder text, out age double precision, out ahead integer)
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
  place bigint;
begin
  perform {schema}.assert_mine(me);
  perform pg_advisory_xact_lock('{schema}.request'::regclass::oid::integer, hashtext(k));
  -- Until nobody is in the way, or nobody of those who are can be ended: to end a hold of the dead
  -- may grant a request of the dead.
  loop
    if not exists (select from {schema}.request q where q.key = k and not (is_shared and q.shared)) then
      granted := nextval('{schema}.token');
      insert into {schema}.request (sid, request, key, ticket, shared, token)
        values (me, r, k, nextval('{schema}.ticket') * 1024, is_shared, granted);
      return;
    end if;
    exit when not {schema}.sweep(k, me);
  end loop;
  -- Leaves room for those who steal, and stand before all who wait.
  place := nextval('{schema}.ticket') * 1024;
  if waits then
    -- Who is in the way is asked for at the end of the wait.
    insert into {schema}.request (sid, request, key, ticket, shared) values (me, r, k, place, is_shared);
  else
    select * into holder, age, ahead from {schema}.contention(k, place);
  end if;
end $$;

-- Has a held request go on in shared mode, and grants what that makes grantable. False if it is not
-- held. Fails while a transaction is open that has checked it: nobody else is to be granted the lock
-- before that has ended.
create function {schema}.downgrade(me integer, r bigint, k text) returns boolean
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
  t bigint;
begin
  perform {schema}.assert_mine(me);
  perform {schema}.mutex(k);
  select q.token into t from {schema}.request q
    where q.sid = me and q.request = r and q.token is not null and not q.ended;
  if not found then
    return false;
  end if;
  if not pg_try_advisory_xact_lock('{schema}.server'::regclass::oid::integer, (t & 2147483647)::integer) then
    raise exception 'a transaction that has checked lock "%" is still open: end it before the lock is shared', k
      using errcode = 'CL004';
  end if;
  -- It changes no column of a key: see discard().
  update {schema}.request set shared = true where sid = me and request = r;
  perform {schema}.grant_next(k);
  return true;
end $$;

-- Asks for several exclusive locks, and queues for those that are not free. All places in the
-- queues are taken in one transaction, so two callers stand in the same order in all of them.
create function {schema}.acquire_many(me integer, first bigint, keys text[])
returns table (granted bigint, holder text, age double precision, ahead integer)
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
begin
  perform {schema}.assert_mine(me);
  perform {schema}.mutex(k) from (select k from unnest(keys) k order by hashtext(k) offset 0) sorted;
  for i in 1..coalesce(array_length(keys, 1), 0) loop
    return query select * from {schema}.acquire(me, first + i - 1, keys[i], false, true);
  end loop;
end $$;

-- Ends a request, whatever became of it. The answer is false if it is held on until the end of a
-- transaction that has checked it.
create function {schema}.release(me integer, r bigint, k text) returns boolean
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
  t bigint;
begin
  perform {schema}.mutex(k);
  select q.token into t from {schema}.request q where q.sid = me and q.request = r;
  if not found then
    return true;
  end if;
  if not {schema}.discard(me, r, t) then
    return false;
  end if;
  perform {schema}.grant_next(k);
  return true;
end $$;

-- Ends a request that has waited for long enough, and says who is in the way; or returns its token,
-- if it has been granted meanwhile.
create function {schema}.give_up(me integer, r bigint, k text,
  out granted bigint, out holder text, out age double precision, out ahead integer)
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
  place bigint;
begin
  perform {schema}.mutex(k);
  select q.token, q.ticket into granted, place from {schema}.request q
    where q.sid = me and q.request = r and not q.ended;
  if granted is not null or place is null then
    return;
  end if;
  select * into holder, age, ahead from {schema}.contention(k, place);
  delete from {schema}.request where sid = me and request = r;
  perform {schema}.grant_next(k);
end $$;

-- Takes a lock away from all who hold it. Their tokens are void at once; if one of them has an open
-- transaction that has checked its token, the thief waits for its end, before all who wait.
create function {schema}.steal(me integer, r bigint, k text) returns bigint
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
  h record;
  place bigint;
begin
  perform {schema}.assert_mine(me);
  perform {schema}.mutex(k);
  for h in select q.sid, q.request, q.token, q.ticket, q.ended from {schema}.request q
    where q.key = k order by q.ticket
  loop
    exit when h.token is null;
    if not {schema}.discard(h.sid, h.request, h.token) then
      place := h.ticket + 1;
    end if;
    if not h.ended then
      perform pg_notify({schema}.channel(h.sid), 'stolen ' || h.request || ' ' || coalesce({schema}.client(me), '?'));
    end if;
  end loop;
  if place is null then
    place := coalesce((select min(q.ticket) from {schema}.request q where q.key = k) - 1,
      nextval('{schema}.ticket') * 1024);
  end if;
  insert into {schema}.request (sid, request, key, ticket, shared) values (me, r, k, place, false);
  perform {schema}.grant_next(k);
  return (select q.token from {schema}.request q where q.sid = me and q.request = r);
end $$;

-- Says that the session lives, tries again to end what could not be ended, and returns the other
-- sessions with the count of their beats.
create function {schema}.beat(me integer) returns table (sid integer, beats bigint, gone boolean)
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
  k text;
begin
  perform {schema}.assert_mine(me);
  update {schema}.session s set beat = s.beat + 1 where s.sid = me;
  for k in
    select distinct_keys.key from
      (select distinct q.key from {schema}.request q where q.ended limit 100) distinct_keys
    order by hashtext(distinct_keys.key)
  loop
    perform {schema}.mutex(k);
    perform {schema}.sweep(k, me);
  end loop;
  return query select s.sid, s.beat, {schema}.is_gone(s.sid) from {schema}.session s where s.sid <> me;
end $$;

-- Ends a session whose connection is gone, or that has not changed its count of beats for as long as
-- the caller has watched it. Up to so many requests at once; returns how many are left to do.
create function {schema}.reap(victim integer, silent_since bigint) returns bigint
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
  r record;
  is_dead boolean := {schema}.is_gone(victim);
begin
  if not is_dead then
    -- From here on it can ask for nothing: see assert_mine(). What it has asked for is there.
    perform pg_advisory_xact_lock('{schema}.version'::regclass::oid::integer, victim);
    update {schema}.session s set ended = true where s.sid = victim and s.beat = silent_since;
    if not found then
      return 0;
    end if;
    perform pg_notify({schema}.channel(victim), 'silent');
  end if;
  for r in
    select q.request, q.key from {schema}.request q
      where q.sid = victim and not q.ended order by hashtext(q.key), q.key limit 100
  loop
    perform {schema}.mutex(r.key);
    -- Others may have been faster.
    perform {schema}.discard(victim, q.request, q.token) from {schema}.request q
      where q.sid = victim and q.request = r.request;
    perform {schema}.grant_next(r.key);
  end loop;
  if not exists (select from {schema}.request q where q.sid = victim) then
    delete from {schema}.session s where s.sid = victim;
  end if;
  return (select count(*) from {schema}.request q where q.sid = victim and not q.ended);
end $$;

-- All requests, those of one key in the order of its queue.
create function {schema}.requests()
returns table (key text, shared boolean, held boolean, age double precision, client text)
language sql security definer stable set search_path = pg_catalog, pg_temp as $$
  select q.key, q.shared, q.token is not null, extract(epoch from clock_timestamp() - q.since)::double precision,
    {schema}.client(q.sid)
  from {schema}.request q where not q.ended order by q.key, q.ticket
$$;

-- To be called in a transaction that may be committed only while the lock is held. Fails if the
-- token is not, or no longer, the one of a holder. If it does not fail, nobody else is granted the
-- lock before the transaction has ended.
--
-- Two locks see to that. The advisory lock is what those who take a lock away try to get, without
-- waiting. The row lock is for transactions whose snapshot is older than this call (repeatable
-- read, serializable): it fails if the row was deleted since.
create function {schema}.check(k text, t bigint) returns void
language plpgsql security definer set search_path = pg_catalog, pg_temp set enable_seqscan = off as $$
begin
  if pg_try_advisory_xact_lock_shared(
    '{schema}.server'::regclass::oid::integer, (t & 2147483647)::integer)
  then
    perform from {schema}.request q where q.key = k and q.token = t and not q.ended for key share;
    if found then
      return;
    end if;
  end if;
  raise exception 'lock "%" is not held with the fencing token %: it was released, taken over or stolen', k, t
    using errcode = 'CL001';
end $$;

insert into {schema}.version values (1, 1);
grant select on {schema}.version to public;
