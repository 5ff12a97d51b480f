// Locks on a real file server with two clients: what one holds the other does not get, until the server says so.

import assert from 'node:assert/strict';
import { mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { start } from './machines.mjs';

/** How long the server keeps the locks of a client of which it hears nothing, in seconds: the least that it takes. */
const LEASE = 10;

/** How long it may take until a lock of such a client is free, in milliseconds: the server looks now and then. */
const EXPIRED = 3 * LEASE * 1000;

/** A loss has to be noticed within a second of use. The rest is for machines that are emulated on a busy one. */
const NOTICED = 1000;
const SLACK = 2000;

const kernel = process.env.CROSSLOCK_NFS_KERNEL;
const initrd = process.env.CROSSLOCK_NFS_INITRD;
if (!kernel || !initrd) throw new Error('run this by `npm run nfs`, which makes the machines');
const log = mkdtempSync(join(tmpdir(), 'crosslock-nfs-log-'));
console.log(`what the machines say is in ${log}`);

const MOUNTS = process.env.CROSSLOCK_NFS_MOUNTS?.split(' ') ?? [
  'vers=4.2',
  'vers=4.0',
  'vers=4.2,actimeo=60',
  'vers=4.2,softerr,timeo=20,retrans=1',
];
for (const mount of MOUNTS) {
  describe(`mounted with ${mount}`, () => {
    let network;
    /** A process on each machine that locks datadirs. */
    let one, two;
    let datadirs = 0;
    /** A new one for each test, as both machines see it. */
    const newDatadir = () => `/mnt/datadir-${++datadirs}`;

    before(async () => {
      network = await start({ kernel, initrd, lease: LEASE, mount, log });
      [one, two] = await Promise.all([network.one.agent(1), network.two.agent(1)]);
    });
    after(() => network?.stop());

    /** Opens a datadir when the other machine no longer has it. Says how long that took, and when it was. */
    const openWhenFree = async (agent, name, kind, datadir) => {
      const begun = performance.now();
      while (performance.now() - begun < EXPIRED) {
        const { result, at } = await agent.timed(`open ${name} ${kind} ${datadir}`);
        if (result === 'ok') return at;
        assert.match(result, /^already-held|^other-kind/);
      }
      assert.fail('it is never free');
    };

    for (const kind of ['fcntl', 'flock']) {
      test(`${kind}: one machine has the datadir, and its keys exclude`, async () => {
        const datadir = newDatadir();
        const name = `${kind}-plain`;
        assert.equal(await one.ask(`open ${name} ${kind} ${datadir}`), 'ok');
        for (const other of ['fcntl', 'flock']) {
          assert.match(await two.ask(`open ${name} ${other} ${datadir}`), /^already-held: another process is already using datadir/);
        }
        assert.match(await two.ask(`open ${name} shared ${datadir}`), /^other-kind/);
        assert.equal(await one.ask(`lock ${name} ${name}-a a exclusive 1000`), 'ok');
        assert.equal(await one.ask(`try ${name} ${name}-b a exclusive`), 'held');
        assert.equal(await one.ask(`try ${name} ${name}-c c exclusive`), 'ok');
        assert.equal(await one.ask(`ensure ${name}-a`), 'ok');
        for (const guard of ['a', 'c']) await one.ask(`release ${name}-${guard}`);
        await one.ask(`close ${name}`);
        assert.equal(await two.ask(`open ${name} ${kind} ${datadir}`), 'ok');
        await two.ask(`close ${name}`);
      });

      test(`${kind}: a process that is killed leaves nothing`, async () => {
        const datadir = newDatadir();
        const name = `${kind}-killed`;
        const victim = await network.one.agent(2);
        assert.equal(await victim.ask(`open ${name} ${kind} ${datadir}`), 'ok');
        assert.match(await two.ask(`open ${name} ${kind} ${datadir}`), /^already-held/);
        const killed = performance.now();
        await victim.kill();
        const at = await openWhenFree(two, name, kind, datadir);
        console.log(`${mount}: ${kind}: free ${seconds(at - killed)} after its process was killed`);
        assert.ok(at - killed < LEASE * 1000);
        await two.ask(`close ${name}`);
      });

      test(`${kind}: a machine that is cut off for less than its lease keeps its lock`, async () => {
        const datadir = newDatadir();
        const name = `${kind}-short`;
        assert.equal(await one.ask(`open ${name} ${kind} ${datadir}`), 'ok');
        assert.equal(await one.ask(`lock ${name} ${name} a exclusive 1000`), 'ok');
        await network.cut(network.one);
        await sleep(3000);
        assert.match(await two.ask(`open ${name} ${kind} ${datadir}`), /^already-held/);
        await network.mend(network.one);
        await holdsAgain(one, name);
        assert.match(await two.ask(`open ${name} ${kind} ${datadir}`), /^already-held/);
        await one.ask(`release ${name}`);
        await one.ask(`close ${name}`);
      });

      test(`${kind}: a machine that is cut off for longer loses its lock before another has it`, async () => {
        const datadir = newDatadir();
        const name = `${kind}-long`;
        assert.equal(await one.ask(`open ${name} ${kind} ${datadir}`), 'ok');
        await isCutOff({ name, obtain: () => openWhenFree(two, name, kind, datadir) });
        assert.match(await one.ask(`try ${name} ${name}-new b exclusive`), /^lost/);
        await one.ask(`close ${name}`);
        // It is not freed by those who have lost it.
        assert.match(await one.ask(`open ${name} ${kind} ${datadir}`), /^already-held/);
        await two.ask(`close ${name}`);
        assert.equal(await one.ask(`open ${name} ${kind} ${datadir}`), 'ok');
        await one.ask(`close ${name}`);
      });
    }

    test('shared: keys exclude between machines, and nobody is refused', async () => {
      const datadir = newDatadir();
      for (const agent of [one, two]) assert.equal(await agent.ask(`open shared shared ${datadir}`), 'ok');
      assert.match(await two.ask(`open alone fcntl ${datadir}`), /^other-kind/);
      assert.equal(await one.ask('lock shared s1 a exclusive 1000'), 'ok');
      assert.equal(await two.ask('try shared s2 a exclusive'), 'held');
      assert.equal(await two.ask('try shared s2 a shared'), 'held');
      assert.match(await two.ask('lock shared s2 a exclusive 1500'), /^timed-out.*another process/);
      assert.equal(await two.ask('try shared s3 b exclusive'), 'ok');
      const waiting = two.timed('lock shared s4 a exclusive 90000');
      await sleep(2000);
      const released = performance.now();
      await one.ask('release s1');
      const { result, at } = await waiting;
      assert.equal(result, 'ok');
      console.log(`${mount}: shared: the other machine had the key ${seconds(at - released)} after its release`);
      assert.equal(await one.ask('try shared s5 a exclusive'), 'held');
      await two.ask('release s4');
      await two.ask('release s3');
      // Readers beside each other, and no writer.
      assert.equal(await one.ask('lock shared s6 r shared 1000'), 'ok');
      assert.equal(await two.ask('lock shared s7 r shared 1000'), 'ok');
      assert.equal(await two.ask('try shared s8 r exclusive'), 'held');
      for (const [agent, guard] of [
        [one, 's6'],
        [two, 's7'],
      ]) {
        assert.equal(await agent.ask(`ensure ${guard}`), 'ok');
        await agent.ask(`release ${guard}`);
      }
      for (const agent of [one, two]) await agent.ask('close shared');
    });

    test('shared: a process that is killed leaves nothing', async () => {
      const datadir = newDatadir();
      const victim = await network.one.agent(2);
      assert.equal(await victim.ask(`open killed shared ${datadir}`), 'ok');
      assert.equal(await two.ask(`open killed shared ${datadir}`), 'ok');
      assert.equal(await victim.ask('lock killed k1 a exclusive 1000'), 'ok');
      const waiting = two.timed('lock killed k2 a exclusive 90000');
      await sleep(1000);
      const killed = performance.now();
      await victim.kill();
      const { result, at } = await waiting;
      assert.equal(result, 'ok');
      console.log(`${mount}: shared: the key was free ${seconds(at - killed)} after its process was killed`);
      await two.ask('release k2');
      await two.ask('close killed');
    });

    test('shared: a machine that is cut off for longer than its lease loses its keys before another has them', async () => {
      const datadir = newDatadir();
      for (const agent of [one, two]) assert.equal(await agent.ask(`open long shared ${datadir}`), 'ok');
      const obtain = async () => {
        const { result, at } = await two.timed(`lock long long-2 a exclusive ${EXPIRED}`);
        assert.equal(result, 'ok');
        return at;
      };
      await isCutOff({ name: 'long', obtain });
      assert.match(await one.ask('try long long-new b exclusive'), /^lost/);
      await one.ask('close long');
      assert.equal(await two.ask('ensure long-2'), 'ok');
      // It is not freed by those who have lost it.
      assert.equal(await one.ask(`open long shared ${datadir}`), 'ok');
      assert.equal(await one.ask('try long long-3 a exclusive'), 'held');
      await two.ask('release long-2');
      for (const agent of [one, two]) await agent.ask('close long');
    });

    test('a machine that loses power has its locks for a lease', async () => {
      const datadir = newDatadir();
      assert.equal(await one.ask(`open power fcntl ${datadir}`), 'ok');
      const killed = performance.now();
      network.one.kill();
      const at = await openWhenFree(two, 'power', 'fcntl', datadir);
      console.log(`${mount}: fcntl: free ${seconds(at - killed)} after its machine lost power`);
      await two.ask('close power');
    });

    /**
     * The manager `name` of the first machine holds a key, and many threads ask whether it does. Then the machine is cut
     * off until the second one has it.
     */
    async function isCutOff({ name, obtain }) {
      assert.equal(await one.ask(`lock ${name} ${name} a exclusive 1000`), 'ok');
      const told = one.timed(`lost ${name}`, 2 * EXPIRED);
      const claims = one.ask(`claims ${name} 60 ${EXPIRED}`, 2 * EXPIRED);
      await sleep(2000);
      const claimed = await one.timed(`ensure ${name}`);
      assert.equal(claimed.result, 'ok');
      await network.cut(network.one);
      const cut = performance.now();
      const obtained = await obtain();
      const mended = performance.now();
      await network.mend(network.one);

      const noticed = await one.timed(`use ${name} ${EXPIRED}`, 2 * EXPIRED);
      assert.match(noticed.result, /^lost: .*no longer knows our lock/);
      assert.equal(await one.ask(`is-lost ${name}`), 'true');
      assert.match(await one.ask(`ensure ${name}`), /^lost/);
      const toldAt = (await told).at;
      const [micros, losses] = (await claims).split(' ').map(Number);
      const lastClaim = Math.max(claimed.at, one.byOurClock(micros));
      console.log(
        `${mount}: ${name}: cut off, its last claim was ${seconds(lastClaim - cut)} later; the other machine had the lock after ` +
          `${seconds(obtained - cut)}; back, it knew after ${seconds(noticed.at - mended)}, and who awaited the loss after ${seconds(toldAt - mended)}`,
      );
      assert.equal(losses, 60, 'every thread is told of the loss');
      assert.ok(lastClaim < obtained, `it claimed the lock ${seconds(lastClaim - obtained)} after the other machine had it`);
      assert.ok(lastClaim - cut < NOTICED + SLACK, `it claimed the lock for ${seconds(lastClaim - cut)}`);
      await one.ask(`release ${name}`);
    }
  });
}

/** Waits until a guard is known to be held, which cannot be told while its server is out of reach. */
async function holdsAgain(agent, guard) {
  const begun = performance.now();
  for (;;) {
    const result = await agent.ask(`ensure ${guard}`);
    if (result === 'ok') return;
    assert.match(result, /^io/);
    assert.ok(performance.now() - begun < EXPIRED, result);
  }
}

function sleep(millis) {
  return new Promise((resolve) => setTimeout(resolve, millis));
}

function seconds(millis) {
  return `${(millis / 1000).toFixed(1)} s`;
}
