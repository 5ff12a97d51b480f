// Packages that come from elsewhere than their registry, or without a checksum, are refused.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { unsafeCrates, unsafePackages } from '../../tools/licences.mjs';

const REGISTRY = 'registry+https://github.com/rust-lang/crates.io-index';
const CHECKSUM = 'a'.repeat(64);

const crate = (name, ...lines) => `[[package]]\nname = "${name}"\nversion = "1.0.0"\n${lines.join('\n')}\n\n`;

test('crates', () => {
  const lockfile = [
    crate('ours'),
    crate('fine', `source = "${REGISTRY}"`, `checksum = "${CHECKSUM}"`),
    crate('by-git', 'source = "git+https://example.org/by-git#0123"'),
    crate('elsewhere', 'source = "registry+https://example.org/index"', `checksum = "${CHECKSUM}"`),
    crate('unchecked', `source = "${REGISTRY}"`),
  ];
  assert.deepEqual(unsafeCrates(`version = 4\n\n${lockfile.join('')}`), ['by-git', 'elsewhere', 'unchecked']);
});

test('npm packages', () => {
  const packages = {
    '': {},
    'node_modules/fine': { version: '1.0.0', integrity: 'sha512-abc' },
    'node_modules/weak': { version: '1.0.0', integrity: 'sha1-abc' },
    'node_modules/by-git': { version: 'git+ssh://example.org/by-git#0123' },
    'node_modules/linked': { resolved: 'elsewhere', link: true },
  };
  assert.deepEqual(unsafePackages({ packages }), ['node_modules/weak', 'node_modules/by-git', 'node_modules/linked']);
});
