// What the tests of clients in JavaScript share: how much, from which seed, and what the checker says.

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { root } from '../../../tools/run.mjs';

/** As many requests as `npm test` has time for; `CROSSLOCK_OPERATIONS` for a soak. */
export const operations = (usual) => Number(process.env.CROSSLOCK_OPERATIONS ?? usual);

export const seed = Number(process.env.CROSSLOCK_SEED ?? Math.floor(Math.random() * 2 ** 32));

/**
 * The same clock as that of the checker's own clients: CLOCK_MONOTONIC in nanoseconds, for all threads and processes.
 * As text, since a number of JavaScript's is too short.
 */
export const lineOf = (event) => `{"at":${process.hrtime.bigint()},${JSON.stringify(event).slice(1)}`;

/** The exit code of the checker, which prints what it finds unless it is to be silent. Then the history is kept, too. */
export async function verdict(texts, options = [], { isSilent = false } = {}) {
  const args = ['run', '--quiet', '--package', 'crosslock-history', '--', ...options];
  const checker = spawn('cargo', args, { cwd: root, stdio: ['pipe', isSilent ? 'ignore' : 'inherit', 'inherit'] });
  const closed = once(checker, 'close');
  for (const text of texts) if (!checker.stdin.write(`${text}\n`)) await Promise.race([once(checker.stdin, 'drain'), closed]);
  checker.stdin.end();
  const [code] = await closed;
  if (code !== 0 && !isSilent) {
    const file = join(tmpdir(), `crosslock-history-${process.pid}-${Date.now()}.json`);
    writeFileSync(file, texts.map((text) => `${text}\n`).join(''));
    console.log(`The history is in ${file}. To check it again: ${['cargo', ...args, file].join(' ')}`);
  }
  return code;
}
