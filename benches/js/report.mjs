// Markdown on stdout, ready to be pasted. Progress goes to stderr.

import { median, ratio } from './harness.mjs';

/** @typedef {import('./harness.mjs').Comparison} Comparison */

export const progress = (text) => console.error(`crosslock: ${text}`);

export const heading = (text) => console.log(`\n### ${text}`);

/**
 * One row for each contestant, the first of which is ours, and two columns for each comparison.
 *
 * @param {Comparison[]} comparisons
 */
export function printContestants(title, comparisons) {
  const [{ results }] = comparisons;
  const withBytes = results[0].bytes !== undefined;
  const headers = comparisons.flatMap(({ title }) => [title, 'ours is']);
  printTable(
    [title, ...headers, ...(withBytes ? ['bytes allocated'] : [])],
    results.map(({ name, bytes }, i) => {
      const columns = comparisons.flatMap(({ results }) => [
        time(results[i]),
        i ? share(results[0], results[i]) : '',
      ]);
      return [name, ...columns, ...(withBytes ? [integer(bytes)] : [])];
    }),
  );
}

/**
 * One row for each comparison, and two columns for each contestant but the last, which the others are
 * compared with.
 *
 * @param {Comparison[]} comparisons
 */
export function printScenes(title, comparisons) {
  const names = comparisons[0].results.map(({ name }) => name);
  const base = names.pop();
  printTable(
    [title, base, ...names.flatMap((name) => [name, 'is'])],
    comparisons.map(({ title, results }) => {
      const theirs = results.at(-1);
      const others = results.slice(0, -1).flatMap((ours) => [time(ours), share(ours, theirs)]);
      return [title, time(theirs), ...others];
    }),
  );
}

/** One row for each contestant, not compared. @param {Comparison} comparison */
export const printTimes = ({ title, results }) =>
  printTable(
    [title, 'time'],
    results.map((result) => [result.name, time(result)]),
  );

/** A table whose first column is text, and whose others are numbers. */
export function printTable(headers, rows) {
  const line = (cells) => `| ${cells.join(' | ')} |`;
  console.log(`\n${line(headers)}`);
  console.log(line(headers.map((_, i) => (i ? '--:' : '---'))));
  for (const row of rows) console.log(line(row));
}

function time({ nanoseconds }) {
  const value = median(nanoseconds);
  if (value >= 1e6) return `${significant(value / 1e6)} ms`;
  return value >= 1e4 ? `${significant(value / 1e3)} µs` : `${significant(value)} ns`;
}

const share = (ours, theirs) => `${significant(ratio(ours, theirs))} ×`;

/** Three digits are more than the noise leaves. */
function significant(value) {
  if (value >= 100) return integer(value);
  if (value >= 10) return value.toFixed(1);
  return value >= 0.1 ? value.toFixed(2) : value.toPrecision(2);
}

/** Never "-0". */
export const integer = (value) => (Math.round(value) || 0).toLocaleString('en-GB');
